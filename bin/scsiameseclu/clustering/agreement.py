"""How a clustering agrees with many partitions of the same cells, and how to make it agree better."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import nlargest
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from .linkage import average_linkage, cut

Integers = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]
SMALLEST_GAIN = 1e-9
"""Rise of the agreement, and relative rise of the merit, below which an exchange changes nothing."""
MAX_EXCHANGES, MAX_ASKED = 30, 10
"""Exchanges after which the search ends at the latest, and those of which one step asks for the merit."""


def mean_agreement(labels: Integers, partitions: NDArray[np.int32]) -> float:
    """Return the mean adjusted Rand index of the labels with each column of `partitions`."""
    return float(np.mean([adjusted_rand_index(labels, partition) for partition in partitions.T]))


def adjusted_rand_index(first: Integers, second: Integers) -> float:
    """Return the adjusted Rand index (Hubert & Arabie 1985) of two labelings by integers from 0.

    scikit-learn's sorts the labels each time; this one, called hundreds of times, only counts. 1 where both are one
    cluster.
    """
    width = int(second.max()) + 1
    table = np.bincount(first.astype(np.int64) * width + second, minlength=(int(first.max()) + 1) * width)
    counts = table.reshape(-1, width).astype(np.float64)
    n = float(first.size)
    together = (counts**2).sum() - n
    in_first, in_second = (counts.sum(axis=1) ** 2).sum() - n, (counts.sum(axis=0) ** 2).sum() - n
    expected = in_first * in_second / max(n * (n - 1), 1.0)
    highest = (in_first + in_second) / 2
    return 1.0 if highest == expected else float((together - expected) / (highest - expected))


def one_hot(partitions: NDArray[np.int32]) -> csr_matrix:
    """Return the partitions as an indicator matrix, float32 CSR of shape (n_cells, clusters of all partitions)."""
    n, n_partitions = partitions.shape
    offsets = np.concatenate([[0], np.cumsum(partitions.max(axis=0).astype(np.int64) + 1)])
    columns = (partitions + offsets[:-1]).ravel()
    starts = np.arange(0, n * n_partitions + 1, n_partitions)
    return csr_matrix((np.ones(columns.size, dtype=np.float32), columns, starts), shape=(n, int(offsets[-1])))


def cluster_totals(labels: NDArray[np.int64], n_labels: int, partitions: NDArray[np.int32]) -> Floats:
    """Cells of each label in each cluster of each partition: labels x clusters of all partitions."""
    return np.asarray((membership(labels, n_labels) @ one_hot(partitions)).toarray(), dtype=np.float64)


def membership(labels: NDArray[np.int64], n_labels: int) -> csr_matrix:
    """Return which cell has which label: 1 or 0, float64 CSR of shape (n_labels, n_cells)."""
    n = labels.size
    return csr_matrix((np.ones(n), (labels, np.arange(n))), shape=(n_labels, n))


class Agreement:
    """Mean adjusted Rand index of clusterings of micro-clusters with many partitions of their cells.

    All that the index needs are sums over micro-clusters, so its cost does not grow with the cells.

    Parameters
    ----------
    partitions
        Clusterings of the cells, int32 of shape (n_cells, p).
    micro
        Micro-cluster of each cell, 0 .. m - 1, shape (n_cells,).
    """

    def __init__(self, partitions: NDArray[np.int32], micro: NDArray[np.int64]) -> None:
        n = micro.size
        self.sizes = np.bincount(micro).astype(np.float64)
        self._members = cluster_totals(micro, self.sizes.size, partitions)
        self._starts = np.concatenate([[0], np.cumsum(partitions.max(axis=0).astype(np.int64) + 1)[:-1]])
        self._n, self._n_pairs = float(n), max(n * (n - 1.0), 1.0)
        self._in_partitions = self._per_partition(self._members.sum(axis=0) ** 2) - n

    def of(self, labels: NDArray[np.int64]) -> float:
        """Return the mean index of a clustering of the micro-clusters, 0 .. k - 1, shape (m,)."""
        totals, sizes = self._clusters(labels)
        return float(self._index(self._per_partition((totals**2).sum(axis=0)), (sizes**2).sum()))

    def of_joins(self, labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
        """Return all pairs of clusters, as two arrays, and the mean index after joining each pair."""
        totals, sizes = self._clusters(labels)
        first, second = np.triu_indices(sizes.size, k=1)
        met = self._per_partition((totals**2).sum(axis=0)) + 2 * self._per_partition(totals[first] * totals[second])
        together = (sizes**2).sum() + 2 * sizes[first] * sizes[second]
        return first, second, self._index(met, together[:, None])

    def _clusters(self, labels: NDArray[np.int64]) -> tuple[Floats, Floats]:
        totals = np.asarray(membership(labels, int(labels.max()) + 1) @ self._members)
        return totals, np.bincount(labels, weights=self.sizes).astype(np.float64)

    def _per_partition(self, values: Floats) -> Floats:
        return np.asarray(np.add.reduceat(values, self._starts, axis=-1))

    def _index(self, met: Floats, together: Floats) -> Floats:
        """Mean index from the sums of squares of the contingency tables and of the clusters' sizes."""
        met, together = met - self._n, together - self._n
        expected = together * self._in_partitions / self._n_pairs
        highest = (together + self._in_partitions) / 2
        same = highest == expected
        index = np.divide(met - expected, highest - expected, out=np.ones_like(met), where=~same)
        return np.asarray(index.mean(axis=-1))


