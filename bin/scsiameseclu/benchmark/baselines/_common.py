"""What the baselines share: input, batches, autoencoder, and ZINB, Student's t and graph heads.

Every training is deterministic for a seed on the CPU, sees minibatches only, and takes as many
epochs as its paper says, but at most ``MOST_STEPS`` steps: small sets are trained as published, and
large ones in bounded time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_matrix, identity
from sklearn.cluster import KMeans
from torch import nn
from torch.nn import functional

from ...clustering.consensus.neighbors import knn_indices
from ...clustering.estimator import resolve_device
from ...clustering.network.losses import zinb
from ...clustering.network.model import Zinb
from ...clustering.network.train import reproducible
from ...clustering.network.transport import clustering_divergence, log_student_t

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray

BATCH = 256
MOST_STEPS = 400
"""Most steps of one stage of a training."""
GENES = 512
"""Genes, drawn anew at each step, whose counts enter the likelihood of a batch: its mean over genes
is the same."""
HIDDEN, LATENT = (256, 64), 32
"""Widths of the encoders (Tian et al. 2019); the decoders mirror them."""
STARTS = 20
"""Starts of the k-means that centroids begin with."""
TOLERANCE = 0.001
"""Share of cells that change their cluster, below which a training ends."""

Loss = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Cells:
    """Expression of the highly variable genes, as tensors on the device.

    Parameters
    ----------
    logs
        Log-normalized expression, n x genes.
    scaled
        The same at mean 0 and variance 1 of each gene.
    counts
        Raw counts.
    size_factors
        Counts of a cell over their median.
    """

    logs: torch.Tensor
    scaled: torch.Tensor
    counts: torch.Tensor
    size_factors: torch.Tensor

    @property
    def n(self) -> int:
        """Number of cells."""
        return len(self.logs)


@contextmanager
def seeded(seed: int, device: str) -> Iterator[str]:
    """Draw, within it, all that torch draws from `seed`; yields the device."""
    place = resolve_device(device)
    with reproducible(place), torch.random.fork_rng():
        torch.manual_seed(seed)
        yield place


def cells_of(adata: ad.AnnData, device: str) -> Cells:
    """Return the input of the networks from normalized expression with its counts."""
    genes = adata.var["highly_variable"].to_numpy(dtype=bool)
    logs, counts = (
        torch.from_numpy(csr_matrix(matrix[:, genes]).toarray().astype(np.float32)).to(device)
        for matrix in (adata.X, adata.layers["counts"])
    )
    depth = counts.sum(1).clamp_min(1)
    deviation = logs.std(0)
    scaled = (logs - logs.mean(0)) / torch.where(deviation > 0, deviation, 1)
    return Cells(logs, scaled, counts, depth / depth.median())


def some_genes(cells: Cells) -> torch.Tensor:
    """Return the index of ``GENES`` random genes."""
    return torch.randperm(cells.counts.shape[1])[:GENES].to(cells.counts.device)


def batches(n: int, *, epochs: int, size: int = BATCH) -> Iterator[torch.Tensor]:
    """Yield random batches of n cells for some epochs, but at most ``MOST_STEPS`` of them."""
    left = MOST_STEPS
    for _ in range(epochs):
        for batch in torch.split(torch.randperm(n), size):  # type: ignore[no-untyped-call]
            if not left:
                return
            left -= 1
            yield batch


def train(optimizer: torch.optim.Optimizer, loss: Loss, found: Iterator[torch.Tensor]) -> None:
    """Take one step for each batch."""
    for batch in found:
        step(optimizer, loss(batch))


def step(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """Take one step down the gradient of `loss`."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def perceptron(widths: Sequence[int]) -> nn.Sequential:
    """Return linear layers with a ReLU after each."""
    layers = [(nn.Linear(a, b), nn.ReLU()) for a, b in itertools.pairwise(widths)]
    return nn.Sequential(*(part for layer in layers for part in layer))


