"""scSiameseClu as a scikit-learn estimator over AnnData: raw counts in, clusters, embedding and evidence out."""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

import anndata as ad
import numpy as np
import pandas as pd
import torch
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.preprocessing import normalize as unit_rows
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .._version import __version__
from ..errors import InputError, quoted
from . import storage
from .augment import graph_views
from .choice import choose
from .consensus import Consensus, cluster_stability, consensus_clustering
from .graph import EXACT_UP_TO
from .progress import Progress
from .train import TERMS, Components, Trained, Training, TrainingData, cluster_agreement, train
from .views import columns, expression_views

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from .network import SiameseNetwork

MIN_CELLS = 50
"""Cells below which the network is not trained."""
VERSIONED = ("anndata", "igraph", "numpy", "scikit-learn", "scipy", "torch")
"""Packages whose versions are recorded with a result."""


@dataclass(frozen=True)
class Expression:
    """What the clustering reads of an AnnData.

    Parameters
    ----------
    counts
        Raw counts of the genes found in enough cells, float32, (n, genes).
    highly_variable
        Mask over those genes.
    scores
        Principal components, float32, (n, d).
    """

    counts: csr_matrix
    highly_variable: NDArray[np.bool_]
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class _Result:
    labels: NDArray[np.int64]
    soft: NDArray[np.float32]
    embedding: NDArray[np.float32]
    history: pd.DataFrame
    network: SiameseNetwork | None
    centroids: NDArray[np.float32]
    evidence: dict[str, Any]


