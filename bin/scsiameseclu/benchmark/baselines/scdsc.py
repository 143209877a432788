"""scDSC: deep structural clustering (Gan et al., Brief Bioinform 23, bbac018, 2022)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_matrix, identity
from torch import nn
from torch.nn import functional

from ...clustering.network.transport import clustering_divergence
from ._common import (
    Cells,
    GraphHead,
    StudentHead,
    ZinbHead,
    batches,
    cells_of,
    kmeans,
    row_normalized,
    seeded,
    sharpened,
    step,
    train,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import anndata as ad
    from numpy.typing import NDArray

WIDTHS, LATENT = (500, 500, 2000), 10
"""Widths of the encoder; the decoder mirrors them."""
NEIGHBORS, SHARE = 10, 0.5
"""Neighbors of a cell in the graph, and the share of the autoencoder's layer in the graph network's
(sigma)."""
WEIGHTS = {"assignment": 0.1, "graph": 0.01, "expression": 1.0, "counts": 0.1}
"""Weights of the objective, eq. 14: cross-entropy of q and p, KL(p || graph), squared error,
ZINB."""
PRETRAIN_EPOCHS, PRETRAIN_BATCH, PRETRAIN_RATE = 200, 1024, 0.001
STEPS, RATE = 300, 0.0001
"""Steps of the autoencoder and the graph network together."""
WHOLE, SEEDS, RENEWED = 1024, 32, 20
"""Most cells that a step sees all of; of more, the cells whose neighborhoods it sees, and the steps
after which the target is renewed."""


class _Autoencoder(nn.Module):
    """An autoencoder with normalization over the batch, in training and after it."""

    def __init__(self, n_genes: int) -> None:
        super().__init__()
        self.encoder = _layers([n_genes, *WIDTHS])
        self.latent = nn.Linear(WIDTHS[-1], LATENT)
        self.decoder = nn.Sequential(*_layers([LATENT, *reversed(WIDTHS)]))
        self.output = nn.Linear(WIDTHS[0], n_genes)

    def layers(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the encoder's layers; the last is the latent representation."""
        found = []
        for layer in self.encoder:
            x = layer(x)
            found.append(x)
        return [*found, self.latent(x)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the reconstruction of `x`."""
        y: torch.Tensor = self.output(self.decoder(self.layers(x)[-1]))
        return y


def _layers(widths: Sequence[int]) -> nn.ModuleList:
    return nn.ModuleList(
        nn.Sequential(nn.Linear(a, b), nn.BatchNorm1d(b, track_running_stats=False), nn.ReLU())
        for a, b in itertools.pairwise(widths)
    )


class _Network(nn.Module):
    def __init__(self, n_genes: int, centroids: torch.Tensor, autoencoder: _Autoencoder) -> None:
        super().__init__()
        widths = [n_genes, *WIDTHS, LATENT, len(centroids)]
        self.autoencoder, self.student = autoencoder, StudentHead(centroids)
        self.graph = nn.ModuleList(GraphHead(a, b) for a, b in itertools.pairwise(widths))
        for matrix in self.graph.parameters():
            nn.init.xavier_uniform_(matrix)
        self.zinb = ZinbHead(WIDTHS[0], n_genes)

    def prediction(
        self, x: torch.Tensor, adjacency: torch.Tensor, layers: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """Return the graph network's log-probabilities, mixed with the encoder's (eqs. 8 to 10)."""
        h = self.graph[0](x, adjacency)
        for head, layer in zip(self.graph[1:], layers, strict=True):
            h = head((1 - SHARE) * h.relu() + SHARE * layer, adjacency)
        return torch.log_softmax(h, dim=1)


def scdsc_labels(
    adata: ad.AnnData, *, n_clusters: int, seed: int, device: str
) -> NDArray[np.int64]:
    """Train a ZINB autoencoder and a graph network together; labels are the latter's (eq. 10).

    As in the published code (MTAB): log-normalized expression that is not standardized, widths,
    normalization over the batch, graph, initial weights, batches of the pretraining, rates, and
    steps that see all cells. Here this is so up to ``WHOLE`` cells: of more, a step sees the
    neighborhoods of ``SEEDS``.
    """
    with seeded(seed, device) as place:
        cells = cells_of(adata, place)
        x = cells.logs
        model = _Autoencoder(x.shape[1]).to(place)
        adam = torch.optim.Adam(model.parameters(), lr=PRETRAIN_RATE)
        # One cell alone has no variance to be normalized by.
        found = batches(cells.n, epochs=PRETRAIN_EPOCHS, size=PRETRAIN_BATCH)
        found = (batch for batch in found if len(batch) > 1)
        train(adam, lambda b: functional.mse_loss(model(x[b]), x[b]), found)
        with torch.no_grad():
            _, centers = kmeans(model.layers(x)[-1], n_clusters, seed)
        network = _Network(x.shape[1], centers, model).to(place)
        toward = _similar(x)
        graph = csr_matrix(toward.maximum(toward.T))
        _train(network, cells, graph, toward)
        with torch.no_grad():
            return (
                network.prediction(x, whole(graph, place), model.layers(x)).argmax(1).cpu().numpy()
            )


@torch.no_grad()
def _similar(x: torch.Tensor) -> csr_matrix:
    """Return the graph from each cell to those of the largest product with it, without loops.

    The published code centers expression by one mean of all cells and genes; the products are not
    divided by the lengths.
    """
    n, centered = len(x), x - x.mean()
    k = min(NEIGHBORS + 1, n)
    parts = torch.split(centered, 4096)  # type: ignore[no-untyped-call]
    columns = torch.cat([(part @ centered.T).topk(k).indices for part in parts]).cpu().numpy()
    rows = np.repeat(np.arange(n), k)
    others = columns.ravel() != rows
    found = rows[others], columns.ravel()[others]
    return csr_matrix((np.ones(others.sum(), dtype=np.float32), found), shape=(n, n))


def _neighborhoods(
    graph: csr_matrix, toward: csr_matrix
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield the cells of a step, and their adjacency with loops.

    Of a cell with very many neighbors, a step sees those that are there.
    """
    n = graph.shape[0]
    loops = identity(n, dtype=np.float32, format="csr")
    near, all_loops = csr_matrix(toward + loops), csr_matrix(graph + loops)
    size = n if n <= WHOLE else SEEDS
    for batch in itertools.islice(batches(n, epochs=STEPS, size=size), STEPS):
        cells = np.unique(near[batch.numpy()].indices)
        yield (
            torch.from_numpy(cells.astype(np.int64)),
            torch.from_numpy(all_loops[cells][:, cells].toarray()),
        )


def _train(network: _Network, cells: Cells, graph: csr_matrix, toward: csr_matrix) -> None:
    adam = torch.optim.Adam(network.parameters(), lr=RATE)
    renewed = 1 if cells.n <= WHOLE else RENEWED
    for done, (batch, adjacency) in enumerate(_neighborhoods(graph, toward)):
        if done % renewed == 0:
            with torch.no_grad():
                z = network.autoencoder.layers(cells.logs)[-1]
                target = sharpened(network.student(z))
        rows = row_normalized(adjacency.to(cells.logs.device))
        step(adam, _loss(network, cells, batch, rows, target[batch]))


def _loss(
    network: _Network,
    cells: Cells,
    batch: torch.Tensor,
    adjacency: torch.Tensor,
    target: torch.Tensor,
) -> torch.Tensor:
    x, model = cells.logs[batch], network.autoencoder
    layers = model.layers(x)
    hidden = model.decoder(layers[-1])
    terms = {
        "assignment": functional.binary_cross_entropy(
            network.student(layers[-1]).exp().clamp(1e-7, 1 - 1e-7), target
        ),
        "graph": clustering_divergence(target, network.prediction(x, adjacency, layers)),
        "expression": functional.mse_loss(model.output(hidden), x),
        "counts": network.zinb.loss(hidden, cells, batch),
    }
    return torch.stack([WEIGHTS[name] * value for name, value in terms.items()]).sum()
