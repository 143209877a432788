"""The augmentations: noise on the expression, edges dropped and PageRank on the graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from scsiameseclu.clustering.consensus.neighbors import shared_neighbor_graph
from scsiameseclu.clustering.network.augment import (
    diffuse,
    drop_weakest_edges,
    graph_views,
    noisy_view,
    transition_matrix,
)


@pytest.fixture
def graph() -> csr_matrix:
    rng = np.random.default_rng(1)
    weights = np.triu(rng.random((30, 30)) * (rng.random((30, 30)) < 0.2), 1).astype(np.float32)
    return csr_matrix(weights + weights.T)


@pytest.fixture
def scores() -> np.ndarray:
    return np.random.default_rng(2).normal(size=(30, 4)).astype(np.float32)


def dense_walk(graph: csr_matrix) -> np.ndarray:
    weights = graph.toarray() + np.eye(graph.shape[0]) * graph.max()
    return weights / weights.sum(1, keepdims=True)


def points(n=60, d=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def test_noise_has_mean_one_and_the_given_deviation():
    x = torch.ones(400, 50)
    y = noisy_view(x, scale=0.1, generator=torch.Generator().manual_seed(0))
    assert abs(float(y.mean()) - 1) < 0.003
    assert abs(float(y.std()) - 0.1) < 0.003


def test_noise_depends_on_its_generator_alone():
    x = torch.ones(5, 3)
    torch.manual_seed(1)
    first = noisy_view(x, scale=0.1, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(2)
    state = torch.get_rng_state()
    again = noisy_view(x, scale=0.1, generator=torch.Generator().manual_seed(0))
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), state)


def test_no_noise_returns_the_scores():
    x = torch.ones(5, 3)
    assert noisy_view(x, scale=0.0, generator=torch.Generator()) is x


def test_perturbed_view_walks_one_step_without_the_weakest_edges(graph, scores):
    kept = drop_weakest_edges(graph)
    assert kept.nnz < graph.nnz
    np.testing.assert_allclose(
        graph_views(graph, scores).perturbed, dense_walk(kept) @ scores, atol=1e-5
    )


def test_diffused_view_approaches_personalized_pagerank(graph, scores):
    a, walk = 0.35, dense_walk(graph)
    exact = a * np.linalg.inv(np.eye(30) - (1 - a) * walk) @ scores
    np.testing.assert_allclose(diffuse(graph, scores, steps=80, restart=a), exact, atol=1e-4)
    # The view uses it, truncated.
    np.testing.assert_allclose(
        graph_views(graph, scores).diffused, diffuse(graph, scores), atol=1e-6
    )
    assert np.abs(graph_views(graph, scores).diffused - exact).max() < 0.1


def test_each_switch_leaves_one_step_over_the_whole_graph(graph, scores):
    plain = dense_walk(graph) @ scores
    both = graph_views(graph, scores)
    undropped = graph_views(graph, scores, edge_dropping=False)
    undiffused = graph_views(graph, scores, diffusion=False)
    np.testing.assert_allclose(undropped.perturbed, plain, atol=1e-5)
    np.testing.assert_array_equal(undropped.diffused, both.diffused)
    np.testing.assert_allclose(undiffused.diffused, plain, atol=1e-5)
    np.testing.assert_array_equal(undiffused.perturbed, both.perturbed)


def test_a_graph_without_edges_leaves_the_scores(scores):
    views = graph_views(csr_matrix((30, 30), dtype=np.float32), scores)
    np.testing.assert_allclose(views.perturbed, scores, atol=1e-6)
    np.testing.assert_allclose(views.diffused, scores, atol=1e-5)


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
    np.testing.assert_allclose(
        transition_matrix(csr_matrix((3, 3), dtype=np.float32)).toarray(), np.eye(3)
    )


def test_many_steps_of_diffusion_are_personalized_pagerank():
    scores, restart = points(), 0.35
    graph = shared_neighbor_graph(scores)
    walk = transition_matrix(graph).toarray()
    expected = restart * np.linalg.inv(np.eye(60) - (1 - restart) * walk) @ scores
    np.testing.assert_allclose(
        diffuse(graph, scores, steps=60, restart=restart), expected, atol=1e-4
    )
    eight = diffuse(graph, scores)
    assert eight.dtype == np.float32
    assert np.abs(eight - expected).max() < 0.65**8 * np.abs(scores).max() * 2