class Autoencoder(nn.Module):
    """A perceptron and its mirror image around a linear latent layer; reconstructs expression."""

    def __init__(self, n_genes: int, hidden: Sequence[int] = HIDDEN, latent: int = LATENT) -> None:
        super().__init__()
        self.hidden = perceptron([n_genes, *hidden])
        self.latent = nn.Linear(hidden[-1], latent)
        self.decoder = perceptron([latent, *reversed(hidden)])
        self.output = nn.Linear(hidden[0], n_genes)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Return the latent representation, shape (b, latent)."""
        z: torch.Tensor = self.latent(self.hidden(x))
        return z

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the reconstruction of `x`."""
        y: torch.Tensor = self.output(self.decoder(self.encode(x)))
        return y


class ZinbHead(nn.Module):
    """Distribution of counts from the decoder's last layer.

    It is mean, dispersion and dropout of each (b, g).

    Eqs. 3 to 5 of Tian et al. (Nat Mach Intell 1, 191, 2019).
    """

    def __init__(self, n_hidden: int, n_genes: int) -> None:
        super().__init__()
        self.mean, self.dispersion, self.dropout = (nn.Linear(n_hidden, n_genes) for _ in range(3))

    def forward(
        self, hidden: torch.Tensor, size_factors: torch.Tensor, genes: torch.Tensor
    ) -> Zinb:
        """Return the distribution's parameters for the genes of index `genes`."""
        mean, dispersion, dropout = (
            functional.linear(hidden, layer.weight[genes], layer.bias[genes])
            for layer in (self.mean, self.dispersion, self.dropout)
        )
        return Zinb(
            mean=size_factors[:, None] * torch.exp(mean.clamp(-11, 14)),
            dispersion=functional.softplus(dispersion).clamp(1e-4, 1e4),
            dropout_logit=dropout,
        )

    def loss(self, hidden: torch.Tensor, cells: Cells, batch: torch.Tensor) -> torch.Tensor:
        """Return the negative log-likelihood of a batch's counts, mean over cells and genes."""
        genes = some_genes(cells)
        return zinb(cells.counts[batch][:, genes], self(hidden, cells.size_factors[batch], genes))


class ZinbAutoencoder(Autoencoder):
    """A denoising autoencoder of expression whose output is the distribution of the counts."""

    def __init__(self, n_genes: int, *, noise: float) -> None:
        super().__init__(n_genes)
        self.noise = noise
        self.zinb = ZinbHead(HIDDEN[0], n_genes)

    def counts_loss(self, cells: Cells, batch: torch.Tensor) -> torch.Tensor:
        """Return the negative log-likelihood of a batch's counts from noisy expression."""
        x = cells.scaled[batch]
        return self.zinb.loss(
            self.decoder(self.encode(x + self.noise * torch.randn_like(x))), cells, batch
        )


class StudentHead(nn.Module):
    """Soft assignment q to centroids, and its divergence from the target.

    Source: Xie et al. (ICML 2016), eq. 1.
    """

    def __init__(self, centroids: torch.Tensor) -> None:
        super().__init__()
        self.centroids = nn.Parameter(centroids)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return log q, shape (b, k)."""
        return log_student_t(z, self.centroids)

    def divergence(self, z: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return KL(p || q), eq. 2, the mean over cells."""
        return clustering_divergence(target, self(z))


def sharpened(log_q: torch.Tensor) -> torch.Tensor:
    """Return p of Xie et al. (2016), eq. 3: p_ij proportional to q_ij^2 / sum_i q_ij."""
    q = log_q.exp()
    weight = q.square() / q.sum(0).clamp_min(1e-12)
    return weight / weight.sum(1, keepdim=True)


