"""scGNN (Wang et al., Nat Commun 12, 1882, 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from scipy.sparse import csr_matrix
from sklearn.metrics import adjusted_rand_score
from torch import nn
from torch.nn import functional

from ...clustering.consensus.neighbors import knn_indices
from ...clustering.consensus.partitions import as_igraph
from ...clustering.consensus.partitions import seeded as igraph_seeded
from ._common import (
    GraphHead,
    batches,
    cells_of,
    encoded,
    kmeans,
    row_normalized,
    seeded,
    step,
    subgraphs,
    train,
    whole,
)

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray

WIDTHS = (512, 128)
DETECTED = 0.9
"""Share of the detected values in the squared error, which the regulatory signals have there
(alpha)."""
SPARSITY = 1.0
"""Weight of the parameters' absolute values in the error summed over all cells and genes."""
NEIGHBORS = 10
GRAPH_WIDTHS = (32, 16)
RESOLUTIONS = {2000: 0.8, np.inf: 0.5}
"""Share of Louvain's clusters that is taken, for fewer than this many cells."""
FEWEST = 2
ITERATIONS, SAME = 10, 0.99
"""Most iterations, and the ARI of two of them that ends them."""
EPOCHS, ITERATION_EPOCHS, CLUSTER_EPOCHS, GRAPH_EPOCHS = 100, 10, 10, 20


class _FeatureAutoencoder(nn.Module):
    def __init__(self, n_genes: int) -> None:
        super().__init__()
        a, b = WIDTHS
        self.encode = nn.Sequential(nn.Linear(n_genes, a), nn.ReLU(), nn.Linear(a, b), nn.ReLU())
        self.decode = nn.Sequential(nn.Linear(b, a), nn.ReLU(), nn.Linear(a, n_genes), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.decode(self.encode(x))
        return y


class _GraphAutoencoder(nn.Module):
    """A variational graph autoencoder (Kipf and Welling 2016) with an inner-product decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.first = GraphHead(WIDTHS[1], GRAPH_WIDTHS[0])
        self.mean, self.log_deviation = GraphHead(*GRAPH_WIDTHS), GraphHead(*GRAPH_WIDTHS)

    def forward(
        self, x: torch.Tensor, adjacency: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = self.first(x, adjacency).relu()
        return self.mean(hidden, adjacency), self.log_deviation(hidden, adjacency)


def scgnn_labels(
    adata: ad.AnnData, *, n_clusters: int | Literal["auto"], seed: int, device: str
) -> NDArray[np.int64]:
    """Iterate feature, graph and cluster autoencoders and clusters until the clusters stay.

    k-means on the graph's embedding; ``auto``: as many clusters as a share of Louvain's (Methods,
    "Iterative process"). Replaced: the regulatory signals of the left-truncated mixture Gaussian
    model (LTMG), by which eq. 2 weights the squared error, are whether a gene is detected in a
    cell. The graph autoencoder sees neighborhoods, not all cells.
    """
    with seeded(seed, device) as place:
        x = cells_of(adata, place).logs
        model = _FeatureAutoencoder(x.shape[1]).to(place)
        adam = torch.optim.Adam(model.parameters(), lr=0.001)
        _fit(model, adam, x, torch.where(x > 0, DETECTED, 1 - DETECTED), epochs=EPOCHS)
        last: NDArray[np.int64] | None = None
        for _ in range(ITERATIONS):
            z = encoded(model.encode, x)
            graph = _pruned(z.cpu().numpy())
            embedding = _graph_embedding(z, graph)
            k = _own_number(graph, seed) if n_clusters == "auto" else n_clusters
            labels, _ = kmeans(embedding, k, seed)
            if last is not None and adjusted_rand_score(last, labels) > SAME:
                break
            last, x = labels, _by_cluster(model, x, labels)
            _fit(model, adam, x, torch.ones_like(x), epochs=ITERATION_EPOCHS)
        return labels


def _fit(
    model: _FeatureAutoencoder,
    optimizer: torch.optim.Optimizer,
    x: torch.Tensor,
    weights: torch.Tensor,
    *,
    epochs: int,
) -> None:
    """Reconstruct by the weighted squared error with few and small parameters."""

    def loss(batch: torch.Tensor) -> torch.Tensor:
        error = (weights[batch] * (model(x[batch]) - x[batch]).square()).sum()
        size = torch.stack([part.abs().sum() for part in model.parameters()]).sum()
        total: torch.Tensor = error + SPARSITY * len(batch) / len(x) * size
        return total

    train(optimizer, loss, batches(len(x), epochs=epochs))


def _by_cluster(
    model: _FeatureAutoencoder, x: torch.Tensor, labels: NDArray[np.int64]
) -> torch.Tensor:
    """Return the cells' reconstruction by an autoencoder per cluster.

    Each starts as the autoencoder of all cells.
    """
    found = torch.empty_like(x)
    for cluster in np.unique(labels):
        cells = torch.from_numpy(np.flatnonzero(labels == cluster))
        own = _FeatureAutoencoder(x.shape[1]).to(x.device)
        own.load_state_dict(model.state_dict())
        mine = x[cells]
        adam = torch.optim.Adam(own.parameters(), lr=0.001)
        _fit(own, adam, mine, torch.ones_like(mine), epochs=CLUSTER_EPOCHS)
        found[cells] = encoded(own, mine)
    return found


def _pruned(z: NDArray[np.float32]) -> csr_matrix:
    """Return the graph without neighbors beyond a cell's mean distance plus one SD."""
    neighbors, distances = knn_indices(z, n_neighbors=NEIGHBORS)
    near = distances <= (distances.mean(axis=1) + distances.std(axis=1))[:, None]
    rows = np.broadcast_to(np.arange(len(z))[:, None], near.shape)[near]
    graph = csr_matrix(
        (np.ones(near.sum(), dtype=np.float32), (rows, neighbors[near])), shape=(len(z), len(z))
    )
    return csr_matrix(graph.maximum(graph.T))


def _graph_embedding(z: torch.Tensor, graph: csr_matrix) -> torch.Tensor:
    """Return the mean of the variational graph autoencoder on binarized features (eqs. 3 to 6)."""
    features = (z > z.mean(0)).float()
    model = _GraphAutoencoder().to(z.device)
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    for batch, links in subgraphs(graph, epochs=GRAPH_EPOCHS):
        adjacency = links.to(z.device)
        mean, log_deviation = model(features[batch], row_normalized(adjacency))
        drawn = mean + torch.randn_like(mean) * log_deviation.exp()
        absent = adjacency.numel() - adjacency.sum()
        weight = absent / adjacency.sum()
        logits = drawn @ drawn.T
        error = functional.binary_cross_entropy_with_logits(logits, adjacency, pos_weight=weight)
        prior = (
            0.5
            * (1 + 2 * log_deviation - mean.square() - (2 * log_deviation).exp()).sum(1).mean()
            / len(batch)
        )
        step(adam, adjacency.numel() / (2 * absent.clamp_min(1)) * error - prior)
    with torch.no_grad():
        embedding: torch.Tensor = model(features, whole(graph, z.device))[0]
    return embedding


def _own_number(graph: csr_matrix, seed: int) -> int:
    network = as_igraph(graph)
    with igraph_seeded(seed):
        found = len(network.community_multilevel(weights="weight"))
    share = next(share for cells, share in RESOLUTIONS.items() if graph.shape[0] < cells)
    return max(FEWEST, int(found * share))
