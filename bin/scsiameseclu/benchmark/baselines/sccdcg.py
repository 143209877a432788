"""scCDCG: deep cut-informed graph embedding (Xu et al., DASFAA 2024, arXiv:2404.06167)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from ...clustering.network.transport import clustering_divergence, log_student_t, sinkhorn
from ._common import LATENT, batches, cells_of, encoded, kmeans, seeded, step

if TYPE_CHECKING:
    import anndata as ad
    import numpy as np
    from numpy.typing import NDArray

WIDTHS = (256, LATENT // 2)
FIRST_ORDER = 0.5
"""Share of the similarity graph in the cut, beside that of its square (the published default)."""
WEIGHTS = {"expression": 0.3, "orthogonal": 1.0, "cut": 0.05, "transport": 0.5}
"""The published defaults; the first has none there (it is set for each data set, from 0 to .93)."""
POWER = 5.0
"""Exponent of q in the transport (lambda)."""
EPOCHS, RENEWED = 200, 10
"""Epochs of each stage, and steps after which centers and target are renewed."""


class _Linear(nn.Module):
    """The published autoencoder, which has no activations."""

    def __init__(self, n_genes: int) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(n_genes, WIDTHS[0]), nn.Linear(WIDTHS[0], WIDTHS[1]))
        self.decode = nn.Sequential(nn.Linear(WIDTHS[1], WIDTHS[0]), nn.Linear(WIDTHS[0], n_genes))


def sccdcg_labels(
    adata: ad.AnnData, *, n_clusters: int, seed: int, device: str
) -> NDArray[np.int64]:
    """Embed by reconstruction, orthogonality and cut, then optimal transport; labels by k-means.

    Equations 3 to 8.

    Corrected: the divergence is taken of log-probabilities, and the target is renewed throughout. A
    graph is that of a batch, and the columns of z have length 1 over it. Settings are the same for
    all data.
    """
    with seeded(seed, device) as place:
        cells = cells_of(adata, place)
        model = _Linear(cells.logs.shape[1]).to(place)
        adam = torch.optim.Adam(model.parameters(), lr=0.001, weight_decay=5e-4)
        for batch in batches(cells.n, epochs=EPOCHS):
            step(adam, _embedding_loss(model, cells.logs[batch]))
        adam = torch.optim.Adam(model.parameters(), lr=0.001)
        for done, batch in enumerate(batches(cells.n, epochs=EPOCHS)):
            if done % RENEWED == 0:
                z = _columns(encoded(model.encode, cells.logs))
                labels, centers = kmeans(z, n_clusters, seed)
                sizes = torch.bincount(torch.from_numpy(labels).to(place)).float()
                target = sinkhorn(log_student_t(z, centers), sizes, epsilon=1 / POWER)
            log_q = log_student_t(_columns(model.encode(cells.logs[batch])), centers)
            transport = clustering_divergence(target[batch], log_q)
            step(adam, _embedding_loss(model, cells.logs[batch]) + WEIGHTS["transport"] * transport)
        return kmeans(_columns(encoded(model.encode, cells.logs)), n_clusters, seed)[0]


def _columns(z: torch.Tensor) -> torch.Tensor:
    """Return z with rows of length 1, then columns of mean square 1."""
    z = functional.normalize(z, dim=1)
    return z / z.square().mean(0).clamp_min(1e-12).sqrt()


def _embedding_loss(model: _Linear, x: torch.Tensor) -> torch.Tensor:
    latent = model.encode(x)
    z = functional.normalize(functional.normalize(latent, dim=1), dim=0)
    rows = functional.normalize(x, dim=1)
    similarity = rows @ rows.T
    graphs = (FIRST_ORDER, similarity), (1 - FIRST_ORDER, similarity @ similarity.T)
    cut = (
        -torch.stack(
            [share * torch.trace(z.T @ _normalized(graph) @ z) for share, graph in graphs]
        ).sum()
        / z.shape[1]
    )
    orthogonal = functional.mse_loss(z.T @ z, torch.eye(z.shape[1], device=z.device))
    expression = functional.mse_loss(model.decode(latent), x)
    return (
        WEIGHTS["expression"] * expression
        + WEIGHTS["orthogonal"] * orthogonal
        + WEIGHTS["cut"] * cut
    )


def _normalized(adjacency: torch.Tensor) -> torch.Tensor:
    """Return D^-1/2 A D^-1/2."""
    scale = adjacency.sum(1).clamp_min(1e-12).rsqrt()
    return scale[:, None] * adjacency * scale
