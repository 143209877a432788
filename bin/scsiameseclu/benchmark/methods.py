"""The methods that are compared, each a function from expression to labels, and the ablations of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.sparse import csr_matrix

from ..clustering.comparison import kmeans_labels, leiden_labels, matched_leiden_labels, standard_graph
from ..clustering.consensus import as_igraph, by_falling_size, seeded
from ..clustering.graph import knn_indices

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray

SEURAT_NEIGHBORS = 20
"""Seurat's k.param: neighbors of a cell, itself included."""
SEURAT_PRUNE = 1 / 15
"""Seurat's prune.SNN: Jaccard indices below this are no edge."""
SEURAT_RESOLUTION = 0.8
SEURAT_STARTS = 10
"""Seurat's n.start: Louvain runs of which the one of highest modularity is taken."""

NumberOfClusters = int | Literal["auto"]


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


Function = Callable[..., Labels]


@dataclass(frozen=True)
class Method:
    """A method of the benchmark.

    Parameters
    ----------
    title
        Its name for readers.
    function
        Called with the AnnData, ``n_clusters``, ``seed`` and switches.
    modes
        ``"true"`` if it can be given the number of clusters, ``"auto"`` if it can find it.
    """

    title: str
    function: Function
    modes: tuple[str, ...]


def _scsiameseclu(adata: ad.AnnData, *, n_clusters: NumberOfClusters, seed: int, **switches: Any) -> Labels:
    from ..clustering import ScSiameseClu  # only here, so that the other methods' memory is without torch

    model = ScSiameseClu(n_clusters=n_clusters, random_state=seed, device="cpu", **switches).fit(adata)
    return Labels(model.labels_, trained=model.method_ == "scsiameseclu")


def _consensus(adata: ad.AnnData, *, n_clusters: NumberOfClusters, seed: int) -> Labels:
    return Labels(_scsiameseclu(adata, n_clusters=n_clusters, seed=seed, method="consensus").labels)


def _leiden(adata: ad.AnnData, *, n_clusters: NumberOfClusters, seed: int) -> Labels:  # noqa: ARG001
    return Labels(leiden_labels(standard_graph(adata.obsm["X_pca"], random_state=seed), random_state=seed))


def _leiden_k(adata: ad.AnnData, *, n_clusters: int, seed: int) -> Labels:
    graph = standard_graph(adata.obsm["X_pca"], random_state=seed)
    return Labels(matched_leiden_labels(graph, n_clusters=n_clusters, random_state=seed))


def _louvain(adata: ad.AnnData, *, n_clusters: NumberOfClusters, seed: int) -> Labels:  # noqa: ARG001
    return Labels(louvain_labels(seurat_graph(adata.obsm["X_pca"], random_state=seed), random_state=seed))


def _kmeans(adata: ad.AnnData, *, n_clusters: int, seed: int) -> Labels:
    return Labels(kmeans_labels(adata.obsm["X_pca"], n_clusters=n_clusters, random_state=seed))


METHODS = {
    "scsiameseclu": Method("scSiameseClu", _scsiameseclu, ("true", "auto")),
    "consensus": Method("consensus", _consensus, ("true", "auto")),
    "leiden_k": Method("Leiden, matched to k", _leiden_k, ("true",)),
    "kmeans": Method("k-means", _kmeans, ("true",)),
    "leiden": Method("Leiden, resolution 1.0", _leiden, ("auto",)),
    "louvain": Method("Louvain on SNN, resolution 0.8", _louvain, ("auto",)),
}

ABLATIONS: dict[str, dict[str, Any]] = {
    "full": {},
    "without SFM": {"sfm": False},
    "without ZINB": {"zinb": False},
    "without OTC": {"otc": False},
    "without CRR": {"crr": False},
    "without LRR": {"lrr": False},
    "without PR": {"pr": False},
    "without REC": {"rec": False},
    "without noise": {"noise": False},
    "without edge dropping": {"edge_dropping": False},
    "without diffusion": {"diffusion": False},
    "equal sizes": {"sizes": "equal"},
    "identity target": {"cell_target": "identity"},
    "consensus alone": {"method": "consensus"},
}
"""Variants of scSiameseClu and the switches of each; ``full`` is the method as it is."""


def seurat_graph(scores: NDArray[np.float32], *, random_state: int = 0) -> csr_matrix:
    """Return the shared-nearest-neighbor graph of Seurat's ``FindNeighbors``.

    The weight of any two cells is the Jaccard index of their sets of 20 neighbors (the cell itself among them); below
    1/15 there is no edge (Hao et al. 2021).

    Parameters
    ----------
    scores
        Principal components, cells x components.
    random_state
        Seed of the approximate search, used for more than 20,000 cells.
    """
    n = scores.shape[0]
    neighbors, _ = knn_indices(scores, n_neighbors=SEURAT_NEIGHBORS - 1, random_state=random_state)
    sets = np.column_stack([np.arange(n), neighbors])
    k = sets.shape[1]
    member = csr_matrix((np.ones(sets.size, dtype=np.float32), sets.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    graph = csr_matrix(member @ member.T)
    graph.data /= 2 * k - graph.data
    graph.data[graph.data < SEURAT_PRUNE] = 0
    graph.setdiag(0)
    graph.eliminate_zeros()
    graph.sort_indices()
    return graph


def louvain_labels(
    graph: csr_matrix, *, resolution: float = SEURAT_RESOLUTION, random_state: int = 0
) -> NDArray[np.int64]:
    """Return the best by modularity of 10 Louvain partitions (Blondel et al. 2008), as Seurat's ``FindClusters``."""
    network = as_igraph(graph)
    if not network.ecount():
        return np.zeros(network.vcount(), dtype=np.int64)
    with seeded(random_state):
        found = [
            network.community_multilevel(weights="weight", resolution=resolution).membership
            for _ in range(SEURAT_STARTS)
        ]
    modularities = [network.modularity(labels, weights="weight", resolution=resolution) for labels in found]
    return by_falling_size(np.asarray(found[int(np.argmax(modularities))]))
