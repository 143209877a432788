"""scDeepCluster (Tian et al., Nat Mach Intell 1, 191-198, 2019).

scDCC (Tian et al., Nat Commun 12, 1873, 2021) adds constraints between pairs of cells, which come
from labels; without them its objective is the same, so this is the code of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ._common import (
    StudentHead,
    ZinbAutoencoder,
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

NOISE = 2.5
"""Standard deviation of the noise at the input."""
EPOCHS, MOST_EPOCHS = 300, 300


def scdeepcluster_labels(
    adata: ad.AnnData, *, n_clusters: int, seed: int, device: str
) -> NDArray[np.int64]:
    """Pretrain a denoising ZINB autoencoder (eq. 6), then add KL(p || q) with weight 1 (eq. 10).

    Adam (AMSGrad, rate .001), then Adadelta (rate 1, decay .95), as published.
    """
    with seeded(seed, device) as place:
        cells = cells_of(adata, place)
        model = ZinbAutoencoder(cells.scaled.shape[1], noise=NOISE).to(place)
        adam = torch.optim.Adam(model.parameters(), lr=0.001, amsgrad=True)
        train(adam, lambda b: model.counts_loss(cells, b), batches(cells.n, epochs=EPOCHS))
        _, centers = kmeans(encoded(model.encode, cells.scaled), n_clusters, seed)
        head = StudentHead(centers)
        return refine(
            head,
            lambda: encoded(model.encode, cells.scaled),
            torch.optim.Adadelta([*model.parameters(), *head.parameters()], lr=1.0, rho=0.95),
            lambda b, p: (
                model.counts_loss(cells, b) + head.divergence(model.encode(cells.scaled[b]), p)
            ),
            epochs=MOST_EPOCHS,
        )
