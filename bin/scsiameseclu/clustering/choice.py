"""Chooses, without labels, between the trained clusters and the consensus they started from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .merit import held_out_likelihood

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix


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
    count, see :func:`.merit.held_out_likelihood`) and ``cells_changed``. All but the reason are ready for a report.
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
