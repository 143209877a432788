"""Chooses, without labels, between the trained clusters and the consensus they started from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .agreement import membership
from .views import row_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

PSEUDOCOUNT = 0.5
"""Added to each gene's count in a cluster's profile (Jeffreys' prior)."""


def held_out_likelihood(counts: csr_matrix, labels: NDArray[np.int64]) -> float:
    """Return the mean log-likelihood per count of each cell under the profile of the *other* cells of its cluster.

    Leave-one-out cross-validation of a multinomial model: a cell's own counts are taken out of its cluster's profile
    before they are scored by it, so that neither more freedom nor a cluster of one cell is rewarded. Two passes over
    the counts, whatever the number of clusters.

    Parameters
    ----------
    counts
        Raw counts, (n, genes).
    labels
        Clusters of the cells, 0 .. k-1, shape (n,).

    Returns
    -------
    Nats per count; 0 if there are no counts.
    """
    n, n_genes = counts.shape
    k = int(labels.max()) + 1
    profiles = np.zeros((k, n_genes))
    for rows in row_blocks(n):
        profiles += (membership(labels[rows], k) @ counts[rows]).toarray()
    depths = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    totals = np.log(profiles.sum(axis=1)[labels] - depths + PSEUDOCOUNT * n_genes)
    likelihood = -float(depths @ totals)
    for rows in row_blocks(n):
        block = counts[rows]
        clusters = np.repeat(labels[rows], np.diff(block.indptr))
        others = np.log(profiles[clusters, block.indices] - block.data + PSEUDOCOUNT)
        likelihood += float(block.data.astype(np.float64) @ others)
    return likelihood / max(float(depths.sum()), 1.0)


def choose(counts: csr_matrix, *, trained: NDArray[np.int64], consensus: NDArray[np.int64]) -> dict[str, Any]:
    """Return the evidence for the trained clusters against the consensus, and why they are not taken, if so.

    They are taken unless they have fewer clusters or explain held-out cells worse.

    Parameters
    ----------
    counts
        Raw counts of the highly variable genes, (n, genes).
    trained, consensus
        The two clusterings, shape (n,).

    Returns
    -------
    ``reason`` (empty: the trained clusters are taken), ``likelihood_trained``, ``likelihood_consensus`` (nats per
    count, see :func:`held_out_likelihood`) and ``cells_changed``. All but the reason are ready for a report.
    """
    lost = len(np.unique(consensus)) - len(np.unique(trained))
    evidence = {
        "likelihood_trained": held_out_likelihood(counts, trained),
        "likelihood_consensus": held_out_likelihood(counts, consensus),
        "cells_changed": int((trained != consensus).sum()),
    }
    reason = ""
    if lost:
        reason = f"training lost {lost} of the clusters"
    elif evidence["likelihood_trained"] < evidence["likelihood_consensus"]:
        reason = "the trained clusters explain held-out cells worse than those of the consensus"
    return {"reason": reason, **evidence}
