"""Trains the siamese network in minibatches: a fixed number of steps for any number of cells.

The consensus teaches: the cell-related refinement uses its co-association to pull the two views'
correlation to, its clusters give the centroids, and its cluster sizes are the marginals of the
optimal transport. No label is known here.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import torch
from torch.nn import functional
from torch.optim.adam import adam

from ..consensus.partitions import cell_co_association, one_hot
from . import losses
from .augment import GraphViews, noisy_view
from .model import SiameseNetwork, Views
from .transport import cluster_potentials, clustering_divergence, log_student_t, sinkhorn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

TERMS = ("crr", "lrr", "pr", "rec", "zinb", "otc")
"""The terms of the objective, the columns of the training history."""

CHUNK = 16_384
"""Cells embedded at a time."""


@dataclass(frozen=True)
class Components:
    """Which parts of the method take part; every switch off removes exactly its part.

    Parameters
    ----------
    sfm
        The siamese fusion's losses (CRR, LRR, PR, REC) as a whole.
    crr, lrr, pr, rec
        Cell-related and latent-related correlation refinement, propagation regularisation,
        reconstruction.
    zinb
        The ZINB likelihood of the raw counts.
    otc
        Optimal-transport clustering. Without it the labels are those of the nearest consensus
        centroid in z.
    noise, edge_dropping, diffusion
        The augmentations: Gaussian noise on the expression, the weakest edges dropped, diffusion
        over the graph.
    cell_target
        What CRR takes for the true correlation of two cells: their ``co-association`` in the
        consensus, or the ``identity``, as in the paper, which takes cells of one type for
        strangers.
    sizes
        Marginals of the transport: ``estimated`` from the consensus, or ``equal``, as in the paper.
    """

    sfm: bool = True
    crr: bool = True
    lrr: bool = True
    pr: bool = True
    rec: bool = True
    zinb: bool = True
    otc: bool = True
    noise: bool = True
    edge_dropping: bool = True
    diffusion: bool = True
    cell_target: Literal["co-association", "identity"] = "co-association"
    sizes: Literal["estimated", "equal"] = "estimated"

    def terms(self) -> tuple[str, ...]:
        """Return the terms of the objective that are on, in the order of :data:`TERMS`."""
        siamese = [name for name in ("crr", "lrr", "pr", "rec") if self.sfm and getattr(self, name)]
        return (*siamese, *(name for name in ("zinb", "otc") if getattr(self, name)))


@dataclass(frozen=True)
class Training:
    """The numbers of the training; one set for all data.

    Parameters
    ----------
    warmup_steps, clustering_steps
        Steps without and then with optimal-transport clustering.
    batch_size
        Cells a step.
    learning_rate
        Of Adam.
    n_hidden, n_projection
        Widths of the hidden layers and of the projection head.
    n_genes
        Number of genes whose counts are modelled in a step, drawn again each time.
    n_neighbors
        Neighbours a step samples for each cell.
    noise
        Standard deviation of the multiplicative Gaussian noise.
    epsilon
        Entropic regularisation of the transport: below 1 the target is sharper than Q.
    teaching
        Weight of the consensus in the transport's target and in the final assignment, relative
        to Q's weight of 1 / epsilon.
    crr, lrr, pr, rec, zinb, otc
        Weights of the terms.
    """

    warmup_steps: int = 60
    clustering_steps: int = 40
    batch_size: int = 256
    learning_rate: float = 1e-3
    n_hidden: int = 128
    n_projection: int = 64
    n_genes: int = 128
    n_neighbors: int = 2
    noise: float = 0.1
    epsilon: float = 0.3
    teaching: float = 0.3
    crr: float = 1.0
    lrr: float = 0.1
    pr: float = 0.5
    rec: float = 1.0
    zinb: float = 0.1
    otc: float = 1.0


@dataclass(frozen=True)
class TrainingData:
    """What the network learns from; n cells, d scores, g genes, p partitions.

    Parameters
    ----------
    scores
        Expression scores, float32 (n, d), on a scale of about 1.
    graph_views
        The scores over the two augmented graphs.
    graph
        Symmetric cell graph, (n, n), from which neighbours are sampled.
    counts
        Raw counts of the genes to model, (n, g).
    size_factors
        Sequencing depth relative to its mean, float32 (n,), positive.
    labels
        Consensus clusters, int (n,), 0..k-1.
    partitions
        The clusterings that the consensus is made of, int (n, p).
    """

    scores: NDArray[np.float32]
    graph_views: GraphViews
    graph: csr_matrix
    counts: csr_matrix
    size_factors: NDArray[np.float32]
    labels: NDArray[np.int64]
    partitions: NDArray[np.int32]


@dataclass(frozen=True)
class Assignment:
    """What the trained network needs to assign cells, including those not used in training.

    Parameters
    ----------
    network
        The trained network, on the CPU.
    centroids
        Cluster centres in the embedding, float32 (k, d).
    scale
        Squared distance at which the similarity with a centroid is halved.
    potentials
        What is added to the log-probability of each cluster so that its size is as wanted, float32
        (k,).
    """

    network: SiameseNetwork
    centroids: NDArray[np.float32]
    scale: float
    potentials: NDArray[np.float32]

    @torch.no_grad()
    def place(
        self,
        scores: NDArray[np.float32],
        views: GraphViews,
        met: NDArray[np.float32],
        training: Training,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return z, (n, d), and the probabilities of the clusters, (n, k), of cells.

        Parameters
        ----------
        scores, views
            As in :class:`TrainingData`.
        met
            Share of partitions in which they meet the cells of each cluster, (n, k).
        training
            Weights of embedding and consensus.
        """
        with reproducible("cpu"):
            z = self.network.embed(
                *(torch.from_numpy(np.ascontiguousarray(x)) for x in (scores, *views))
            )
            log_q = log_student_t(z, torch.from_numpy(self.centroids), scale=self.scale)
            logits = log_q / training.epsilon + training.teaching * torch.log(
                torch.from_numpy(met).clamp_min(1e-3)
            )
            return z.numpy(), torch.softmax(
                logits + torch.from_numpy(self.potentials), dim=1
            ).numpy()


