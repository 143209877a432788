"""The methods that are compared.

Each is a small class with a name and ``fit``; a further one is a line in ``METHODS``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from .baselines import BASELINES

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

SEURAT_NEIGHBORS = 20
"""Seurat's k.param: neighbors of a cell, itself included."""
SEURAT_PRUNE = 1 / 15
"""Seurat's prune.SNN: Jaccard indices below this give no edge."""
SEURAT_RESOLUTION = 0.8
SEURAT_STARTS = 10
"""Seurat's n.start: number of Louvain runs; that of highest modularity is used."""
NETWORK = ("scsiameseclu.clustering.network",)
"""Packages that the consensus alone does not run."""

NumberOfClusters = int | Literal["auto"]
# Libraries are imported where they are used: the page is written, and memory is measured, without
# the others'.


@dataclass(frozen=True)
class Labels:
    """What a method found.

    Parameters
    ----------
    labels
        Cluster of each cell.
    trained
        Whether the network's labels were taken; None for a method without one.
    """

    labels: NDArray[np.int64]
    trained: bool | None = None


class Method(Protocol):
    """A method of the benchmark.

    ``name`` is that in the tables, ``title`` that for readers. ``modes`` has ``"true"`` if it can
    be given the number of clusters, and ``"auto"`` if it can find it.
    """

    name: str
    title: str
    modes: tuple[str, ...]

    def fit(self, adata: ad.AnnData, *, n_clusters: NumberOfClusters, seed: int) -> Labels:
        """Cluster the cells of normalized expression with its counts and principal components."""


