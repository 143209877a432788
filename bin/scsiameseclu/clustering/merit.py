"""What a clustering is worth without labels: how it agrees with many partitions and predicts held-out cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .agreement import membership
from .views import row_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from .agreement import Agreement

PSEUDOCOUNT = 0.5
"""Added to each gene's count in a cluster's profile (Jeffreys' prior)."""


class Merit:
    """Agreement of a clustering with many partitions times what it adds to the likelihood of held-out cells.

    Neither alone will do: a lump of several types agrees well with coarse partitions, and cutting a large type in two
    predicts a little better than finding a small one. The product asks by what share one may fall for the other to
    rise. What is added to the likelihood is the difference to a single cluster (:func:`held_out_likelihood`); nothing,
    where that is negative.

    Parameters
    ----------
    agreement
        With the partitions, of clusters of the micro-clusters.
    micro
        Micro-cluster of each cell of `counts`, shape (n,).
    counts
        Raw counts of these cells, (n, genes). Without them the merit is the agreement.
    """

    def __init__(self, agreement: Agreement, micro: NDArray[np.int64], counts: csr_matrix | None) -> None:
        self._agreement, self._micro, self._counts = agreement, micro, counts
        self._known: dict[bytes, float] = {}
        self._single = 0.0 if counts is None else held_out_likelihood(counts, np.zeros_like(micro))

    def of(self, labels: NDArray[np.int64]) -> float:
        """Return the merit of clusters of the micro-clusters, 0 .. k - 1, shape (m,)."""
        key = by_first_member(labels).tobytes()
        if key not in self._known:
            self._known[key] = self._agreement.of(labels) * self._added(labels)
        return self._known[key]

    def _added(self, labels: NDArray[np.int64]) -> float:
        if self._counts is None:
            return 1.0
        return max(held_out_likelihood(self._counts, labels[self._micro]) - self._single, 0.0)


def by_first_member(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the labels renumbered 0, 1, .. in the order in which they first appear."""
    _, places, codes = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(places))[codes]


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
