"""Nearest neighbors and the shared-neighbor graph."""

from __future__ import annotations

import numpy as np
import pytest
from scsiameseclu.clustering.consensus.neighbors import (
    Neighbors,
    knn_indices,
    shared_neighbor_graph,
)

pytestmark = pytest.mark.slow


def points(n=60, d=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def test_neighbors_are_the_nearest_others():
    scores = points()
    indices, distances = knn_indices(scores, n_neighbors=5)
    full = np.linalg.norm(scores[:, None] - scores, axis=2)
    np.fill_diagonal(full, np.inf)
    assert (np.sort(indices) == np.sort(np.argsort(full)[:, :5])).all()
    np.testing.assert_allclose(distances, np.sort(full)[:, :5], atol=1e-3)


@pytest.mark.parametrize("n", [1, 2, 3, 15, 16])
def test_fewer_cells_than_neighbors(n):
    indices, distances = knn_indices(points(n))
    assert indices.shape == distances.shape == (n, min(15, n - 1))
    assert shared_neighbor_graph(points(n)).shape == (n, n)


def test_weights_are_jaccard_indices_symmetrized():
    scores = points()
    graph = shared_neighbor_graph(scores, n_neighbors=5).toarray()
    indices, _ = knn_indices(scores, n_neighbors=5)
    sets = [{i, *row} for i, row in enumerate(indices.tolist())]
    expected = np.zeros_like(graph)
    for i, row in enumerate(indices.tolist()):
        for j in row:
            expected[i, j] = expected[j, i] = len(sets[i] & sets[j]) / len(sets[i] | sets[j])
    np.testing.assert_allclose(graph, expected, atol=1e-6)
    assert graph.dtype == np.float32
    assert not graph.diagonal().any()


def test_equal_cells_have_no_edges():
    assert shared_neighbor_graph(np.ones((30, 2), dtype=np.float32)).nnz == 0


def test_means_over_neighbors_are_weighted_by_the_inverse_distance():
    near = Neighbors(np.array([[0, 1], [1, 2]]), np.array([[1.0, 3.0], [0.0, 2.0]]))
    found = near.mean(np.array([[0.0, 1.0], [4.0, 1.0], [8.0, 1.0]]))
    np.testing.assert_allclose(found, [[1.0, 1.0], [4.0, 1.0]], atol=1e-6)
