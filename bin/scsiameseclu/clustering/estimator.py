"""scSiameseClu as a scikit-learn estimator over AnnData."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import anndata as ad
import numpy as np
import pandas as pd
import torch
from pandas.api.types import infer_dtype
from scipy.sparse import csr_matrix, issparse
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.preprocessing import normalize as unit_rows
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .._version import __version__
from ..errors import InputError, quoted
from . import storage
from .consensus.batches import corrected, without_batches
from .consensus.guard import agreement
from .consensus.levels import DETAIL, Consensus, by_falling_size, levels
from .consensus.normalizations import normalizations
from .consensus.partitions import cell_co_association
from .consensus.sketch import MAX_CELLS, sketch
from .correction import BatchCorrection, Clustered, cluster_batches
from .extension import Assigned, Sketched, extended
from .network.augment import GraphViews, graph_views
from .network.train import TERMS, Assignment, Components, Trained, Training, TrainingData, train
from .progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from .network.model import SiameseNetwork

Counts: TypeAlias = np.ndarray[Any, Any] | csr_matrix | pd.DataFrame
"""A count matrix, cells x genes."""
NUMBERS = "biuf"
"""numpy's kinds of real numbers."""
MIN_CELLS = 50
"""Cells below which the network is not trained."""
LARGEST_SEED = 2**31 - 1
"""As of ``--seed``."""
PER_CELL = (
    "labels_",
    "coarse_labels_",
    "fine_labels_",
    "consensus_labels_",
    "uncorrected_labels_",
    "soft_assignments_",
    "confidence_",
    "embedding_",
    "corrected_components_",
    "sketch_",
)
"""Attributes of a fitted model with one row a cell, or None."""
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

    def of(self, cells: NDArray[np.int64]) -> Expression:
        """Return that of some cells, in their order."""
        if len(cells) == len(self.scores):
            return self
        return Expression(csr_matrix(self.counts[cells]), self.highly_variable, self.scores[cells])

    def scale(self) -> float:
        """Return the mean standard deviation of the components."""
        return max(float(self.scores.std(axis=0).mean()), 1e-6)


@dataclass(frozen=True)
class _Result:
    labels: NDArray[np.int64]
    soft: NDArray[np.float32]
    embedding: NDArray[np.float32]
    views: GraphViews
    history: pd.DataFrame
    network: SiameseNetwork | None
    assignment: Assignment | None
    centroids: NDArray[np.float32]
    reason: str


