"""The network: identity at first, weights shared within a branch, gated fusion, ZINB decoder."""

from __future__ import annotations

import pytest
import torch
from scsiameseclu.clustering.network.model import Fusion, ResidualPerceptron, SiameseNetwork, Views
from torch.nn import functional


@pytest.fixture
def network() -> SiameseNetwork:
    torch.manual_seed(0)
    return SiameseNetwork(6, 9, n_hidden=16, n_projection=5)


@pytest.fixture
def views() -> Views:
    generator = torch.Generator().manual_seed(1)
    return Views(*(torch.randn(7, 6, generator=generator) for _ in range(4)))


def shaken(network: SiameseNetwork) -> SiameseNetwork:
    """Give the zero-initialised layers weights, so that the encoders are not identities."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(
                0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2))
            )
    return network


def test_a_residual_perceptron_starts_as_the_identity():
    x = torch.randn(4, 6)
    assert torch.equal(ResidualPerceptron(6, 8)(x), x)


def test_the_embedding_starts_as_the_mean_of_expression_and_graph(network, views):
    z = network(views).fused
    expression = (views.expression_a + views.expression_b) / 2
    graph = (views.graph_a + views.graph_b) / 2
    torch.testing.assert_close(z, functional.normalize((expression + graph) / 2, dim=1))


def test_the_gate_chooses_a_branch_in_each_dimension():
    fusion = Fusion(2)
    with torch.no_grad():
        fusion.gate.copy_(torch.tensor([50.0, -50.0]))
    fused = fusion(torch.tensor([[3.0, 7.0]]), torch.tensor([[9.0, 4.0]]))
    torch.testing.assert_close(fused, torch.tensor([[0.6, 0.8]]))


def test_views_of_a_branch_share_its_weights(network, views):
    network = shaken(network)
    swapped = Views(views.expression_b, views.expression_a, views.graph_b, views.graph_a)
    torch.testing.assert_close(network(views).fused, network(swapped).fused)
    torch.testing.assert_close(network(views).fused_a, network(swapped).fused_b)


def test_branches_do_not_share_weights(network, views):
    network = shaken(network)
    crossed = Views(views.graph_a, views.graph_b, views.expression_a, views.expression_b)
    assert not torch.allclose(network(views).fused, network(crossed).fused)


def test_embedding_has_rows_of_length_one(network, views):
    z = shaken(network).embed(views.expression_a, views.graph_a, views.graph_b)
    torch.testing.assert_close(z.norm(dim=1), torch.ones(7))


def test_zinb_mean_scales_with_the_size_factor(network):
    z = functional.normalize(torch.randn(3, 6, generator=torch.Generator().manual_seed(3)), dim=1)
    genes = torch.tensor([4, 1])
    one = network.zinb(z, torch.ones(3), genes)
    three = network.zinb(z, torch.full((3,), 3.0), genes)
    assert one.mean.shape == (3, 2)
    assert one.dispersion.shape == (2,)
    torch.testing.assert_close(three.mean, 3 * one.mean)
    torch.testing.assert_close(three.dropout_logit, one.dropout_logit)


def test_zinb_decodes_a_subset_of_genes_as_it_decodes_all(network):
    z = torch.randn(3, 6, generator=torch.Generator().manual_seed(3))
    everything = network.zinb(z, torch.ones(3), torch.arange(9))
    some = network.zinb(z, torch.ones(3), torch.tensor([7, 2]))
    torch.testing.assert_close(some.mean, everything.mean[:, [7, 2]])