@dataclass
class Ours(Method):
    """scSiameseClu, as it is or with some of its parameters changed.

    Parameters
    ----------
    name, title
        Name in the tables and for readers.
    switches
        Parameters of :class:`~scsiameseclu.clustering.ScSiameseClu` and their values.
    without
        Modules that it then does not run.
    """

    name: str
    title: str
    switches: dict[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    modes: tuple[str, ...] = ("true", "auto")

    def fit(self, adata: ad.AnnData, *, n_clusters: NumberOfClusters, seed: int) -> Labels:
        """Cluster on the CPU."""
        from ..clustering.estimator import ScSiameseClu

        model = ScSiameseClu(
            n_clusters=n_clusters, random_state=seed, device="cpu", **self.switches
        ).fit(adata)
        return Labels(
            model.labels_, trained=None if self.without else model.method_ == "scsiameseclu"
        )


class Leiden(Method):
    """Leiden on scanpy's standard graph, at resolution 1.0 or for the number of clusters."""

    name, title, modes = "leiden", "Leiden", ("true", "auto")

    def fit(self, adata: ad.AnnData, *, n_clusters: NumberOfClusters, seed: int) -> Labels:
        """Cluster the principal components."""
        from ..evaluation.comparison import leiden_labels, matched_leiden_labels, standard_graph

        graph = standard_graph(adata.obsm["X_pca"], random_state=seed)
        if n_clusters == "auto":
            return Labels(leiden_labels(graph, random_state=seed))
        return Labels(matched_leiden_labels(graph, n_clusters=n_clusters, random_state=seed))


class Louvain(Method):
    """Louvain as in Seurat: shared neighbors, resolution 0.8."""

    name, title, modes = "louvain", "Louvain", ("auto",)

    def fit(
        self,
        adata: ad.AnnData,
        *,
        n_clusters: NumberOfClusters,  # noqa: ARG002
        seed: int,
    ) -> Labels:
        """Cluster the principal components."""
        return Labels(louvain_labels(seurat_graph(adata.obsm["X_pca"]), random_state=seed))


class KMeans(Method):
    """k-means, the best of 10 starts."""

    name, title, modes = "kmeans", "k-means", ("true",)

    def fit(self, adata: ad.AnnData, *, n_clusters: NumberOfClusters, seed: int) -> Labels:
        """Cluster the principal components."""
        from ..evaluation.comparison import kmeans_labels

        return Labels(
            kmeans_labels(adata.obsm["X_pca"], n_clusters=int(n_clusters), random_state=seed)
        )


class ScanpyPath(Method):
    """scanpy's standard path from normalized expression on, the reference for seconds."""

    name, title, modes = "scanpy", "scanpy: PCA, neighbors, Leiden", ("auto",)

    def fit(
        self,
        adata: ad.AnnData,
        *,
        n_clusters: NumberOfClusters,  # noqa: ARG002
        seed: int,
    ) -> Labels:
        """Cluster by scanpy's own functions with their defaults."""
        import anndata
        import scanpy as sc

        cells = anndata.AnnData(adata.X, var=adata.var[["highly_variable"]])
        sc.pp.pca(cells, random_state=seed)
        sc.pp.neighbors(cells, random_state=seed)
        sc.tl.leiden(cells, flavor="igraph", n_iterations=2, random_state=seed)
        return Labels(cells.obs["leiden"].cat.codes.to_numpy(dtype=np.int64))


OURS = Ours("scsiameseclu", "scSiameseClu")
CONSENSUS = Ours("consensus", "consensus", {"method": "consensus"}, without=NETWORK)
SKETCHED = Ours("sketch", "scSiameseClu, sketch of 1,000 cells", {"max_cells": 1000})
LEIDEN, SCANPY = Leiden(), ScanpyPath()
COMPARED: tuple[Method, ...] = (OURS, CONSENSUS, LEIDEN, Louvain(), KMeans())
"""Methods whose labels are compared, ours first."""
SWITCHES: dict[str, dict[str, Any]] = {
    "without SFM": {"sfm": False},
    "without CRR": {"crr": False},
    "without LRR": {"lrr": False},
    "without PR": {"pr": False},
    "without REC": {"rec": False},
    "without ZINB": {"zinb": False},
    "without OTC": {"otc": False},
    "without noise": {"noise": False},
    "without edge dropping": {"edge_dropping": False},
    "without diffusion": {"diffusion": False},
    "equal sizes": {"sizes": "equal"},
    "identity target": {"cell_target": "identity"},
}
ABLATIONS: tuple[Method, ...] = tuple(
    Ours(title, title, switches) for title, switches in SWITCHES.items()
)
"""scSiameseClu without each of its parts."""
METHODS: dict[str, Method] = {
    method.name: method for method in (*COMPARED, SCANPY, SKETCHED, *ABLATIONS, *BASELINES)
}


def seurat_graph(scores: NDArray[np.float32]) -> csr_matrix:
    """Return the shared-nearest-neighbor graph of Seurat's ``FindNeighbors``.

    The weight of any two cells is the Jaccard index of their sets of 20 neighbors (the cell itself
    among them); below 1/15 there is no edge (Hao et al. 2021).

    Parameters
    ----------
    scores
        Principal components, cells x components.
    """
    from scipy.sparse import csr_matrix

    from ..clustering.consensus.neighbors import knn_indices

    n = scores.shape[0]
    neighbors, _ = knn_indices(scores, n_neighbors=SEURAT_NEIGHBORS - 1)
    sets = np.column_stack([np.arange(n), neighbors])
    k = sets.shape[1]
    member = csr_matrix(
        (np.ones(sets.size, dtype=np.float32), sets.ravel(), np.arange(0, n * k + 1, k)),
        shape=(n, n),
    )
    graph = csr_matrix(member @ member.T)
    graph.data /= 2 * k - graph.data
    graph.data[graph.data < SEURAT_PRUNE] = 0
    graph.setdiag(0)
    graph.eliminate_zeros()
    graph.sort_indices()
    return graph


def louvain_labels(graph: csr_matrix, *, random_state: int = 0) -> NDArray[np.int64]:
    """Return the best by modularity of 10 Louvain partitions, as Seurat's ``FindClusters``.

    Source: Blondel et al. 2008.
    """
    from ..clustering.consensus.levels import by_falling_size
    from ..clustering.consensus.partitions import as_igraph, seeded

    network = as_igraph(graph)
    if not network.ecount():
        return np.zeros(network.vcount(), dtype=np.int64)
    options = {"weights": "weight", "resolution": SEURAT_RESOLUTION}
    with seeded(random_state):
        found = [network.community_multilevel(**options).membership for _ in range(SEURAT_STARTS)]
    best = max(found, key=lambda labels: network.modularity(labels, **options))
    return by_falling_size(np.asarray(best))
