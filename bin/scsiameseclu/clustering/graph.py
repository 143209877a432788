"""The cell graph: nearest neighbors, shared-neighbor weights, edge perturbation and diffusion (docs/method.md)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags_array, identity
from sklearn.neighbors import NearestNeighbors

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT_UP_TO = 20_000
"""Cells up to which neighbors are searched exactly; above, by nearest-neighbor descent."""
BLOCK = 20_000
"""Cells whose neighbor sets are compared at a time."""


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
    return _symmetric(_jaccard(indices), indices, n)


def _jaccard(indices: NDArray[np.int64]) -> NDArray[np.float32]:
    """|N_i & N_j| / |N_i | N_j| for each cell i and each of its neighbors j, in blocks of cells."""
    n, k = indices.shape
    weights = np.empty((n, k), dtype=np.float32)
    sets = np.sort(np.column_stack([np.arange(n), indices]), axis=1).astype(np.int32)
    for start in range(0, n, BLOCK):
        own = sets[start : start + BLOCK]
        for column in range(k):
            other = sets[indices[start : start + BLOCK, column]]
            both = np.sort(np.concatenate([own, other], axis=1), axis=1)
            shared = (both[:, 1:] == both[:, :-1]).sum(axis=1)
            weights[start : start + BLOCK, column] = shared / (2 * (k + 1) - shared)
    return weights


def _symmetric(weights: NDArray[np.float32], indices: NDArray[np.int64], n: int) -> csr_matrix:
    rows = np.repeat(np.arange(n), indices.shape[1])
    directed = csr_matrix(coo_matrix((weights.ravel(), (rows, indices.ravel())), shape=(n, n)))
    graph = csr_matrix(directed.maximum(directed.T))
    graph.sort_indices()
    return graph


def drop_weakest_edges(graph: csr_matrix, *, fraction: float = 0.1) -> csr_matrix:
    """Return the graph without the given fraction of its weakest edges (the paper's edge perturbation).

    Edges are pairs of cells, so the result is symmetric. Of equally weak edges those of lower row and column go first.
    """
    upper = coo_matrix(graph)
    above = upper.row < upper.col
    rows, columns, weights = upper.row[above], upper.col[above], upper.data[above]
    order = np.lexsort((columns, rows, weights))[int(fraction * weights.size) :]
    kept = coo_matrix((weights[order], (rows[order], columns[order])), shape=graph.shape)
    result = csr_matrix(kept + kept.T)
    result.sort_indices()
    return result


def transition_matrix(graph: csr_matrix) -> csr_matrix:
    """Return the random walk's matrix P: the rows of W + I max W divided by their sums.

    Without any edge P is the identity.
    """
    strongest = float(graph.max()) if graph.nnz else 0.0
    looped = csr_matrix(graph + identity(graph.shape[0], dtype=np.float32) * np.float32(strongest or 1.0))
    sums = np.asarray(looped.sum(axis=1), dtype=np.float64).ravel()
    return csr_matrix(diags_array((1.0 / sums).astype(np.float32)) @ looped)


def diffuse(
    graph: csr_matrix, scores: NDArray[np.float32], *, steps: int = 8, restart: float = 0.35
) -> NDArray[np.float32]:
    """Return the scores smoothed by truncated personalized PageRank: Y <- (1 - restart) P Y + restart X from Y = X.

    With many steps this is restart (I - (1 - restart) P)^-1 X, the paper's graph diffusion, without the inverse.

    Parameters
    ----------
    graph
        Weights, see :func:`transition_matrix`.
    scores
        X, cells x components.
    steps
        Applications of P.
    restart
        Probability with which the walk returns to its start.
    """
    walk = transition_matrix(graph)
    smoothed = start = np.asarray(scores, dtype=np.float32)
    for _ in range(steps):
        smoothed = np.float32(1 - restart) * (walk @ smoothed) + np.float32(restart) * start
    return smoothed