@dataclass(frozen=True)
class Trained:
    """What training gives.

    Parameters
    ----------
    assignment
        The trained network, and how it assigns cells.
    embedding
        z, float32 (n, d), rows of length 1.
    soft_assignments
        Probabilities of the clusters, float32 (n, k), rows sum to 1.
    history
        One row a step: ``step``, ``phase``, one column for each term (empty if it is off),
        ``total``.
    """

    assignment: Assignment
    embedding: NDArray[np.float32]
    soft_assignments: NDArray[np.float32]
    history: pd.DataFrame


def train(
    data: TrainingData,
    *,
    components: Components,
    training: Training,
    random_state: int = 0,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Trained:
    """Train the network and assign the cells.

    On the CPU the result is the same, bit for bit, for the same input and seed, whatever the number
    of threads; the global random state is neither read nor changed. All random numbers are drawn on
    the CPU, also for a GPU.

    Parameters
    ----------
    data
        The cells.
    components, training
        Switches and numbers.
    random_state
        Seed of all random numbers.
    device
        Where the network runs.
    progress
        Called after each step with the steps done and the steps in all.
    """
    with reproducible(device):
        trainer = _Trainer(data, components, training, random_state, torch.device(device))
        total = training.warmup_steps + training.clustering_steps
        for step in range(total):
            trainer.step(step, clustering=step >= training.warmup_steps)
            if progress is not None:
                progress(step + 1, total)
        return trainer.result()


@contextmanager
def reproducible(device: torch.device | str) -> Iterator[None]:
    """Make torch deterministic and, on the CPU, single-threaded; restore its settings after."""
    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    on_cpu = torch.device(device).type == "cpu"
    try:
        # A sum that is split over threads is rounded differently; batches are too small for threads
        # to pay.
        torch.set_num_threads(1 if on_cpu else threads)
        # use_deterministic_algorithms would do the same after seconds of imports for its compiler.
        torch.set_deterministic_debug_mode("error" if on_cpu else "default")
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode(mode)


class _Trainer:
    """The state of a training: network, centroids, optimiser, random numbers, history."""

    def __init__(
        self,
        data: TrainingData,
        components: Components,
        training: Training,
        random_state: int,
        device: torch.device,
    ) -> None:
        self.data, self.components, self.training, self.device = data, components, training, device
        self.generator = torch.Generator().manual_seed(random_state)
        self.n, n_features = data.scores.shape
        self.k = int(data.labels.max()) + 1
        self.network = _seeded_network(
            n_features, data.counts, data.size_factors, training, self.generator
        ).to(device)
        self.centroids = torch.nn.Parameter(torch.zeros(self.k, n_features, device=device))
        parameters = [*self.network.parameters(), self.centroids]
        self.optimizer = _Adam(parameters, learning_rate=training.learning_rate)
        self.scores, self.perturbed, self.diffused = (
            torch.from_numpy(np.ascontiguousarray(x)).to(device)
            for x in (data.scores, *data.graph_views)
        )
        self.labels = torch.from_numpy(data.labels).to(device)
        self.sizes: torch.Tensor = torch.bincount(self.labels, minlength=self.k).float() / self.n
        met = torch.from_numpy(cell_co_association(data.labels, data.partitions)).to(device)
        self.log_met: torch.Tensor = torch.log(met.clamp_min(1e-3))
        self.signatures = one_hot(data.partitions) * np.float32(data.partitions.shape[1] ** -0.5)
        self.neighbors = _NeighborSampler(data.graph)
        self.queue = torch.empty(0, dtype=torch.int64)
        self.scale = torch.ones((), device=device)
        self.history: list[dict[str, float | int | str]] = []

    def step(self, step: int, *, clustering: bool) -> None:
        """Take one step of Adam."""
        if clustering and step == self.training.warmup_steps:
            self.place_centroids()
        terms = self.objective(clustering=clustering)
        weighted = {name: getattr(self.training, name) * value for name, value in terms.items()}
        total = torch.stack(list(weighted.values())).sum() if weighted else None
        if total is not None:
            total.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
        values = {
            name: float(terms[name].detach()) if name in terms else math.nan for name in TERMS
        }
        phase = "clustering" if clustering else "warmup"
        self.history.append(
            {
                "step": step + 1,
                "phase": phase,
                **values,
                "total": float(total.detach()) if total is not None else 0.0,
            }
        )

    def objective(self, *, clustering: bool) -> dict[str, torch.Tensor]:
        """Return the terms that are on, for the next batch."""
        cells = self.next_batch()
        x, perturbed, diffused = self.scores[cells], self.perturbed[cells], self.diffused[cells]
        latents = self.network(
            Views(self.noisy(x), self.noisy(x), self.noisy(perturbed), self.noisy(diffused))
        )
        on = self.components.terms()
        terms: dict[str, torch.Tensor] = {}
        if "crr" in on or "lrr" in on:
            a, b = self.network.head(latents.fused_a), self.network.head(latents.fused_b)
            if "crr" in on:
                terms["crr"] = losses.cell_correlation(a, b, self.memberships(cells))
            if "lrr" in on:
                terms["lrr"] = losses.latent_correlation(a, b)
        if "pr" in on or "rec" in on:
            around = self.embed(
                self.neighbors.sample(cells, self.training.n_neighbors, self.generator)
            )
            if "pr" in on:
                mean = torch.cat([latents.fused[:, None], around], dim=1).mean(1)
                terms["pr"] = losses.propagation(latents.fused, functional.normalize(mean, dim=1))
            if "rec" in on:
                terms["rec"] = (
                    functional.mse_loss(self.network.expression.decoder(latents.expression), x)
                    + functional.mse_loss(self.network.graph.decoder(latents.graph), diffused)
                    + losses.edge_reconstruction(
                        latents.fused, around[:, 0], latents.fused.roll(1, dims=0)
                    )
                )
        if "zinb" in on:
            terms["zinb"] = self.zinb(cells, latents.fused)
        if clustering and "otc" in on:
            terms["otc"] = self.transport(cells, latents.fused)
        return terms

    def zinb(self, cells: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Return the ZINB term for a random subset of the genes."""
        genes = torch.randperm(self.data.counts.shape[1], generator=self.generator)[
            : self.training.n_genes
        ]
        counts = self.data.counts[cells.numpy()][:, genes.numpy()].toarray().astype(np.float32)
        factors = torch.from_numpy(self.data.size_factors[cells.numpy()]).to(self.device)
        parameters = self.network.zinb(z, factors, genes.to(self.device))
        return losses.zinb(torch.from_numpy(counts).to(self.device), parameters)

    def transport(self, cells: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Return the clustering term, with the cluster sizes that the consensus expects here."""
        log_q = log_student_t(z, self.centroids, scale=self.scale)
        target = sinkhorn(self.logits(log_q.detach(), cells), self.marginals(cells))
        return clustering_divergence(target, log_q)

    def marginals(self, cells: torch.Tensor | None = None) -> torch.Tensor:
        """Return the cluster sizes of a batch, or of all cells: equal, or the consensus's."""
        if self.components.sizes == "equal":
            return torch.full((self.k,), 1 / self.k, device=self.device)
        if cells is None:
            return self.sizes
        # A share of the overall sizes: a cluster that is absent from the batch has a mass all the
        # same.
        within: torch.Tensor = torch.bincount(self.labels[cells], minlength=self.k) / len(cells)
        return 0.9 * within + 0.1 * self.sizes

    def logits(self, log_q: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
        """Return the scores of the clusters, from the embedding and from the consensus."""
        taught: torch.Tensor = self.training.teaching * self.log_met[cells]
        return log_q / self.training.epsilon + taught

    def memberships(self, cells: torch.Tensor) -> torch.Tensor | None:
        """Return one-hot partitions side by side, rows of length 1.

        None if CRR's target is the identity.
        """
        if self.components.cell_target == "identity":
            return None
        return torch.from_numpy(self.signatures[cells.numpy()].toarray()).to(self.device)

    def noisy(self, scores: torch.Tensor) -> torch.Tensor:
        """Return a noisy view, or the scores themselves if noise is off."""
        scale = self.training.noise if self.components.noise else 0.0
        return noisy_view(scores, scale=scale, generator=self.generator)

    def embed(self, cells: torch.Tensor) -> torch.Tensor:
        """Return z of cells without noise; shape of `cells` + (d,)."""
        flat = cells.flatten()
        z = self.network.embed(self.scores[flat], self.perturbed[flat], self.diffused[flat])
        return z.reshape(*cells.shape, -1)

    def next_batch(self) -> torch.Tensor:
        """Return the next cells of a random order that is drawn anew when it is used up."""
        size = min(self.training.batch_size, self.n)
        if len(self.queue) < size:
            self.queue = torch.randperm(self.n, generator=self.generator)
        cells, self.queue = self.queue[:size], self.queue[size:]
        return cells

    @torch.no_grad()
    def place_centroids(self) -> None:
        """Put centroids at the consensus clusters' means in z; scale by distances within them."""
        z = self.embed_all()
        means = torch.zeros_like(self.centroids).index_add_(0, self.labels, z)
        means /= torch.bincount(self.labels, minlength=self.k)[:, None]
        self.centroids.copy_(means)
        self.scale = (z - means[self.labels]).square().sum(1).mean().clamp_min(1e-6)

    @torch.no_grad()
    def embed_all(self) -> torch.Tensor:
        """Return z of all cells, in chunks."""
        return torch.cat(
            [self.embed(torch.arange(i, min(i + CHUNK, self.n))) for i in range(0, self.n, CHUNK)]
        )

    @torch.no_grad()
    def result(self) -> Trained:
        """Assign the cells and bring everything to the CPU."""
        if not self.components.otc or not self.training.clustering_steps:
            self.place_centroids()
        z = self.embed_all()
        logits = self.logits(
            log_student_t(z, self.centroids, scale=self.scale), torch.arange(self.n)
        )
        # The assignment is the transport's plan for all cells, so that no small cluster is lost to
        # a large one.
        potentials = torch.zeros(self.k, device=self.device)
        if self.components.otc:
            potentials = cluster_potentials(logits, self.marginals(), n_iterations=200)
        plan = torch.softmax(logits + potentials, dim=1)
        return Trained(
            assignment=Assignment(
                network=self.network.cpu().eval(),
                centroids=self.centroids.detach().cpu().numpy(),
                scale=float(self.scale),
                potentials=potentials.cpu().numpy(),
            ),
            embedding=z.cpu().numpy(),
            soft_assignments=plan.cpu().numpy(),
            history=pd.DataFrame(self.history, columns=["step", "phase", *TERMS, "total"]),
        )


class _Adam:
    """Adam as :class:`torch.optim.Adam`, which would import torch's compiler for two seconds."""

    def __init__(self, parameters: Sequence[torch.nn.Parameter], *, learning_rate: float) -> None:
        self.parameters, self.learning_rate = parameters, learning_rate
        self.means = [torch.zeros_like(parameter) for parameter in parameters]
        self.squares = [torch.zeros_like(parameter) for parameter in parameters]
        self.steps = [torch.zeros(()) for _ in parameters]

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters that have a gradient, and take it from them."""
        state = zip(self.parameters, self.means, self.squares, self.steps, strict=True)
        moved = [(value, value.grad, *rest) for value, *rest in state if value.grad is not None]
        values, gradients, means, squares, steps = (
            list(column) for column in zip(*moved, strict=True)
        )
        adam(
            values,
            gradients,
            means,
            squares,
            [],
            steps,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self.learning_rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )
        for value in values:
            value.grad = None


class _NeighborSampler:
    """Draws neighbours with probability by edge weight; a cell without edges draws itself."""

    def __init__(self, graph: csr_matrix) -> None:
        self.indices = np.asarray(graph.indices)
        self.cumulative = np.concatenate([[0.0], np.cumsum(graph.data, dtype=np.float64)])
        self.starts = np.asarray(graph.indptr)

    def sample(
        self, cells: torch.Tensor, n_samples: int, generator: torch.Generator
    ) -> torch.Tensor:
        """Return `n_samples` neighbours of each cell, shape (len(cells), n_samples)."""
        rows = cells.numpy()
        first, last = self.starts[rows], self.starts[rows + 1]
        low, high = self.cumulative[first][:, None], self.cumulative[last][:, None]
        uniform = torch.rand(len(rows), n_samples, generator=generator, dtype=torch.float64).numpy()
        position = np.searchsorted(self.cumulative, low + uniform * (high - low), side="right") - 1
        position = np.clip(position, first[:, None], np.maximum(last - 1, first)[:, None])
        alone = (first == last)[:, None]
        if not len(self.indices):
            return cells[:, None].expand(-1, n_samples)
        drawn = self.indices[np.minimum(position, len(self.indices) - 1)]
        return torch.from_numpy(np.where(alone, rows[:, None], drawn).astype(np.int64))


def _seeded_network(
    n_features: int,
    counts: csr_matrix,
    size_factors: NDArray[np.float32],
    training: Training,
    generator: torch.Generator,
) -> SiameseNetwork:
    """Return a network with weights from the generator alone, and ZINB means at the genes'."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        network = SiameseNetwork(
            n_features,
            counts.shape[1],
            n_hidden=training.n_hidden,
            n_projection=training.n_projection,
        )
    rates = np.asarray(counts.sum(axis=0), dtype=np.float64).ravel() / max(
        float(size_factors.sum()), 1e-12
    )
    with torch.no_grad():
        network.zinb.rate.bias.copy_(torch.from_numpy(np.log(np.maximum(rates, 1e-6))))
    return network
