"""The cell graph: nearest neighbors and shared-neighbor weights (docs/method.md)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.neighbors import NearestNeighbors

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.floating[Any]]"
Integers: TypeAlias = "NDArray[np.integer[Any]]"

VOTING = 15
"""Nearest cells that decide where another cell is placed."""


def knn_indices(
    scores: NDArray[np.float32], *, n_neighbors: int = 15
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the nearest neighbors of each cell, itself excluded, by exact Euclidean search.

    Parameters
    ----------
    scores
        Cells x components.
    n_neighbors
        Neighbors per cell; all other cells if there are fewer.

    Returns
    -------
    indices, distances
        Both of shape (n_cells, min(n_neighbors, n_cells - 1)), nearest first.
    """
    n = scores.shape[0]
    k = min(n_neighbors, n - 1)
    if k < 1:
        return np.zeros((n, 0), dtype=np.int64), np.zeros((n, 0), dtype=np.float32)
    points = np.ascontiguousarray(scores, dtype=np.float32)
    distances, indices = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points).kneighbors()
    return indices.astype(np.int64), distances.astype(np.float32)


def shared_neighbor_graph(scores: NDArray[np.float32], *, n_neighbors: int = 15) -> csr_matrix:
    """Return the nearest-neighbor graph, weighted by the Jaccard index of neighbor sets.

    A cell belongs to its own neighbor set, so no edge has weight 0. Symmetrized by the maximum.
    If all cells are equal there is no edge: their neighbors would depend on
    the search.

    Parameters
    ----------
    scores
        Cells x components.
    n_neighbors
        Neighbors per cell.

    Returns
    -------
    Symmetric CSR, float32, n_cells x n_cells, zero diagonal.
    """
    n = scores.shape[0]
    if not np.ptp(scores, axis=0).any():
        return csr_matrix((n, n), dtype=np.float32)
    indices, _ = knn_indices(scores, n_neighbors=n_neighbors)
    size = indices.shape[1] + 1
    sets = np.column_stack([np.arange(n), indices]).ravel()
    member = csr_matrix(
        (np.ones(sets.size, dtype=np.float32), sets, np.arange(0, sets.size + 1, size)),
        shape=(n, n),
    )
    shared = csr_matrix((member @ member.T).multiply(member))
    shared.data /= 2 * size - shared.data
    graph = csr_matrix(shared.maximum(shared.T))
    graph.setdiag(0)
    graph.eliminate_zeros()
    graph.sort_indices()
    return graph


@dataclass(frozen=True, eq=False)
class Neighbors:
    """Nearest cells of a base: ``cells`` and ``distances``, both new cells x neighbors."""

    cells: Integers
    distances: Floats

    @classmethod
    def of(cls, base: Floats, new: Floats | None = None) -> Neighbors:
        """Return neighbors of new cells or, without any, of the base's cells, self excluded."""
        k = min(VOTING, len(base) - (new is None))
        search = NearestNeighbors(n_neighbors=max(k, 1), algorithm="brute").fit(base)
        distances, cells = search.kneighbors(new)
        return cls(cells, distances)

    def vote(self, labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Return each new cell's label and its share of the vote; ties go to the first by name."""
        names, codes = np.unique(labels, return_inverse=True)
        votes = np.zeros((len(self.cells), len(names)))
        np.add.at(votes, (np.arange(len(votes))[:, None], codes[self.cells]), self._weights())
        return names[votes.argmax(axis=1)], votes.max(axis=1) / votes.sum(axis=1)

    @classmethod
    def spread(cls, labels: Integers, cells: Integers, points: Floats) -> NDArray[np.int64]:
        """Return the labels of all points: of `cells` their own, of others their nearest ones'."""
        others = np.setdiff1d(np.arange(len(points)), cells)
        found = np.empty(len(points), dtype=np.int64)
        found[cells] = labels
        if others.size:
            found[others] = cls.of(points[cells], points[others]).vote(labels)[0]
        return found

    def mean(self, values: Floats) -> NDArray[np.float64]:
        """Return the mean of `values` (a row per cell) over new cells' neighbors, vote-weighted."""
        return np.asarray(self.shares(len(values)) @ values, dtype=np.float64)

    def shares(self, n_base: int) -> csr_matrix:
        """Return the share of each base cell in a new cell's vote, float64 (new cells, base)."""
        weights = self._weights()
        weights /= weights.sum(axis=1, keepdims=True)
        n, k = weights.shape
        return csr_matrix(
            (weights.ravel(), self.cells.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n_base)
        )

    def _weights(self) -> NDArray[np.float64]:
        return np.asarray(
            1 / np.maximum(self.distances, np.finfo(np.float32).tiny), dtype=np.float64
        )

    def within(self, same: NDArray[np.bool_]) -> Neighbors:
        """Return the same neighbors, those that are not `same` too far away to count."""
        return replace(self, distances=np.where(same, self.distances, np.inf))
