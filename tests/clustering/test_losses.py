"""Each loss against a naive reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax
from scipy.stats import nbinom
from scsiameseclu.clustering.network import losses
from scsiameseclu.clustering.network.model import Zinb
from torch.nn import functional


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def dense_cell_correlation(a: torch.Tensor, b: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    n = len(a)
    correlation = functional.normalize(a, dim=1) @ functional.normalize(b, dim=1).T
    squares = (correlation - target).square()
    off_diagonal = ~torch.eye(n, dtype=torch.bool)
    return torch.diagonal(squares).mean() + squares[off_diagonal].sum() / (n * (n - 1))


@pytest.mark.parametrize("n", [2, 5, 40])
def test_cell_correlation_in_gram_form_equals_the_full_matrix(n):
    a, b = random(n, 6), random(n, 6, seed=1)
    expected = dense_cell_correlation(a, b, torch.eye(n, dtype=torch.float64))
    torch.testing.assert_close(losses.cell_correlation(a, b), expected)


def test_gradients_of_the_gram_form_equal_those_of_the_full_matrix():
    a, b = random(20, 6).requires_grad_(), random(20, 6, seed=1)
    (gram,) = torch.autograd.grad(losses.cell_correlation(a, b), a)
    (dense,) = torch.autograd.grad(
        dense_cell_correlation(a, b, torch.eye(20, dtype=torch.float64)), a
    )
    torch.testing.assert_close(gram, dense)


@pytest.mark.parametrize("n", [6, 40])
def test_cell_correlation_with_the_co_association_as_target_equals_the_full_matrix(n):
    partitions = torch.randint(0, 3, (n, 5), generator=torch.Generator().manual_seed(3))
    memberships = functional.one_hot(partitions, 3).reshape(n, -1).double() / 5**0.5
    co_association = (partitions[:, None] == partitions[None]).double().mean(2)
    a, b = random(n, 6), random(n, 6, seed=1)
    expected = dense_cell_correlation(a, b, co_association)
    torch.testing.assert_close(losses.cell_correlation(a, b, memberships), expected)


def test_one_cell_has_no_others():
    a = random(1, 4)
    torch.testing.assert_close(losses.cell_correlation(a, a), torch.zeros((), dtype=torch.float64))


def test_latent_correlation_equals_the_correlation_coefficients():
    a, b = random(50, 4), random(50, 4, seed=1)
    correlation = np.corrcoef(a.numpy().T, b.numpy().T)[:4, 4:]
    off_diagonal = ~np.eye(4, dtype=bool)
    expected = np.mean((np.diag(correlation) - 1) ** 2) + np.mean(correlation[off_diagonal] ** 2)
    assert float(losses.latent_correlation(a, b)) == pytest.approx(expected, rel=1e-5)


def test_latent_correlation_has_a_gradient():
    a = random(50, 4).requires_grad_()
    (gradient,) = torch.autograd.grad(losses.latent_correlation(a, random(50, 4, seed=1)), a)
    assert float(gradient.abs().max()) > 1e-4


def test_jensen_shannon_equals_scipys():
    p, q = (torch.softmax(3 * random(10, 7, seed=s), dim=1) for s in (0, 1))
    expected = [jensenshannon(x, y) ** 2 for x, y in zip(p.numpy(), q.numpy(), strict=True)]
    np.testing.assert_allclose(losses.jensen_shannon(p, q), expected, rtol=1e-10)


def test_jensen_shannon_of_disjoint_distributions_is_log_two():
    p, q = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert float(losses.jensen_shannon(p, q)) == pytest.approx(np.log(2))


def test_propagation_compares_softmaxes():
    z, around = random(8, 5), random(8, 5, seed=1)
    p, q = softmax(z.numpy() / 0.1, axis=1), softmax(around.numpy() / 0.1, axis=1)
    expected = np.mean([jensenshannon(x, y) ** 2 for x, y in zip(p, q, strict=True)])
    assert float(losses.propagation(z, around)) == pytest.approx(expected)
    assert float(losses.propagation(z, z)) == pytest.approx(0, abs=1e-12)


def test_edge_reconstruction_is_the_cross_entropy_of_inner_products():
    z, near, far = (functional.normalize(random(9, 5, seed=s), dim=1) for s in range(3))
    logits = torch.cat([(z * near).sum(1), (z * far).sum(1)])
    truth = torch.cat([torch.ones(9), torch.zeros(9)]).double()
    expected = functional.binary_cross_entropy_with_logits((logits - 0.5) / 0.1, truth)
    torch.testing.assert_close(losses.edge_reconstruction(z, near, far), expected)


def test_zinb_equals_scipys_negative_binomial_with_zero_inflation():
    rng = np.random.default_rng(0)
    counts = rng.poisson(2.0, size=(12, 6)).astype(float)
    mean, dispersion = rng.gamma(2.0, 1.0, size=(12, 6)), rng.gamma(2.0, 1.0, size=6)
    logit = rng.normal(size=(12, 6))
    dropout = 1 / (1 + np.exp(-logit))
    likelihood = (1 - dropout) * nbinom.pmf(counts, dispersion, dispersion / (dispersion + mean))
    likelihood += dropout * (counts == 0)
    parameters = Zinb(*(torch.from_numpy(x) for x in (mean, dispersion, logit)))
    assert float(losses.zinb(torch.from_numpy(counts), parameters)) == pytest.approx(
        -np.log(likelihood).mean(), rel=1e-6
    )


def test_zinb_has_gradients_into_all_its_parameters():
    counts = torch.tensor([[0.0, 3.0], [1.0, 0.0]])
    parameters = Zinb(torch.full((2, 2), 2.0), torch.ones(2), torch.zeros(2, 2))
    for x in parameters:
        x.requires_grad_()
    gradients = torch.autograd.grad(losses.zinb(counts, parameters), parameters)
    assert all(float(gradient.abs().min()) > 0 for gradient in gradients)


def test_zinb_is_finite_at_the_extremes():
    counts = torch.tensor([[0.0, 1e5]])
    for mean, dispersion, logit in ((1e-12, 1e-4, -30.0), (1e6, 1e4, 30.0)):
        parameters = Zinb(
            torch.full((1, 2), mean), torch.full((2,), dispersion), torch.full((1, 2), logit)
        )
        assert torch.isfinite(losses.zinb(counts, parameters))