class ScSiameseClu(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Deep clustering of single cells.

    A training-free consensus, refined by a siamese network and optimal transport.

    Follows Xu et al., scSiameseClu (IJCAI 2025, arXiv 2505.12626), without any access to labels and
    without n x n matrices. The same seed gives the same bytes on the CPU.

    Parameters
    ----------
    n_clusters
        Number of clusters, or ``"auto"``.
    detail
        Where ``"auto"`` cuts the dendrogram, from 0 (coarse) to 1 (fine).
    method
        ``"scsiameseclu"``, or ``"consensus"`` for its training-free start alone.
    max_cells
        Of more cells than this a sketch of as many is clustered
        (:func:`~scsiameseclu.clustering.consensus.sketch.sketch`), and the others are placed by
        their nearest sketch cells and the network.
    random_state
        Seed.
    batch_key
        Column of ``obs`` with the batches; they are put in order by name, so that the order in
        which they were joined is of no matter. Default: none.
    batch_correction
        ``"auto"``: batches are corrected if that is needed and does not join different types
        (:mod:`~scsiameseclu.clustering.consensus.guard`); ``"always"``; or ``"none"``.
    condition_key
        Column of ``obs`` with the conditions: ``"auto"`` corrects no batches that are the
        conditions. Default: none.
    device
        ``"auto"`` (a GPU if there is one), ``"cpu"`` or ``"cuda"``, for the network.
    sfm, crr, lrr, pr, rec, zinb, otc, noise, edge_dropping, diffusion, cell_target, sizes
        Switches of the method's components, see :class:`~scsiameseclu.clustering.train.Components`.
    training
        Numbers of the training, see :class:`~scsiameseclu.clustering.train.Training`. Default: one
        set for all data.
    verbose
        Report the progress on stderr.

    Attributes
    ----------
    labels_ : int64 array of shape (n,)
        Clusters, 0 .. n_clusters_ - 1 by falling size.
    embedding_ : float32 array of shape (n, d)
        The network's embedding z (rows of length 1); the diffused principal components if the
        method is the consensus.
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
    coarse_labels_, fine_labels_ : int64 array of shape (n,)
        The clusters at detail 0 and 1, as far as they nest with `labels_`.
    dendrogram_ : Dendrogram
        Nested clusters, of which `labels_` and every :meth:`cut` are cuts.
    stability_ : float64 array of shape (2 n_leaves - 1,)
        For each node of the dendrogram the mean, over the consensus's partitions, of its best
        Jaccard index with one of their clusters.
    consensus_labels_ : int64 array of shape (n,)
        The training-free start.
    batch_judgement_ : Judgement or None
        Whether batches were corrected, and why; None without at least two batches.
    uncorrected_labels_ : int64 array of shape (n,) or None
        Clusters of the consensus without the correction, where batches were corrected.
    corrected_components_ : float32 array or None
        Corrected principal components, from which the network learned.
    batch_agreement_ : dict of int to float
        For each cluster that can be compared, its agreement between batches (1 is best), where
        batches were corrected.
    sketch_ : bool array of shape (n,) or None
        Which cells were clustered, the others having been placed; None if all were.
    cluster_stability_ : dict of int to float
        `stability_` of each cluster.
    device_ : str
        Where the network ran.
    n_features_in_ : int
        Genes of the AnnData.
    cells_digest_ : str or None
        Digest of the cells' names in their order; None if a matrix without names was fitted.
    network_ : SiameseNetwork or None
        The trained network.
    centroids_ : float32 array of shape (n_clusters_, d)
        Cluster centres in `embedding_`.
    """

    def __init__(
        self,
        *,
        n_clusters: int | Literal["auto"] = "auto",
        detail: float = DETAIL,
        method: Literal["scsiameseclu", "consensus"] = "scsiameseclu",
        max_cells: int = MAX_CELLS,
        random_state: int = 0,
        batch_key: str | None = None,
        batch_correction: BatchCorrection = "auto",
        condition_key: str | None = None,
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
        self.detail = detail
        self.method = method
        self.max_cells = max_cells
        self.random_state = random_state
        self.batch_key = batch_key
        self.batch_correction = batch_correction
        self.condition_key = condition_key
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

    def fit(self, adata: ad.AnnData | Counts, y: object = None) -> ScSiameseClu:  # noqa: ARG002
        """Cluster the cells; `adata` is unchanged; of ``obs`` only batch and condition are read.

        Parameters
        ----------
        adata
            AnnData with raw counts in ``layers['counts']`` or ``X``, in memory or backed; or the
            count matrix itself, cells x genes: array, sparse matrix or DataFrame.
            ``obsm['X_pca']`` and ``var['highly_variable']`` are used where both are there, else
            computed as by the pipeline.
        y
            Ignored.

        Raises
        ------
        InputError
            The counts are not raw counts, the parameters do not fit, or ``device="cuda"`` and there
            is no GPU.
        """
        digest = _cells_digest(adata) if isinstance(adata, ad.AnnData) else None
        adata = as_anndata(adata)
        batches = column_codes(adata, self.batch_key)
        conditions = column_codes(adata, self.condition_key)
        counts = raw_counts(adata)
        self._check(counts.shape[0])
        device = resolve_device(self.device)
        order = np.argsort(batches, kind="stable")
        if (order[:-1] > order[1:]).any():
            adata, counts = _without_counts(adata, order), counts[order]
            batches, conditions = batches[order], conditions[order]
        seed = int(self.random_state)
        progress = Progress(enabled=self.verbose)
        # Sums that threads share are rounded by their number: one thread gives the same bytes
        # everywhere.
        with threadpool_limits(1):
            expression = prepare_expression(adata, counts, random_state=seed)
            cells = sketch(batches, self.max_cells, random_state=seed)
            progress.stage(f"Consensus of partitions of {len(cells)} cells")
            clustered = cluster_batches(
                expression.of(cells),
                batches[cells],
                conditions[cells],
                correction=self.batch_correction,
                n_clusters=self.n_clusters,
                detail=self.detail,
                random_state=seed,
            )
            if clustered.corrected:
                expression = replace(
                    expression, scores=corrected(expression.scores, batches, random_state=seed)
                )
            result = self._refine(expression.of(cells), clustered.consensus, device, progress)
            self._keep(expression, cells, batches, clustered, result, progress)
            self._keep_batches(clustered, expression, cells, batches)
        self._reorder(np.argsort(order))
        self.device_, self.n_features_in_, self.cells_digest_ = device, adata.n_vars, digest
        return self

    def fit_predict(
        self,
        adata: ad.AnnData | Counts,
        y: object = None,  # noqa: ARG002
        **kwargs: object,  # noqa: ARG002
    ) -> NDArray[np.int64]:
        """Cluster the cells and return `labels_`."""
        labels: NDArray[np.int64] = self.fit(adata).labels_
        return labels

    def cut(
        self, *, n_clusters: int | None = None, detail: float | None = None
    ) -> NDArray[np.int64]:
        """Return another cut of the fitted model's dendrogram, labels by falling size.

        Parameters
        ----------
        n_clusters
            Number of clusters.
        detail
            Or how fine the cut is, from 0 (coarse) to 1 (fine).

        Raises
        ------
        InputError
            Not exactly one of the two is given, the number exceeds the dendrogram's leaves, or the
            detail its range.
        """
        check_is_fitted(self)
        if (n_clusters is None) == (detail is None):
            raise InputError.of(
                what="A cut needs either a number of clusters or a detail.",
                where="ScSiameseClu.cut",
                remedy="Give one of n_clusters and detail.",
            )
        if detail is not None:
            _check_detail(detail)
            return by_falling_size(levels(self.dendrogram_, detail=detail)[1])
        assert n_clusters is not None
        _check_n_clusters(n_clusters)
        if n_clusters > self.dendrogram_.n_leaves:
            raise InputError.of(
                what=f"{n_clusters} clusters were asked for, and the dendrogram has "
                f"{self.dendrogram_.n_leaves}.",
                where="ScSiameseClu.cut",
                remedy=f"Ask for at most {self.dendrogram_.n_leaves}, or fit with "
                f"n_clusters={n_clusters}.",
            )
        return by_falling_size(self.dendrogram_.into(n_clusters))

    def annotate(self, adata: ad.AnnData) -> None:
        """Write the result into the AnnData that was clustered.

        Sets ``obs['cluster']``, ``obs['cluster_coarse']`` and ``obs['cluster_fine']`` (categories
        ``'0'``, ``'1'`` ... by falling size), ``obs['cluster_confidence']``,
        ``obsm['X_scsiameseclu']`` and ``uns['scsiameseclu']`` (JSON text: parameters, versions,
        seed, method). Where batches were corrected also ``obs['cluster_uncorrected']`` and
        ``obsm['X_pca_corrected']``; else these are deleted, as they would be of another fit.

        Raises
        ------
        InputError
            These are not the cells of the fit, or they are in another order.
        """
        check_is_fitted(self)
        self._check_cells(adata)
        for name, labels in self.levels().items():
            adata.obs[name] = categorical(labels)
        if self.uncorrected_labels_ is not None:
            adata.obs["cluster_uncorrected"] = categorical(self.uncorrected_labels_)
            adata.obsm["X_pca_corrected"] = self.corrected_components_
        else:
            for table, name in (
                (adata.obs, "cluster_uncorrected"),
                (adata.obsm, "X_pca_corrected"),
            ):
                if name in table:
                    del table[name]
        adata.obs["cluster_confidence"] = self.confidence_
        adata.obsm["X_scsiameseclu"] = self.embedding_
        adata.uns["scsiameseclu"] = json.dumps(
            self.description(), sort_keys=True, default=storage.plain_number
        )

    def levels(self) -> dict[str, NDArray[np.int64]]:
        """Return the labels of each level by the name of its column in ``obs``."""
        check_is_fitted(self)
        return {
            "cluster": self.labels_,
            "cluster_coarse": self.coarse_labels_,
            "cluster_fine": self.fine_labels_,
        }

    def description(self) -> dict[str, Any]:
        """Return parameters, seed, versions and the method behind the labels, ready for JSON."""
        check_is_fitted(self)
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
        """Save the fitted model as safetensors with JSON metadata; same model, same bytes."""
        check_is_fitted(self)
        storage.save(self, path)

    @classmethod
    def load(cls, path: Path | str) -> ScSiameseClu:
        """Return a model saved by :meth:`save`."""
        return storage.load(path, kind=cls)

    def components(self) -> Components:
        """Return the switches."""
        return Components(**{field.name: getattr(self, field.name) for field in fields(Components)})

    def _check(self, n_cells: int) -> None:
        if self.n_clusters != "auto":
            _check_n_clusters(self.n_clusters)
            if self.n_clusters > n_cells:
                raise InputError.of(
                    what=f"{self.n_clusters} clusters cannot be made of {n_cells} cells.",
                    where="n_clusters",
                    remedy=f"Ask for at most {n_cells} clusters, or for 'auto'; "
                    "or filter fewer cells.",
                )
        _check_detail(self.detail)
        seed = self.random_state
        integer = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
        if not integer or not 0 <= seed <= LARGEST_SEED:
            raise _bad_parameter("random_state", seed, f"Give an integer, 0 to {LARGEST_SEED}.")
        size = self.max_cells
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < MIN_CELLS:
            raise _bad_parameter("max_cells", size, f"Give an integer of at least {MIN_CELLS}.")
        choices = {
            "method": ("scsiameseclu", "consensus"),
            "cell_target": ("co-association", "identity"),
            "sizes": ("estimated", "equal"),
            "batch_correction": ("auto", "none", "always"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise _bad_parameter(
                    name, getattr(self, name), f"Choose one of {', '.join(allowed)}."
                )

    def _check_cells(self, adata: ad.AnnData) -> None:
        """Check that cells are those of the fit; by their number alone if these had no names."""
        if adata.n_obs != len(self.labels_):
            raise InputError.of(
                what=f"The model was fitted on {len(self.labels_)} cells and cannot "
                f"annotate {adata.n_obs}.",
                where="ScSiameseClu.annotate",
                remedy="Pass the AnnData that was fitted, or fit the model on this one.",
            )
        if self.cells_digest_ not in (None, _cells_digest(adata)):
            raise InputError.of(
                what="The names of the cells, or their order, are not those of the fit.",
                where="obs_names",
                remedy="Put the cells in the order of the fit, under the names that they had.",
            )

    def _refine(
        self, expression: Expression, consensus: Consensus, device: str, progress: Progress
    ) -> _Result:
        scores = expression.scores / expression.scale()
        reason = self._no_training(consensus)
        graph = consensus.partitions.graph
        views = graph_views(
            graph,
            scores,
            edge_dropping=self.edge_dropping,
            diffusion=self.diffusion or bool(reason),
        )
        start = _consensus_result(consensus, views, reason)
        if reason:
            return start
        progress.stage(f"Training on {device}")
        trained = train(
            TrainingData(
                scores=scores,
                graph_views=views,
                graph=graph,
                counts=csr_matrix(expression.counts[:, np.flatnonzero(expression.highly_variable)]),
                size_factors=_size_factors(expression.counts),
                labels=consensus.labels,
                partitions=consensus.partitions.labels,
            ),
            components=self.components(),
            training=self.training or Training(),
            random_state=int(self.random_state),
            device=device,
            progress=progress.step,
        )
        return _chosen(trained, start)

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
            return (
                f"{consensus.n_clusters} clusters of {n} cells leave fewer than two "
                "cells each to learn from"
            )
        return ""

    def _keep(
        self,
        expression: Expression,
        cells: NDArray[np.int64],
        batches: NDArray[np.int64],
        clustered: Clustered,
        result: _Result,
        progress: Progress,
    ) -> None:
        consensus = clustered.consensus
        tree = consensus.moved(result.labels)
        self.stability_ = tree.stability(consensus.partitions.labels)
        assigned = Assigned(
            result.labels,
            result.soft,
            result.embedding,
            tree.leaves,
            consensus.labels,
            clustered.uncorrected,
        )
        self.sketch_ = None
        if len(cells) < len(expression.scores):
            components = self._components(expression, batches, corrected=clustered.corrected)
            assigned = self._extended(
                assigned, expression, cells, components, consensus, result, progress
            )
            self.sketch_ = np.isin(np.arange(len(expression.scores)), cells)
        self.dendrogram_ = tree.with_leaves(assigned.leaves)
        nodes = levels(self.dendrogram_, n_clusters=self.n_clusters, detail=self.detail)
        self.coarse_labels_, self.labels_, self.fine_labels_ = map(by_falling_size, nodes)
        first = np.unique(self.labels_, return_index=True)[1]
        order = assigned.labels[first]
        self.n_clusters_ = len(order)
        self.soft_assignments_ = np.ascontiguousarray(assigned.soft[:, order])
        self.centroids_ = np.ascontiguousarray(result.centroids[order])
        self.confidence_ = self.soft_assignments_[np.arange(len(self.labels_)), self.labels_]
        self.embedding_ = assigned.embedding
        self.consensus_labels_ = assigned.consensus
        self.uncorrected_labels_ = assigned.uncorrected
        self.history_, self.network_, self.reason_ = result.history, result.network, result.reason
        self.method_ = "consensus" if self.reason_ else "scsiameseclu"
        self.cluster_stability_ = dict(enumerate(self.stability_[nodes[1][first]].tolist()))

    def _components(
        self, expression: Expression, batches: NDArray[np.int64], *, corrected: bool
    ) -> list[NDArray[np.float32]]:
        """Return all cells' components in each normalization, corrected where the sketch's are."""
        seed = int(self.random_state)
        found = normalizations(
            expression.counts, highly_variable=expression.highly_variable, random_state=seed
        )
        if corrected:
            found = without_batches(found, batches, random_state=seed)
        return [each.components for each in found]

    def _extended(
        self,
        assigned: Assigned,
        expression: Expression,
        cells: NDArray[np.int64],
        components: list[NDArray[np.float32]],
        consensus: Consensus,
        result: _Result,
        progress: Progress,
    ) -> Assigned:
        progress.stage(f"Placing {len(expression.scores) - len(cells)} cells")
        scores = expression.scores / expression.of(cells).scale()
        sketched = Sketched(
            assigned=assigned,
            views=result.views,
            met=cell_co_association(consensus.labels, consensus.partitions.labels),
            assignment=result.assignment,
            training=self.training or Training(),
        )
        return extended(sketched, cells, scores, components, progress.step)

    def _keep_batches(
        self,
        clustered: Clustered,
        expression: Expression,
        cells: NDArray[np.int64],
        batches: NDArray[np.int64],
    ) -> None:
        self.batch_judgement_ = clustered.judgement
        self.corrected_components_ = expression.scores if clustered.corrected else None
        self.batch_agreement_ = (
            agreement(expression.of(cells).counts, self.labels_[cells], batches[cells]).clusters
            if clustered.corrected
            else {}
        )

    def _reorder(self, cells: NDArray[np.int64]) -> None:
        self.dendrogram_ = replace(self.dendrogram_, leaves=self.dendrogram_.leaves[cells])
        for name in PER_CELL:
            values = getattr(self, name)
            setattr(self, name, None if values is None else values[cells])


def as_anndata(counts: ad.AnnData | Counts) -> ad.AnnData:
    """Return an AnnData whose counts can be read: a backed ``X`` is loaded, a matrix becomes ``X``.

    Raises
    ------
    InputError
        It is neither an AnnData nor a matrix.
    """
    if isinstance(counts, ad.AnnData):
        return counts.to_memory() if counts.isbacked and "counts" not in counts.layers else counts
    matrix = _matrix(counts)
    if matrix.ndim != 2:
        raise InputError.of(
            what=f"Counts are a {type(counts).__name__}, not a matrix.",
            where="ScSiameseClu.fit",
            remedy="Give an AnnData, or raw counts as an array, sparse matrix or "
            "DataFrame of cells x genes.",
        )
    return ad.AnnData(csr_matrix(matrix) if issparse(matrix) else matrix)


def _matrix(counts: Counts) -> np.ndarray[Any, Any] | csr_matrix:
    if issparse(counts):
        return counts
    if isinstance(counts, pd.DataFrame) and all(kind.kind in NUMBERS for kind in counts.dtypes):
        return counts.to_numpy(dtype=np.float64, na_value=np.nan)
    try:
        return np.asarray(counts)
    except ValueError:  # rows of different lengths
        return np.empty(0)


def column_codes(adata: ad.AnnData, column: str | None) -> NDArray[np.int64]:
    """Return the values of a column of ``obs`` as codes 0, 1, ... by name; all 0 without it.

    Raises
    ------
    InputError
        There is no such column, or values are missing in it.
    """
    if column is None:
        return np.zeros(adata.n_obs, dtype=np.int64)
    if column not in adata.obs:
        raise InputError.of(
            what=f"There is no column {quoted(column)}.",
            where="obs",
            remedy="Name one of its columns, or none.",
        )
    values = adata.obs[column]
    if values.isna().any():
        raise InputError.of(
            what=f"{int(values.isna().sum())} cells have no value in {quoted(column)}.",
            where=f"obs[{column!r}]",
            remedy="Give every cell a value, or leave these cells out.",
        )
    return np.asarray(np.unique(values.astype(str), return_inverse=True)[1], dtype=np.int64)


def raw_counts(adata: ad.AnnData) -> csr_matrix:
    """Return the raw counts of ``layers['counts']`` or else ``X``, checked, as float32 CSR.

    Raises
    ------
    InputError
        There are none, or they are not numbers, not finite, negative or fractional.
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
    if matrix.dtype.kind not in NUMBERS:
        raise InputError.of(
            what=f"The counts are not numbers, but of the type {matrix.dtype}.",
            where=where,
            remedy="Put raw counts, non-negative integers, into layers['counts'] or X.",
        )
    counts = checked(adata)
    counts.data = counts.data.astype(np.float32, copy=False)  # the indices are not copied
    return counts


def _without_counts(adata: ad.AnnData, order: NDArray[np.int64]) -> ad.AnnData:
    """Return the cells in another order, with what :func:`prepare_expression` reads of them."""
    scores = {key: adata.obsm[key] for key in ("X_pca",) if key in adata.obsm}
    return ad.AnnData(obs=adata.obs[[]], var=adata.var, obsm=scores)[order].copy()


def prepare_expression(
    adata: ad.AnnData, counts: csr_matrix, *, random_state: int = 0
) -> Expression:
    """Return counts, variable genes and components: those of `adata`, else computed ones.

    Nothing of ``obs`` is passed on to the functions that compute them.
    """
    if "X_pca" not in adata.obsm or "highly_variable" not in adata.var:
        from ..expression.normalize import normalize

        bare = ad.AnnData(
            X=counts,
            obs=pd.DataFrame(index=adata.obs_names),
            var=pd.DataFrame(index=adata.var_names),
        )
        try:
            adata = normalize(bare, random_state=random_state)
        except InputError as error:  # its remedies are the pipeline's options
            raise InputError.of(
                what=error.problems[0].what,
                where="ScSiameseClu.fit",
                remedy="Give more cells or genes.",
            ) from error
        counts = csr_matrix(adata.layers["counts"]).astype(np.float32, copy=False)
    return Expression(counts, _variable_genes(adata), _scores(adata))


def _variable_genes(adata: ad.AnnData) -> NDArray[np.bool_]:
    values = adata.var["highly_variable"]
    if infer_dtype(values, skipna=False) != "boolean" or values.isna().any() or not values.any():
        raise InputError.of(
            what="Variable genes are not marked by True and False, or none is marked.",
            where="var['highly_variable']",
            remedy="Delete var['highly_variable'] to have them found and the principal "
            "components computed.",
        )
    return np.asarray(values, dtype=bool)


def _scores(adata: ad.AnnData) -> NDArray[np.float32]:
    given = adata.obsm["X_pca"]
    values = np.empty(0) if issparse(given) else np.asarray(given)
    if values.ndim != 2 or 0 in values.shape or values.dtype.kind not in NUMBERS:
        what = "The principal components are not a dense matrix of cells x components."
    else:
        scores = values.astype(np.float32, copy=False)
        if np.isfinite(scores).all():
            return scores
        what = "The principal components hold missing or infinite values."
    remedy = "Delete obsm['X_pca'] to have them computed, or compute them as finite numbers."
    raise InputError.of(what=what, where="obsm['X_pca']", remedy=remedy)


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
            remedy="Use device 'auto' or 'cpu'; or install a torch with CUDA and check that "
            "nvidia-smi lists a GPU.",
        )
    return "cuda"