@torch.no_grad()
def encoded(encode: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Return the latent representation of all cells, batch by batch."""
    return torch.cat([encode(part) for part in torch.split(x, 4096)])  # type: ignore[no-untyped-call]


def kmeans(
    z: torch.Tensor | NDArray[np.float32], n_clusters: int, seed: int
) -> tuple[NDArray[np.int64], torch.Tensor]:
    """Return labels and centers of k-means; fewer clusters where fewer cells are distinct."""
    device = z.device if isinstance(z, torch.Tensor) else "cpu"
    points = z.cpu().numpy() if isinstance(z, torch.Tensor) else z
    distinct = len(np.unique(points, axis=0))
    found = KMeans(min(n_clusters, distinct), n_init=STARTS, random_state=seed).fit(points)
    return found.labels_.astype(np.int64), torch.from_numpy(
        found.cluster_centers_.astype(np.float32)
    ).to(device)


def refine(
    head: StudentHead,
    all_latents: Callable[[], torch.Tensor],
    optimizer: torch.optim.Optimizer,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    *,
    epochs: int,
) -> NDArray[np.int64]:
    """Train with the target of Xie et al. (2016) until hardly any cell changes its cluster.

    The target is renewed after each epoch.

    Parameters
    ----------
    head
        The centroids.
    all_latents
        Returns the representation of all cells.
    optimizer
        Of all parameters.
    loss
        Of a batch and its target.
    epochs
        Most epochs.

    Returns
    -------
    The cluster of each cell by the largest q.
    """
    last, steps = None, 0
    while True:
        with torch.no_grad():
            log_q = head(all_latents())
        labels = log_q.argmax(1)
        changed = 1.0 if last is None else (labels != last).float().mean().item()
        if changed < TOLERANCE or steps >= min(MOST_STEPS, epochs * -(-len(labels) // BATCH)):
            return np.asarray(labels.cpu(), dtype=np.int64)
        target, last = sharpened(log_q), labels
        train(
            optimizer,
            lambda batch, p=target: loss(batch, p[batch]),  # type: ignore[misc]
            batches(len(labels), epochs=1),
        )
        steps += -(-len(labels) // BATCH)


class GraphHead(nn.Module):
    """Graph convolution A x W, with A the normalized graph of a batch.

    Source: Kipf and Welling, ICLR 2017, eq. 2.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Linear(n_in, n_out, bias=False)

    def forward(self, x: torch.Tensor, adjacency: torch.Tensor) -> torch.Tensor:
        """Return the neighbors' mean, transformed, shape (b, n_out)."""
        means: torch.Tensor = adjacency @ self.weight(x)
        return means


def neighbor_graph(points: NDArray[np.float32], k: int) -> csr_matrix:
    """Return the symmetric graph of the `k` nearest neighbors, without loops."""
    n = len(points)
    neighbors, _ = knn_indices(points, n_neighbors=k)
    rows = np.repeat(np.arange(n), neighbors.shape[1])
    graph = csr_matrix(
        (np.ones(len(rows), dtype=np.float32), (rows, neighbors.ravel())), shape=(n, n)
    )
    return csr_matrix(graph.maximum(graph.T))


def subgraphs(
    graph: csr_matrix, *, epochs: int, seeds: int = 32
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield cells with all their neighbors, and their adjacency with loops, as dense batches.

    A graph head thus sees whole neighborhoods of the `seeds`, and never the n x n matrix.
    """
    loops = csr_matrix(graph + identity(graph.shape[0], dtype=np.float32, format="csr"))
    for batch in batches(graph.shape[0], epochs=epochs, size=seeds):
        cells = np.unique(loops[batch.numpy()].indices)
        yield (
            torch.from_numpy(cells.astype(np.int64)),
            torch.from_numpy(loops[cells][:, cells].toarray()),
        )


def row_normalized(adjacency: torch.Tensor) -> torch.Tensor:
    """Return the adjacency with rows that sum to 1."""
    return adjacency / adjacency.sum(1, keepdim=True)


def whole(graph: csr_matrix, device: torch.device | str) -> torch.Tensor:
    """Return the row-normalized adjacency of all cells, loops included, as a sparse tensor."""
    loops = graph + identity(graph.shape[0], dtype=np.float32, format="csr")
    rows = csr_matrix(loops.multiply(1 / loops.sum(axis=1))).tocoo()
    indices = torch.from_numpy(np.vstack([rows.row, rows.col]).astype(np.int64))
    values = torch.from_numpy(rows.data.astype(np.float32))
    return torch.sparse_coo_tensor(indices, values, rows.shape, check_invariants=True).to(device)
