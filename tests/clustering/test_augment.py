"""The augmentations: noise on the expression, edges dropped and PageRank on the graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from scsiameseclu.clustering.augment import graph_views, noisy_view
from scsiameseclu.clustering.graph import diffuse, drop_weakest_edges


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
    np.testing.assert_allclose(graph_views(graph, scores).perturbed, dense_walk(kept) @ scores, atol=1e-5)


def test_diffused_view_approaches_personalized_pagerank(graph, scores):
    a, walk = 0.35, dense_walk(graph)
    exact = a * np.linalg.inv(np.eye(30) - (1 - a) * walk) @ scores
    np.testing.assert_allclose(diffuse(graph, scores, steps=80, restart=a), exact, atol=1e-4)
    # The view uses it, truncated.
    np.testing.assert_allclose(graph_views(graph, scores).diffused, diffuse(graph, scores), atol=1e-6)
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
