"""The cell graph: nearest neighbors and shared-neighbor weights (docs/method.md)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.neighbors import NearestNeighbors

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT_UP_TO = 20_000
"""Cells up to which neighbors are searched exactly; above, by nearest-neighbor descent."""


def knn_indices(
    scores: NDArray[np.float32], *, n_neighbors: int = 15, random_state: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the nearest neighbors of each cell, itself excluded, by Euclidean distance.

    Exact up to 20,000 cells (scikit-learn), by nearest-neighbor descent above (pynndescent; Dong, Charikar & Li 2011).

    Parameters
    ----------
    scores
        Cells x components.
    n_neighbors
        Neighbors per cell; all other cells where there are fewer.
    random_state
        Seed of the descent.

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
    if n <= EXACT_UP_TO:
        distances, indices = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points).kneighbors()
        return indices.astype(np.int64), distances.astype(np.float32)
    return _descent(points, k, random_state)


def _descent(points: NDArray[np.float32], k: int, random_state: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    from pynndescent import NNDescent

    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    search = NNDescent(points, n_neighbors=k + 1, random_state=random_state, n_jobs=threads)
    indices, distances = search.neighbor_graph
    # A cell is not always its own first neighbor: duplicates may come before it, or displace it.
    itself = indices == np.arange(points.shape[0])[:, None]
    itself[~itself.any(axis=1), -1] = True
    keep = ~itself
    shape = (points.shape[0], k)
    return indices[keep].reshape(shape).astype(np.int64), distances[keep].reshape(shape).astype(np.float32)


def shared_neighbor_graph(scores: NDArray[np.float32], *, n_neighbors: int = 15, random_state: int = 0) -> csr_matrix:
    """Return the graph of nearest neighbors, weighted by the Jaccard index of the two cells' neighbor sets.

    A cell belongs to its own neighbor set, so no edge has weight 0. Symmetrized by the maximum. Where all cells
    are equal there is no edge: which of them are neighbors would be an accident of the search.

    Parameters
    ----------
    scores
        Cells x components.
    n_neighbors
        Neighbors per cell.
    random_state
        Seed of the approximate search, see :func:`knn_indices`.

    Returns
    -------
    Symmetric CSR, float32, n_cells x n_cells, zero diagonal.
    """
    n = scores.shape[0]
    if not np.ptp(scores, axis=0).any():
        return csr_matrix((n, n), dtype=np.float32)
    indices, _ = knn_indices(scores, n_neighbors=n_neighbors, random_state=random_state)
    size = indices.shape[1] + 1
    sets = np.column_stack([np.arange(n), indices]).ravel()
    member = csr_matrix((np.ones(sets.size, dtype=np.float32), sets, np.arange(0, sets.size + 1, size)), shape=(n, n))
    shared = csr_matrix((member @ member.T).multiply(member))
    shared.data /= 2 * size - shared.data
    graph = csr_matrix(shared.maximum(shared.T))
    graph.setdiag(0)
    graph.eliminate_zeros()
    graph.sort_indices()
    return graph