class Exchanges:
    """Improve clusterings of micro-clusters: split one cluster, join two; the number of clusters stays.

    A greedy cut cannot take back a merge; exchanges can.

    Parameters
    ----------
    agreement
        Proposes the exchanges: those after which it is higher.
    similarity
        Similarity of the micro-clusters, (m, m), by which clusters are split in two (average linkage).
    gammas
        Exponents of the linkage's size factor: a cluster is split with each.
    merit
        Decides: what is to rise, of clusters of the micro-clusters.
    """

    def __init__(
        self,
        agreement: Agreement,
        similarity: Floats,
        *,
        gammas: Sequence[float],
        merit: Callable[[NDArray[np.int64]], float],
    ) -> None:
        self._agreement, self._similarity, self._gammas, self._merit = agreement, similarity, gammas, merit
        self._known_halves: dict[bytes, list[NDArray[np.bool_]]] = {}

    def improve(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return clusters 0 .. k - 1, shape (m,), after all exchanges; `labels` itself where none is made.

        Of the exchanges after which the agreement is highest each step makes the one after which the merit is highest.
        """
        for _ in range(MAX_EXCHANGES):
            best = nlargest(MAX_ASKED, self._better(labels), key=lambda found: found[0])
            candidates = (np.where(split == second, first, split) for _, split, first, second in best)
            numbered = (np.unique(candidate, return_inverse=True)[1].astype(np.int64) for candidate in candidates)
            taken = max(numbered, key=self._merit, default=labels)
            if not self._merit(taken) > self._merit(labels) * (1 + SMALLEST_GAIN):
                break
            labels = taken
        return labels

    def _better(self, labels: NDArray[np.int64]) -> Iterator[tuple[float, NDArray[np.int64], int, int]]:
        """All exchanges that raise the agreement: it, the clusters after the split, and the two to join."""
        least = self._agreement.of(labels) + SMALLEST_GAIN
        for cluster in range(int(labels.max()) + 1):
            for half in self._halves(labels == cluster):
                split = np.where(half, labels.max() + 1, labels)
                first, second, values = self._agreement.of_joins(split)
                for pair in np.flatnonzero(values > least):
                    yield float(values[pair]), split, int(first[pair]), int(second[pair])

    def _halves(self, members: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
        key = members.tobytes()
        if key not in self._known_halves:
            found = _halves(members, self._agreement.sizes, self._similarity, self._gammas)
            self._known_halves[key] = list(found)
        return self._known_halves[key]


def _halves(
    members: NDArray[np.bool_], sizes: Floats, similarity: Floats, gammas: Sequence[float]
) -> Iterator[NDArray[np.bool_]]:
    """Masks over all micro-clusters, each different: one part of a cluster split in two."""
    places = np.flatnonzero(members)
    if places.size < 2:
        return
    seen = set()
    for gamma in gammas:
        part = cut(average_linkage(similarity[np.ix_(places, places)], sizes[places], gamma=gamma), 2) == 1
        if part.tobytes() not in seen:
            seen.add(part.tobytes())
            half = np.zeros_like(members)
            half[places[part]] = True
            yield half
