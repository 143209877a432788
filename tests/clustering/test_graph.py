"""Nearest neighbors, shared-neighbor graph, perturbation and diffusion."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scsiameseclu.clustering import graph as module
from scsiameseclu.clustering.graph import (
    diffuse,
    drop_weakest_edges,
    knn_indices,
    shared_neighbor_graph,
    transition_matrix,
)


def points(n=60, d=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def test_neighbors_are_the_nearest_others():
    scores = points()
    indices, distances = knn_indices(scores, n_neighbors=5)
    full = np.linalg.norm(scores[:, None] - scores, axis=2)
    np.fill_diagonal(full, np.inf)
    assert (np.sort(indices) == np.sort(np.argsort(full)[:, :5])).all()
    np.testing.assert_allclose(distances, np.sort(full)[:, :5], atol=1e-3)


def test_descent_finds_nearly_all_neighbors_and_is_deterministic(monkeypatch):
    scores = points(400, 5)
    exact, _ = knn_indices(scores)
    monkeypatch.setattr(module, "EXACT_UP_TO", 100)
    found, distances = knn_indices(scores)
    again, _ = knn_indices(scores)
    assert found.tobytes() == again.tobytes()
    assert not (found == np.arange(400)[:, None]).any()
    assert (np.diff(distances) >= 0).all()
    assert np.mean([len(set(a) & set(b)) for a, b in zip(found, exact, strict=True)]) > 14.5


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


def test_blocks_do_not_change_the_weights(monkeypatch):
    whole = shared_neighbor_graph(points())
    monkeypatch.setattr(module, "BLOCK", 7)
    assert (whole != shared_neighbor_graph(points())).nnz == 0


def test_equal_cells_have_no_edges():
    assert shared_neighbor_graph(np.ones((30, 2), dtype=np.float32)).nnz == 0


def test_the_weakest_edges_go():
    graph = shared_neighbor_graph(points())
    kept = drop_weakest_edges(graph, fraction=0.1)
    assert (kept != kept.T).nnz == 0
    assert kept.nnz == graph.nnz - 2 * int(0.1 * graph.nnz / 2)
    dropped = graph - kept
    assert dropped.data[dropped.data > 0].max() <= kept.data.min()
    assert drop_weakest_edges(csr_matrix((3, 3), dtype=np.float32)).nnz == 0


def test_transitions_are_probabilities_with_loops():
    walk = transition_matrix(shared_neighbor_graph(points()))
    np.testing.assert_allclose(walk.sum(axis=1), 1, atol=1e-6)
    assert (walk.diagonal() > 0).all()
    np.testing.assert_allclose(transition_matrix(csr_matrix((3, 3), dtype=np.float32)).toarray(), np.eye(3))


def test_many_steps_of_diffusion_are_personalized_pagerank():
    scores, restart = points(), 0.35
    graph = shared_neighbor_graph(scores)
    walk = transition_matrix(graph).toarray()
    expected = restart * np.linalg.inv(np.eye(60) - (1 - restart) * walk) @ scores
    np.testing.assert_allclose(diffuse(graph, scores, steps=60, restart=restart), expected, atol=1e-4)
    eight = diffuse(graph, scores)
    assert eight.dtype == np.float32
    assert np.abs(eight - expected).max() < 0.65**8 * np.abs(scores).max() * 2
