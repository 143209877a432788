"""scNAME: neighborhood contrastive clustering with ancillary mask estimation.

Source: Wan et al., Bioinformatics 38, 2022.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from ...clustering.network.losses import zinb
from ._common import (
    HIDDEN,
    TOLERANCE,
    Cells,
    ZinbAutoencoder,
    batches,
    cells_of,
    encoded,
    kmeans,
    seeded,
    some_genes,
    step,
    train,
)

if TYPE_CHECKING:
    import anndata as ad
    import numpy as np
    from numpy.typing import NDArray

MASKED = 0.3
"""Share of values that are replaced by those of other cells."""
NOISE = 1.5
NEIGHBORS, TEMPERATURE = 10, 0.7
WEIGHTS = {"mask": 1.0, "neighbors": 0.1, "clusters": 0.1}
"""Beside the likelihood, with weight 1."""
RIDGE = 1.0
"""Weight of the squared probability of dropout."""
EPOCHS = 500
RENEWED = 5
"""Epochs after which it is seen whether cells still change their cluster."""


class _Network(ZinbAutoencoder):
    def __init__(self, n_genes: int) -> None:
        super().__init__(n_genes, noise=NOISE)
        self.mask = nn.Linear(HIDDEN[0], n_genes)

    def noisy(self, x: torch.Tensor) -> torch.Tensor:
        """Return the latent representation, with noise at the input and before each activation."""
        for layer in [nn.Identity(), *self.hidden]:
            x = layer(x)
            if not isinstance(layer, nn.ReLU):
                x = x + self.noise * torch.randn_like(x)
        z: torch.Tensor = self.latent(x)
        return z


def scname_labels(
    adata: ad.AnnData, *, n_clusters: int, seed: int, device: str
) -> NDArray[np.int64]:
    """Pretrain by likelihood and masks (eqs. 2 and 4), then add neighbors and clusters (5 to 8).

    Adam's rate is .001 (.0001 there, in more steps).
    """
    with seeded(seed, device) as place:
        cells = cells_of(adata, place)
        model = _Network(cells.scaled.shape[1]).to(place)
        adam = torch.optim.Adam(model.parameters(), lr=0.001)
        train(
            adam, lambda b: _pretext(model, cells, b)[0], batches(cells.n, epochs=EPOCHS, size=128)
        )
        bank = encoded(model.encode, cells.scaled)
        labels, centers = kmeans(bank, n_clusters, seed)
        clusters = nn.Parameter(centers)
        adam = torch.optim.Adam([*model.parameters(), clusters], lr=0.001)
        last = torch.from_numpy(labels).to(place)
        every = RENEWED * -(-cells.n // 128)
        for done, batch in enumerate(batches(cells.n, epochs=EPOCHS, size=128), start=1):
            pretext, z, z_masked = _pretext(model, cells, batch)
            bank[batch] = z.detach()
            terms = WEIGHTS["neighbors"] * _neighbors_loss(z, z_masked, bank) + WEIGHTS[
                "clusters"
            ] * _kmeans(z, clusters)
            step(adam, pretext + terms)
            if done % every == 0:
                found = torch.cdist(encoded(model.encode, cells.scaled), clusters.detach()).argmin(
                    1
                )
                if (found != last).float().mean() < TOLERANCE:
                    break
                last = found
        return last.cpu().numpy()


def _pretext(
    model: _Network, cells: Cells, batch: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return likelihood and mask losses (eqs. 2 and 4), and latents of cells and masked cells."""
    x = cells.scaled[batch]
    shuffled = x.gather(0, torch.randint(len(x), x.shape).to(x.device))
    masked = torch.where(torch.rand_like(x) < MASKED, shuffled, x)
    z, z_masked = model.noisy(x), model.noisy(masked)
    genes = some_genes(cells)
    parameters = model.zinb(model.decoder(z), cells.size_factors[batch], genes)
    ridge = RIDGE * parameters.dropout_logit.sigmoid().square().mean()
    estimated = functional.linear(
        model.decoder(z_masked), model.mask.weight[genes], model.mask.bias[genes]
    )
    mask = functional.binary_cross_entropy_with_logits(estimated, (masked != x)[:, genes].float())
    return (
        zinb(cells.counts[batch][:, genes], parameters) + ridge + WEIGHTS["mask"] * mask,
        z,
        z_masked,
    )


def _neighbors_loss(z: torch.Tensor, z_masked: torch.Tensor, bank: torch.Tensor) -> torch.Tensor:
    """Return eq. 6: a masked cell is to resemble the neighbors, in the bank, of the cell itself."""
    everyone, z, z_masked = (functional.normalize(part, dim=1) for part in (bank, z, z_masked))
    neighbors = (z @ everyone.T).topk(min(NEIGHBORS, len(bank)), dim=1).indices
    scores = z_masked @ everyone.T / TEMPERATURE
    return (scores.logsumexp(1) - scores.gather(1, neighbors).logsumexp(1)).mean()


def _kmeans(z: torch.Tensor, clusters: torch.Tensor) -> torch.Tensor:
    """Return eq. 8: squared distances to clusters, weighted by squared softmax of the negative."""
    squared = (z[:, None] - clusters).square().sum(2)
    weights = torch.softmax(-2 * squared, dim=1)
    return (squared * weights).sum(1).mean()