class ScSiameseClu(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Deep clustering of single cells: a training-free consensus, refined by a siamese network and optimal transport.

    Follows Xu et al., scSiameseClu (IJCAI 2025, arXiv 2505.12626), without any access to labels and without n x n
    matrices. The same seed gives the same bytes on the CPU.

    Parameters
    ----------
    n_clusters
        Number of clusters, or ``"auto"``.
    method
        ``"scsiameseclu"``, or ``"consensus"`` for its training-free start alone.
    random_state
        Seed.
    device
        ``"auto"`` (a GPU if there is one), ``"cpu"`` or ``"cuda"``, for the network.
    sfm, crr, lrr, pr, rec, zinb, otc, noise, edge_dropping, diffusion, cell_target, sizes
        Switches of the method's components, see :class:`~scsiameseclu.clustering.train.Components`.
    training
        Numbers of the training, see :class:`~scsiameseclu.clustering.train.Training`. Default: one set for all data.
    verbose
        Tell the progress on stderr.

    Attributes
    ----------
    labels_ : int64 array of shape (n,)
        Clusters, 0 .. n_clusters_ - 1 by falling size.
    embedding_ : float32 array of shape (n, d)
        The network's embedding z (rows of length 1); the diffused principal components if the method is the consensus.
    soft_assignments_ : float32 array of shape (n, n_clusters_)
        Probabilities of the clusters, rows sum to 1.
    confidence_ : float32 array of shape (n,)
        The soft assignment to the cell's own cluster.
    history_ : DataFrame
        One row a training step, one column a term of the objective; empty without training.
    n_clusters_ : int
        Number of clusters.
    method_ : str
        ``"scsiameseclu"`` or ``"consensus"``: whose labels these are.
    reason_ : str
        Why the labels are the consensus's although training was asked for; else empty.
    selection_ : dict
        Evidence for the number of clusters, and under ``"training"`` for the choice between trained and consensus.
    consensus_labels_ : int64 array of shape (n,)
        The training-free start.
    cluster_stability_ : dict of int to float
        For each cluster the mean, over the consensus's partitions, of its best Jaccard index with one of theirs.
    device_ : str
        Where the network ran.
    n_features_in_ : int
        Genes of the AnnData.
    network_ : SiameseNetwork or None
        The trained network.
    centroids_ : float32 array of shape (n_clusters_, d)
        Cluster centres in `embedding_`.
    """

    def __init__(
        self,
        *,
        n_clusters: int | Literal["auto"] = "auto",
        method: Literal["scsiameseclu", "consensus"] = "scsiameseclu",
        random_state: int = 0,
        device: Literal["auto", "cpu", "cuda"] = "auto",
        sfm: bool = True,
        crr: bool = True,
        lrr: bool = True,
        pr: bool = True,
        rec: bool = True,
        zinb: bool = True,
        otc: bool = True,
        noise: bool = True,
        edge_dropping: bool = True,
        diffusion: bool = True,
        cell_target: Literal["co-association", "identity"] = "co-association",
        sizes: Literal["estimated", "equal"] = "estimated",
        training: Training | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_clusters = n_clusters
        self.method = method
        self.random_state = random_state
        self.device = device
        self.sfm = sfm
        self.crr = crr
        self.lrr = lrr
        self.pr = pr
        self.rec = rec
        self.zinb = zinb
        self.otc = otc
        self.noise = noise
        self.edge_dropping = edge_dropping
        self.diffusion = diffusion
        self.cell_target = cell_target
        self.sizes = sizes
        self.training = training
        self.verbose = verbose

    def fit(self, adata: ad.AnnData, y: object = None) -> ScSiameseClu:  # noqa: ARG002
        """Cluster the cells; `adata` is not changed, and nothing in ``obs`` is read.

        Parameters
        ----------
        adata
            Raw counts in ``layers['counts']`` or ``X``. ``obsm['X_pca']`` and ``var['highly_variable']`` are used where
            both are there, else computed as by the pipeline.
        y
            Ignored.

        Raises
        ------
        InputError
            The counts are no raw counts, the parameters do not fit, or ``device="cuda"`` and there is no GPU.
        """
        counts = raw_counts(adata)
        self._check(counts.shape[0])
        self.device_ = resolve_device(self.device)
        self.n_features_in_ = adata.n_vars
        seed, k = int(self.random_state), self.n_clusters if self.n_clusters == "auto" else int(self.n_clusters)
        progress = Progress(enabled=self.verbose)
        # Up to the size where neighbours are searched exactly, one thread makes the sums' rounding reproducible.
        with threadpool_limits(1 if counts.shape[0] <= EXACT_UP_TO else None):
            expression = prepare_expression(adata, counts, random_state=seed)
            progress.stage(f"Consensus over views of {counts.shape[0]} cells")
            views = expression_views(expression.counts, highly_variable=expression.highly_variable, random_state=seed)
            consensus = consensus_clustering(views, counts=expression.counts, n_clusters=k, random_state=seed)
            self._keep(consensus, self._refine(expression, consensus, progress))
        return self

    def fit_predict(self, adata: ad.AnnData, y: object = None, **kwargs: object) -> NDArray[np.int64]:  # noqa: ARG002
        """Cluster the cells and return `labels_`."""
        labels: NDArray[np.int64] = self.fit(adata).labels_
        return labels

    def annotate(self, adata: ad.AnnData) -> None:
        """Write the result into the AnnData that was clustered.

        Sets ``obs['cluster']`` (categories ``'0'``, ``'1'`` ... by falling size), ``obs['cluster_confidence']``,
        ``obsm['X_scsiameseclu']`` and ``uns['scsiameseclu']`` (JSON text: parameters, versions, seed, method).
        """
        if adata.n_obs != len(self.labels_):
            raise InputError.of(
                what=f"The model was fitted on {len(self.labels_)} cells and cannot annotate {adata.n_obs}.",
                where="ScSiameseClu.annotate",
                remedy="Pass the AnnData that was fitted, or fit the model on this one.",
            )
        adata.obs["cluster"] = categorical(self.labels_, self.n_clusters_)
        adata.obs["cluster_confidence"] = self.confidence_
        adata.obsm["X_scsiameseclu"] = self.embedding_
        adata.uns["scsiameseclu"] = json.dumps(self.description(), sort_keys=True, default=storage.plain_number)

    def description(self) -> dict[str, Any]:
        """Return parameters, seed, versions and the method whose labels these are, ready for JSON."""
        parameters = self.get_params()
        parameters["training"] = asdict(self.training or Training())
        versions = {name: importlib.metadata.version(name) for name in VERSIONED}
        return {
            "parameters": parameters,
            "seed": self.random_state,
            "versions": {"scsiameseclu": __version__, **versions},
            "device": self.device_,
            "method": self.method_,
            "reason": self.reason_,
            "n_clusters": self.n_clusters_,
        }

    def save(self, path: Path | str) -> None:
        """Save the fitted model as safetensors with JSON metadata; the same model gives the same bytes."""
        storage.save(self, path)

    @classmethod
    def load(cls, path: Path | str) -> ScSiameseClu:
        """Return a model saved by :meth:`save`."""
        return storage.load(path, kind=cls)

    def components(self) -> Components:
        """Return the switches."""
        return Components(**{field.name: getattr(self, field.name) for field in fields(Components)})

    def _check(self, n_cells: int) -> None:
        k = self.n_clusters
        if k != "auto" and (isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1):
            raise _bad_parameter("n_clusters", k, "Give an integer of at least 1, or 'auto'.")
        if k != "auto" and k > n_cells:
            raise InputError.of(
                what=f"{k} clusters cannot be made of {n_cells} cells.",
                where="n_clusters",
                remedy=f"Ask for at most {n_cells} clusters, or for 'auto'; or filter fewer cells.",
            )
        seed = self.random_state
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            raise _bad_parameter("random_state", seed, "Give an integer of at least 0.")
        choices = {
            "method": ("scsiameseclu", "consensus"),
            "cell_target": ("co-association", "identity"),
            "sizes": ("estimated", "equal"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise _bad_parameter(name, getattr(self, name), f"Choose one of {', '.join(allowed)}.")

    def _refine(self, expression: Expression, consensus: Consensus, progress: Progress) -> _Result:
        scores = expression.scores / max(float(expression.scores.std(axis=0).mean()), 1e-6)
        reason = self._no_training(consensus)
        views = graph_views(
            consensus.graph, scores, edge_dropping=self.edge_dropping, diffusion=self.diffusion or bool(reason)
        )
        start = _consensus_result(consensus, unit_rows(views.diffused), reason)
        if reason:
            return start
        counts = columns(expression.counts, np.flatnonzero(expression.highly_variable))
        progress.stage(f"Training on {self.device_}")
        trained = train(
            TrainingData(
                scores=scores,
                graph_views=views,
                graph=consensus.graph,
                counts=counts,
                size_factors=_size_factors(expression.counts),
                labels=consensus.labels,
                partitions=consensus.partitions,
            ),
            components=self.components(),
            training=self.training or Training(),
            random_state=int(self.random_state),
            device=self.device_,
            progress=progress.step,
        )
        return _chosen(trained, counts, start)

    def _no_training(self, consensus: Consensus) -> str:
        n = len(consensus.labels)
        if self.method == "consensus":
            return "the training-free consensus was asked for"
        if not self.components().terms():
            return "every term of the objective is switched off"
        if consensus.n_clusters == 1:
            return "there is one cluster only"
        if n < MIN_CELLS:
            return f"{n} cells are too few to train on (at least {MIN_CELLS})"
        if 2 * consensus.n_clusters > n:
            return f"{consensus.n_clusters} clusters of {n} cells leave fewer than two cells each to learn from"
        return ""

    def _keep(self, consensus: Consensus, result: _Result) -> None:
        order = np.argsort(-np.bincount(result.labels), kind="stable")
        rank = np.argsort(order, kind="stable")
        self.labels_ = rank[result.labels].astype(np.int64)
        self.soft_assignments_ = np.ascontiguousarray(result.soft[:, order])
        self.centroids_ = np.ascontiguousarray(result.centroids[order])
        self.n_clusters_ = len(order)
        self.confidence_ = self.soft_assignments_[np.arange(len(self.labels_)), self.labels_]
        self.embedding_ = result.embedding
        self.history_ = result.history
        self.network_ = result.network
        self.reason_ = result.evidence["reason"]
        self.method_ = "consensus" if self.reason_ else "scsiameseclu"
        self.consensus_labels_ = consensus.labels
        self.selection_ = {**consensus.selection, "training": result.evidence}
        self.cluster_stability_ = cluster_stability(self.labels_, consensus.partitions)


def raw_counts(adata: ad.AnnData) -> csr_matrix:
    """Return the raw counts of ``layers['counts']`` or else ``X``, checked, as float32 CSR.

    Raises
    ------
    InputError
        There are none, or they are not finite, negative or fractional.
    """
    from ..expression.normalize import raw_counts as checked

    where = "layers['counts']" if "counts" in adata.layers else "X"
    matrix = adata.layers.get("counts", adata.X)
    if matrix is None or 0 in matrix.shape:
        raise InputError.of(
            what="There are no counts: the matrix is empty.",
            where=where,
            remedy="Put raw counts, non-negative integers, into layers['counts'] or X.",
        )
    return checked(adata).astype(np.float32, copy=False)


def prepare_expression(adata: ad.AnnData, counts: csr_matrix, *, random_state: int = 0) -> Expression:
    """Return counts, highly variable genes and principal components: those of `adata`, else computed.

    Nothing of ``obs`` is passed on to the functions that compute them.
    """
    if "X_pca" not in adata.obsm or "highly_variable" not in adata.var:
        from ..expression.normalize import normalize

        bare = ad.AnnData(X=counts, obs=pd.DataFrame(index=adata.obs_names), var=pd.DataFrame(index=adata.var_names))
        adata = normalize(bare, random_state=random_state)
        counts = csr_matrix(adata.layers["counts"]).astype(np.float32, copy=False)
    scores = np.asarray(adata.obsm["X_pca"], dtype=np.float32)
    if not np.isfinite(scores).all():
        raise InputError.of(
            what="The principal components hold missing or infinite values.",
            where="obsm['X_pca']",
            remedy="Delete obsm['X_pca'] to have them computed, or compute them without such values.",
        )
    return Expression(counts, np.asarray(adata.var["highly_variable"], dtype=bool), scores)


def resolve_device(device: str) -> str:
    """Return ``"cpu"`` or ``"cuda"`` for ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    InputError
        Another word, or ``"cuda"`` where torch finds no GPU.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise _bad_parameter("device", device, "Choose one of auto, cpu, cuda.")
    if device == "cpu" or (device == "auto" and not torch.cuda.is_available()):
        return "cpu"
    if not torch.cuda.is_available():
        raise InputError.of(
            what="A GPU was asked for, and torch finds none.",
            where="device 'cuda'",
            remedy="Use device 'auto' or 'cpu'; or install a torch with CUDA and check that nvidia-smi lists a GPU.",
        )
    return "cuda"


def categorical(labels: NDArray[np.int64], n_clusters: int) -> pd.Categorical:
    """Return labels as categories ``'0'``, ``'1'`` ... in numerical order."""
    return pd.Categorical.from_codes(
        labels.tolist(), categories=pd.Index([str(cluster) for cluster in range(n_clusters)])
    )


def _chosen(trained: Trained, counts: csr_matrix, start: _Result) -> _Result:
    labels = trained.soft_assignments.argmax(axis=1).astype(np.int64)
    evidence = choose(counts, trained=labels, consensus=start.labels)
    taught = replace(start, history=trained.history, network=trained.network, evidence=evidence)
    if evidence["reason"]:
        return taught
    return replace(
        taught,
        labels=labels,
        soft=trained.soft_assignments,
        embedding=trained.embedding,
        centroids=trained.centroids,
    )


def _consensus_result(consensus: Consensus, embedding: NDArray[np.float32], reason: str) -> _Result:
    agreement = cluster_agreement(consensus.partitions, consensus.labels, consensus.n_clusters)
    agreement += np.finfo(np.float32).tiny
    means = np.zeros((consensus.n_clusters, embedding.shape[1]), dtype=np.float64)
    np.add.at(means, consensus.labels, embedding)
    return _Result(
        labels=consensus.labels,
        soft=agreement / agreement.sum(axis=1, keepdims=True),
        embedding=embedding,
        history=pd.DataFrame(columns=["step", "phase", *TERMS, "total"]),
        network=None,
        centroids=(means / np.bincount(consensus.labels)[:, None]).astype(np.float32),
        evidence={"reason": reason},
    )


def _size_factors(counts: csr_matrix) -> NDArray[np.float32]:
    depths = np.maximum(np.asarray(counts.sum(axis=1), dtype=np.float64).ravel(), 1.0)
    factors: NDArray[np.float32] = (depths / depths.mean()).astype(np.float32)
    return factors


def _bad_parameter(name: str, value: object, remedy: str) -> InputError:
    return InputError.of(what=f"{name} is {quoted(value)}.", where=name, remedy=remedy)
