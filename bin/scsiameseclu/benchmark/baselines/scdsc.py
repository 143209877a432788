"""scDSC: deep structural clustering (Gan et al., Brief Bioinform 23, bbac018, 2022)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from ...clustering.network.transport import clustering_divergence
from ._common import (
    HIDDEN,
    LATENT,
    Autoencoder,
    Cells,
    GraphHead,
    StudentHead,
    ZinbHead,
    batches,
    cells_of,
    encoded,
    kmeans,
    neighbor_graph,
    row_normalized,
    seeded,
    sharpened,
    step,
    subgraphs,
    train,
    whole,
)

if TYPE_CHECKING:
    import anndata as ad
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

NEIGHBORS, SHARE = 10, 0.5
"""Neighbors of a cell in the graph, and the share of the autoencoder's layer in the graph network's
(sigma)."""
WEIGHTS = {"assignment": 0.1, "graph": 0.01, "expression": 1.0, "counts": 0.1}
"""Weights of the objective, eq. 14: cross-entropy of q and p, KL(p || graph), squared error,
ZINB."""
PRETRAIN_EPOCHS, EPOCHS = 200, 100
RENEWED = 20
"""Steps after which the target is renewed."""


class _Network(nn.Module):
    def __init__(self, n_genes: int, centroids: torch.Tensor, autoencoder: Autoencoder) -> None:
        super().__init__()
        widths = [n_genes, *HIDDEN, LATENT, len(centroids)]
        self.autoencoder, self.student = autoencoder, StudentHead(centroids)
        self.graph = nn.ModuleList(GraphHead(a, b) for a, b in itertools.pairwise(widths))
        self.zinb = ZinbHead(HIDDEN[0], n_genes)

    def prediction(self, x: torch.Tensor, adjacency: torch.Tensor) -> torch.Tensor:
        """Return the graph network's log-probabilities, mixed with the encoder's (eqs. 8 to 10)."""
        hidden, h = x, self.graph[0](x, adjacency).relu()
        for place, layer in enumerate(self.graph[1:-1]):
            hidden = self.autoencoder.hidden[2 * place + 1](
                self.autoencoder.hidden[2 * place](hidden)
            )
            h = layer((1 - SHARE) * h + SHARE * hidden, adjacency).relu()
        h = self.graph[-1]((1 - SHARE) * h + SHARE * self.autoencoder.latent(hidden), adjacency)
        return torch.log_softmax(h, dim=1)


def scdsc_labels(
    adata: ad.AnnData, *, n_clusters: int, seed: int, device: str
) -> NDArray[np.int64]:
    """Train a ZINB autoencoder and a graph network together; labels are the latter's (eq. 10).

    The autoencoder is pretrained by its squared error. The published code takes all cells in each
    of 300 steps, with rate .0001; here a step sees the neighborhoods of 32 cells, with rate .001.
    Widths are those of the others.
    """
    with seeded(seed, device) as place:
        cells = cells_of(adata, place)
        model = Autoencoder(cells.scaled.shape[1]).to(place)
        adam = torch.optim.Adam(model.parameters(), lr=0.001)
        found = batches(cells.n, epochs=PRETRAIN_EPOCHS)
        train(adam, lambda b: functional.mse_loss(model(x := cells.scaled[b]), x), found)
        _, centers = kmeans(encoded(model.encode, cells.scaled), n_clusters, seed)
        network = _Network(cells.scaled.shape[1], centers, model).to(place)
        graph = neighbor_graph(adata.obsm["X_pca"], NEIGHBORS)
        _train(network, cells, graph)
        with torch.no_grad():
            return network.prediction(cells.scaled, whole(graph, place)).argmax(1).cpu().numpy()


def _train(network: _Network, cells: Cells, graph: csr_matrix) -> None:
    adam = torch.optim.Adam(network.parameters(), lr=0.001)
    for done, (batch, adjacency) in enumerate(subgraphs(graph, epochs=EPOCHS)):
        if done % RENEWED == 0:
            with torch.no_grad():
                target = sharpened(
                    network.student(encoded(network.autoencoder.encode, cells.scaled))
                )
        rows = row_normalized(adjacency.to(cells.scaled.device))
        step(adam, _loss(network, cells, batch, rows, target[batch]))


def _loss(
    network: _Network,
    cells: Cells,
    batch: torch.Tensor,
    adjacency: torch.Tensor,
    target: torch.Tensor,
) -> torch.Tensor:
    x, model = cells.scaled[batch], network.autoencoder
    z = model.encode(x)
    hidden = model.decoder(z)
    terms = {
        "assignment": functional.binary_cross_entropy(
            network.student(z).exp().clamp(1e-7, 1 - 1e-7), target
        ),
        "graph": clustering_divergence(target, network.prediction(x, adjacency)),
        "expression": functional.mse_loss(model.output(hidden), x),
        "counts": network.zinb.loss(hidden, cells, batch),
    }
    return torch.stack([WEIGHTS[name] * value for name, value in terms.items()]).sum()
