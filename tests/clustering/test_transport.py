"""Student's t, Sinkhorn and the divergence, each against a reference."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from scipy.special import rel_entr
from scsiameseclu.clustering.network.transport import clustering_divergence, log_student_t, sinkhorn

with warnings.catch_warnings():
    # POT's docstrings hold escapes that Python 3.11 warns of when it compiles them.
    warnings.simplefilter("ignore", DeprecationWarning)
    import ot


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_student_t_equals_the_papers_formula():
    z, centroids = random(9, 4), random(3, 4, seed=1)
    similarity = 1 / (1 + ((z[:, None] - centroids[None]) ** 2).sum(2) / 0.7)
    expected = similarity / similarity.sum(1, keepdim=True)
    torch.testing.assert_close(torch.exp(log_student_t(z, centroids, scale=0.7)), expected)


def test_student_t_has_a_finite_gradient_at_a_centroid():
    z = torch.zeros(1, 4, requires_grad=True)
    log_student_t(z, torch.zeros(2, 4))[0, 0].backward()
    assert torch.isfinite(z.grad).all()


@pytest.mark.parametrize("epsilon", [0.3, 1.0])
def test_sinkhorn_equals_pot(epsilon):
    scores = torch.log_softmax(random(30, 4), dim=1)
    sizes = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64)
    plan = ot.sinkhorn(
        np.full(30, 1 / 30),
        sizes.numpy(),
        -scores.numpy(),
        epsilon,
        numItermax=10_000,
        stopThr=1e-12,
    )
    found = sinkhorn(scores, sizes, epsilon=epsilon, n_iterations=2000)
    np.testing.assert_allclose(found.numpy(), 30 * plan, atol=1e-8)


def test_sinkhorn_fits_rows_exactly_and_columns_closely():
    sizes = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
    target = sinkhorn(torch.log_softmax(random(200, 3), dim=1), sizes)
    torch.testing.assert_close(target.sum(1), torch.ones(200, dtype=torch.float64))
    torch.testing.assert_close(target.mean(0), sizes, atol=1e-3, rtol=0)


def test_sinkhorn_makes_sizes_sum_to_one():
    scores = random(20, 3)
    torch.testing.assert_close(
        sinkhorn(scores, torch.tensor([4.0, 2.0, 2.0])),
        sinkhorn(scores, torch.tensor([0.5, 0.25, 0.25])),
    )


def test_sinkhorn_in_the_log_domain_survives_scores_that_underflow():
    scores = torch.tensor([[0.0, -5000.0], [-5000.0, 0.0], [-5000.0, -4990.0]])
    target = sinkhorn(scores, torch.tensor([0.34, 0.66]))
    assert torch.isfinite(target).all()
    torch.testing.assert_close(target.sum(1), torch.ones(3))


def test_sinkhorn_without_iterations_is_the_softmax():
    scores = random(5, 3)
    torch.testing.assert_close(
        sinkhorn(scores, torch.ones(3), n_iterations=0), torch.softmax(scores, dim=1)
    )


def test_sinkhorn_is_a_target_without_gradient():
    assert not sinkhorn(random(5, 3).requires_grad_(), torch.ones(3)).requires_grad


def test_divergence_equals_scipys_relative_entropy():
    target, q = (torch.softmax(random(8, 3, seed=s), dim=1) for s in (0, 1))
    expected = rel_entr(target.numpy(), q.numpy()).sum(1).mean()
    assert float(clustering_divergence(target, torch.log(q))) == pytest.approx(expected)


def test_divergence_allows_targets_of_zero():
    target, q = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.25, 0.75]])
    assert float(clustering_divergence(target, torch.log(q))) == pytest.approx(math.log(4))