def categorical(labels: NDArray[np.int64]) -> pd.Categorical:
    """Return labels 0 .. k - 1 as categories ``'0'``, ``'1'`` ... in numerical order."""
    return pd.Categorical.from_codes(
        labels.tolist(), categories=pd.Index([str(c) for c in range(int(labels.max()) + 1)])
    )


def _chosen(trained: Trained, start: _Result) -> _Result:
    """Return the trained clusters, or the consensus's where training lost one of them."""
    labels = trained.soft_assignments.argmax(axis=1).astype(np.int64)
    taught = replace(start, history=trained.history, network=trained.assignment.network)
    if lost := len(np.unique(start.labels)) - len(np.unique(labels)):
        return replace(taught, reason=f"training lost {lost} of the clusters")
    return replace(
        taught,
        labels=labels,
        soft=trained.soft_assignments,
        embedding=trained.embedding,
        assignment=trained.assignment,
        centroids=trained.assignment.centroids,
    )


def _consensus_result(consensus: Consensus, views: GraphViews, reason: str) -> _Result:
    embedding = unit_rows(views.diffused)
    met = (
        cell_co_association(consensus.labels, consensus.partitions.labels)
        + np.finfo(np.float32).tiny
    )
    means = np.zeros((consensus.n_clusters, embedding.shape[1]), dtype=np.float64)
    np.add.at(means, consensus.labels, embedding)
    return _Result(
        labels=consensus.labels,
        soft=met / met.sum(axis=1, keepdims=True),
        embedding=embedding,
        views=views,
        history=pd.DataFrame(columns=["step", "phase", *TERMS, "total"]),
        network=None,
        assignment=None,
        centroids=(means / np.bincount(consensus.labels)[:, None]).astype(np.float32),
        reason=reason,
    )


def _check_n_clusters(k: object) -> None:
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise _bad_parameter("n_clusters", k, "Give an integer of at least 1, or 'auto'.")


def _check_detail(detail: object) -> None:
    if (
        isinstance(detail, bool)
        or not isinstance(detail, int | float | np.number)
        or not 0 <= detail <= 1
    ):
        raise _bad_parameter("detail", detail, "Give a number from 0 (coarse) to 1 (fine).")


def _cells_digest(adata: ad.AnnData) -> str:
    return hashlib.sha256("\0".join(adata.obs_names.astype(str)).encode()).hexdigest()


def _size_factors(counts: csr_matrix) -> NDArray[np.float32]:
    depths = np.maximum(np.asarray(counts.sum(axis=1), dtype=np.float64).ravel(), 1.0)
    factors: NDArray[np.float32] = (depths / depths.mean()).astype(np.float32)
    return factors


def _bad_parameter(name: str, value: object, remedy: str) -> InputError:
    return InputError.of(what=f"{name} is {quoted(value)}.", where=name, remedy=remedy)
