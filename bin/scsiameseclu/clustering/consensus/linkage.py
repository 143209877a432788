"""Average linkage of cells by co-association: the dendrogram of clusters (docs/method.md).

The dendrogram's leaves are the finest clusters that a cut can give; each has enough cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from .partitions import LEAF, cluster_totals, first_columns

Integers = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]

SMALLEST = 8
"""Cells that a cluster has at least; fewer where more than n / 32 clusters are wanted."""


@dataclass(frozen=True)
class Dendrogram:
    """Nested clusters of the cells.

    Nodes are numbered as in :mod:`scipy.cluster.hierarchy`: leaves 0 .. m - 1, and m + i the node
    that merge i makes. An ancestor always has a higher number than its descendants.

    Parameters
    ----------
    merges
        float64 of shape (m - 1, 4), in the order in which they are made: the two nodes, the mean
        co-association of their cells, and the cells of the new node.
    leaves
        Leaf of each cell, int64 of shape (n_cells,), each with at least one cell.
    """

    merges: Floats
    leaves: NDArray[np.int64]

    @property
    def n_leaves(self) -> int:
        """Number of leaves, the most clusters that there can be."""
        return len(self.merges) + 1

    def into(self, n_clusters: int) -> NDArray[np.int64]:
        """Return the node of each cell after all merges but the last `n_clusters` - 1.

        Each leaf is a cluster of its own if there are fewer leaves.
        """
        m = self.n_leaves
        top = np.arange(2 * m - 1)
        for i in range(m - 1 - max(n_clusters, 1), -1, -1):
            top[self.merges[i, :2].astype(np.int64)] = top[m + i]
        return np.asarray(top[self.leaves])

    def at(self, co_association: float) -> NDArray[np.int64]:
        """Return the node of each cell after the merges at or above that mean co-association."""
        return self.into(self.n_leaves - int((self.merges[:, 2] >= co_association).sum()))

    def with_leaves(self, leaves: NDArray[np.int64]) -> Dendrogram:
        """Return the dendrogram after cells have changed leaves; empty leaves are removed.

        The co-associations stay those of the cells before.
        """
        m = self.n_leaves
        merges: list[tuple[float, ...]] = []
        cells = np.bincount(leaves, minlength=2 * m - 1).astype(np.float64)
        left = int((cells > 0).sum())
        node = np.cumsum(cells > 0) - 1
        for new, (first, second, met, _) in enumerate(self.merges, start=m):
            a, b = int(first), int(second)
            cells[new] = cells[a] + cells[b]
            if cells[a] and cells[b]:
                node[new] = left + len(merges)
                merges.append((node[a], node[b], met, cells[new]))
            else:
                node[new] = node[a] if cells[a] else node[b]
        return Dendrogram(np.array(merges, dtype=np.float64).reshape(-1, 4), node[leaves])

    def stability(self, labels: NDArray[np.int32]) -> Floats:
        """Return each node's mean over partitions of its best Jaccard index with a cluster.

        Hennig 2007, with the partitions instead of resamples.

        Parameters
        ----------
        labels
            Partitions of the cells, int32 of shape (n_cells, p).
        """
        totals = np.zeros((2 * self.n_leaves - 1, int(labels.max(axis=0).sum()) + labels.shape[1]))
        found = cluster_totals(self.leaves, labels)
        totals[: len(found)] = found
        for i, (a, b, *_) in enumerate(self.merges):
            totals[self.n_leaves + i] = totals[int(a)] + totals[int(b)]
        own = totals.sum(axis=1, keepdims=True) / labels.shape[1]
        jaccard = totals / np.maximum(own + totals[-1] - totals, 1.0)
        return np.asarray(np.maximum.reduceat(jaccard, first_columns(labels), axis=1).mean(axis=1))


def dendrogram(similarity: Floats, micro: NDArray[np.int64], *, n_clusters: int = 1) -> Dendrogram:
    """Return the dendrogram of micro-clusters.

    The leaves are the micro-clusters' clusters at a co-association of `LEAF`, or the coarsest
    ones with `n_clusters` of sufficient size, whichever is finer; those with too few cells
    join the leaf that they meet most.

    Parameters
    ----------
    similarity
        Mean co-association of the micro-clusters' cells, (m, m).
    micro
        Micro-cluster of each cell, 0 .. m - 1, shape (n_cells,).
    n_clusters
        Clusters that there are to be at least, as far as there are micro-clusters.
    """
    sizes = np.bincount(micro).astype(np.float64)
    least = min(SMALLEST, micro.size / (4 * n_clusters))
    fine = Dendrogram(average_linkage(similarity, sizes), np.arange(sizes.size))
    leaves = np.minimum(fine.at(LEAF), _with_enough_cells(fine, sizes, n_clusters, least))
    leaves = _without_small(np.unique(leaves, return_inverse=True)[1], similarity, sizes, least)
    met, cells = _between(leaves, similarity, sizes)
    return Dendrogram(
        average_linkage(met / np.outer(cells, cells), cells), leaves[micro].astype(np.int64)
    )


def average_linkage(similarity: Floats, sizes: Floats) -> Floats:
    """Return the merges of an average linkage (UPGMA) of clusters with those numbers of cells.

    scipy's knows no sizes. Each cluster remembers the one that is most similar, so the time grows
    with about the square of the number of clusters.

    Returns
    -------
    See :class:`Dendrogram`; the similarity falls from merge to merge.
    """
    s, w, m = similarity.copy(), sizes.copy(), sizes.size
    np.fill_diagonal(s, -1.0)
    partner, node = s.argmax(axis=1), np.arange(m)
    closest = s[np.arange(m), partner]
    merges = np.empty((m - 1, 4))
    for step in range(m - 1):
        first = int(closest.argmax())
        a, b = sorted((first, int(partner[first])))
        merges[step] = node[a], node[b], s[a, b], w[a] + w[b]
        node[a] = m + step
        row = (w[a] * s[a] + w[b] * s[b]) / (w[a] + w[b])
        row[s[a] < 0] = row[b] = -1.0
        w[a] += w[b]
        s[a] = s[:, a] = row
        s[b] = s[:, b] = closest[b] = -1.0
        stale = np.flatnonzero((closest >= 0) & ((partner == a) | (partner == b)))
        partner[stale] = s[stale].argmax(axis=1)
        closest[stale] = s[stale, partner[stale]]
        partner[a], closest[a] = row.argmax(), row.max()
        closer = row > closest
        partner[closer], closest[closer] = a, row[closer]
    return merges


def _with_enough_cells(
    fine: Dendrogram, sizes: Floats, n_clusters: int, least: float
) -> NDArray[np.int64]:
    """Return the coarsest cut with `n_clusters` of at least `least` cells, else the finest."""
    for wanted in range(n_clusters, fine.n_leaves + 1):
        nodes = fine.into(wanted)
        if (np.bincount(nodes, weights=sizes) >= least).sum() >= n_clusters:
            return nodes
    return fine.leaves


def _without_small(leaves: Integers, similarity: Floats, sizes: Floats, least: float) -> Integers:
    """Join leaves of fewer than `least` cells, smallest first, to the one that they meet most."""
    met, cells = _between(leaves, similarity, sizes)
    joined, left = np.arange(cells.size), cells.size
    while cells.min() < least and left > 1:
        smallest = int(cells.argmin())
        mean = met[smallest] / cells
        mean[smallest] = -1.0
        other = int(mean.argmax())
        met[other] += met[smallest]
        met[:, other] += met[:, smallest]
        cells[other] += cells[smallest]
        met[:, smallest], cells[smallest] = 0.0, np.inf
        joined[joined == smallest] = other
        left -= 1
    return np.unique(joined[leaves], return_inverse=True)[1]


def _between(leaves: Integers, similarity: Floats, sizes: Floats) -> tuple[Floats, Floats]:
    """Return the co-association of the cells of each two leaves, summed, and the cells of each."""
    # Sparse: with few types, thousands of micro-clusters lie in nearly as many leaves.
    weights = csr_matrix((sizes, (leaves, np.arange(sizes.size))))
    cells = np.bincount(leaves, weights=sizes).astype(np.float64, copy=False)
    return np.asarray(weights @ similarity @ weights.T), cells
