"""The siamese fusion network: two branches with shared weights, fused by a learned gate.

Every encoder is residual with a last layer of zeros, so that training starts from the geometry of
the principal components instead of a random one.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional


class Views(NamedTuple):
    """What one step sees of a batch of b cells: four views, shape (b, d) each."""

    expression_a: torch.Tensor
    expression_b: torch.Tensor
    graph_a: torch.Tensor
    graph_b: torch.Tensor


class Latents(NamedTuple):
    """Output of the network for :class:`Views`.

    Attributes
    ----------
    expression, graph
        Mean latent of the branch over its two views, shape (b, d); the decoders' input.
    fused_a, fused_b
        The branches fused within the first and within the second views, rows of length 1, shape (b,
        d).
    fused
        The branches fused over both views: the embedding z, rows of length 1, shape (b, d).
    """

    expression: torch.Tensor
    graph: torch.Tensor
    fused_a: torch.Tensor
    fused_b: torch.Tensor
    fused: torch.Tensor


class Zinb(NamedTuple):
    """ZINB parameters: mean and dropout logit (b, g), dispersion (g,)."""

    mean: torch.Tensor
    dispersion: torch.Tensor
    dropout_logit: torch.Tensor


class ResidualPerceptron(nn.Module):
    """x plus a perceptron of x with one hidden layer; starts as the identity."""

    def __init__(self, n_features: int, n_hidden: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(n_features, n_hidden)
        self.output = nn.Linear(n_hidden, n_features)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return an array of the shape of `x`, (b, n_features)."""
        y: torch.Tensor = x + self.output(functional.gelu(self.hidden(x)))
        return y


class Branch(nn.Module):
    """An autoencoder whose weights are shared by its views."""

    def __init__(self, n_features: int, n_hidden: int) -> None:
        super().__init__()
        self.encoder = ResidualPerceptron(n_features, n_hidden)
        self.decoder = ResidualPerceptron(n_features, n_hidden)


class Fusion(nn.Module):
    """Adaptive information fusion: each latent dimension learns its share of the two branches."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(n_features))

    def forward(self, expression: torch.Tensor, graph: torch.Tensor) -> torch.Tensor:
        """Return the gated mean of the two latents, rows of length 1, shape (b, d)."""
        share = torch.sigmoid(self.gate)
        return functional.normalize(share * expression + (1 - share) * graph, dim=1)


class ZinbDecoder(nn.Module):
    """Reads a ZINB distribution of raw counts from the embedding.

    The mean is the cell's size factor times an exponential of the decoder's output, so that any
    subset of genes can be decoded alone; the dispersion is one per gene.
    """

    def __init__(self, n_features: int, n_hidden: int, n_genes: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(n_features, n_hidden)
        self.rate = nn.Linear(n_hidden, n_genes)
        self.dropout = nn.Linear(n_hidden, n_genes)
        self.log_dispersion = nn.Parameter(torch.zeros(n_genes))
        nn.init.constant_(self.dropout.bias, -2.0)
        self._length = n_features**0.5

    def forward(self, z: torch.Tensor, size_factors: torch.Tensor, genes: torch.Tensor) -> Zinb:
        """Return distribution parameters for cells `z` (b, d) and gene indices `genes` (g,)."""
        hidden = functional.gelu(self.hidden(z * self._length))
        log_rate = functional.linear(hidden, self.rate.weight[genes], self.rate.bias[genes])
        return Zinb(
            mean=size_factors[:, None] * torch.exp(log_rate.clamp(-15, 15)),
            dispersion=torch.exp(self.log_dispersion[genes].clamp(-10, 10)),
            dropout_logit=functional.linear(
                hidden, self.dropout.weight[genes], self.dropout.bias[genes]
            ),
        )


class SiameseNetwork(nn.Module):
    """Both branches, their fusion, the projection head and the ZINB decoder.

    Parameters
    ----------
    n_features
        Expression scores per cell, d.
    n_genes
        Genes whose raw counts the ZINB decoder models.
    n_hidden
        Width of the hidden layers.
    n_projection
        Width of the projection head, on which the siamese losses act instead of on z itself.
    """

    def __init__(
        self, n_features: int, n_genes: int, *, n_hidden: int = 128, n_projection: int = 64
    ) -> None:
        super().__init__()
        self.expression = Branch(n_features, n_hidden)
        self.graph = Branch(n_features, n_hidden)
        self.fusion = Fusion(n_features)
        self.head = nn.Sequential(
            nn.Linear(n_features, n_hidden), nn.GELU(), nn.Linear(n_hidden, n_projection)
        )
        self.zinb = ZinbDecoder(n_features, n_hidden, n_genes)

    def forward(self, views: Views) -> Latents:
        """Encode the four views and fuse the branches."""
        expression_a, expression_b = (
            self.expression.encoder(x) for x in (views.expression_a, views.expression_b)
        )
        graph_a, graph_b = (self.graph.encoder(x) for x in (views.graph_a, views.graph_b))
        expression, graph = (expression_a + expression_b) / 2, (graph_a + graph_b) / 2
        return Latents(
            expression=expression,
            graph=graph,
            fused_a=self.fusion(expression_a, graph_a),
            fused_b=self.fusion(expression_b, graph_b),
            fused=self.fusion(expression, graph),
        )

    def embed(
        self, expression: torch.Tensor, graph_a: torch.Tensor, graph_b: torch.Tensor
    ) -> torch.Tensor:
        """Return z of cells without noise, shape (b, d)."""
        fused: torch.Tensor = self(Views(expression, expression, graph_a, graph_b)).fused
        return fused
