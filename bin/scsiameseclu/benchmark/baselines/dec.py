"""DEC: deep embedded clustering (Xie, Girshick and Farhadi, ICML 2016)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from ._common import (
    Autoencoder,
    StudentHead,
    batches,
    cells_of,
    encoded,
    kmeans,
    refine,
    seeded,
    train,
)

if TYPE_CHECKING:
    import anndata as ad
    import numpy as np
    from numpy.typing import NDArray

EPOCHS, MOST_EPOCHS = 300, 300


def dec_labels(adata: ad.AnnData, *, n_clusters: int, seed: int, device: str) -> NDArray[np.int64]:
    """Pretrain an autoencoder by squared error, drop its decoder, train KL(p || q), eqs. 1 to 3.

    The encoder has the widths that Tian et al. (2019) compare it with, not the 500-500-2000-10 of
    images. SGD with rate .01 and momentum .9, as published.
    """
    with seeded(seed, device) as place:
        cells = cells_of(adata, place)
        model = Autoencoder(cells.scaled.shape[1]).to(place)
        adam = torch.optim.Adam(model.parameters(), lr=0.001)
        train(
            adam,
            lambda b: functional.mse_loss(model(x := cells.scaled[b]), x),
            batches(cells.n, epochs=EPOCHS),
        )
        _, centers = kmeans(encoded(model.encode, cells.scaled), n_clusters, seed)
        head = StudentHead(centers)
        moved = [*model.hidden.parameters(), *model.latent.parameters(), *head.parameters()]
        return refine(
            head,
            lambda: encoded(model.encode, cells.scaled),
            torch.optim.SGD(moved, lr=0.01, momentum=0.9),
            lambda b, p: head.divergence(model.encode(cells.scaled[b]), p),
            epochs=MOST_EPOCHS,
        )
