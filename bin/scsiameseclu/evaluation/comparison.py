"""Leiden and k-means on the standard PCA, for comparison (docs/method.md)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import scanpy as sc
from scipy.sparse import csr_matrix
from sklearn.cluster import KMeans

from ..clustering.consensus.levels import by_falling_size
from ..clustering.consensus.partitions import as_igraph, leiden
from ..compiled import keep_compiled
from ..errors import InputError, quoted
from ..files import write_table
from ..steps import Step

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_NEIGHBORS = 15
"""Neighbors of scanpy's standard graph."""
BISECTIONS = 30
"""Resolutions tried to match the number of clusters."""
RESOLUTIONS = (1e-3, 100.0)
"""Between these the matching resolution is searched."""


def compare(*, prefix: str, expression: Path, clustering: Path, seed: int = 0) -> None:
    """Cluster a group by the comparison methods; writes ``<prefix>.comparison.tsv``.

    The columns are ``barcode``, ``scsiameseclu``, ``consensus`` (not of placed cells), ``leiden``
    (resolution 1.0), ``leiden_k`` (Leiden matched to the number of clusters found) and ``kmeans``
    (with that number).

    Parameters
    ----------
    prefix
        Id of the group.
    expression
        Normalized expression of the group with its PCA (``<group>.expression.h5ad``).
    clustering
        Clusters found (``<group>.clustering.h5ad``).
    seed
        Seed of everything random.
    """
    found = ad.read_h5ad(clustering).obs
    barcodes, scores = _read_pca(expression)
    if not found.index.equals(barcodes):
        raise InputError.of(
            what=f"the cells of {quoted(clustering.name)} are not those of "
            f"{quoted(expression.name)}",
            where=clustering,
            remedy="give the clustering that was made from this expression file",
        )
    labels = comparison_labels(scores, n_clusters=found["cluster"].nunique(), random_state=seed)
    columns = {
        "barcode": barcodes,
        "scsiameseclu": found["cluster"].astype(str),
    }
    if "consensus" in found:  # placed cells have none
        columns["consensus"] = found["consensus"].astype(str)
    columns |= {method: clusters.astype(str) for method, clusters in labels.items()}
    write_table(pd.DataFrame(columns), f"{prefix}.comparison.tsv")


def _read_pca(path: Path) -> tuple[pd.Index, NDArray[np.float32]]:
    """Read only the barcodes and ``obsm['X_pca']`` of an AnnData file."""
    with h5py.File(path) as file:
        barcodes = ad.io.read_elem(file["obs"]).index
        return barcodes, np.asarray(ad.io.read_elem(file["obsm/X_pca"]), dtype=np.float32)


def comparison_labels(
    scores: NDArray[np.float32], *, n_clusters: int, random_state: int = 0
) -> dict[str, NDArray[np.int64]]:
    """Return the labels of ``leiden``, ``leiden_k`` and ``kmeans``, each by falling size.

    Parameters
    ----------
    scores
        Principal component scores of the cells, cells x components.
    n_clusters
        Number of clusters for ``leiden_k`` and ``kmeans``.
    random_state
        Seed of everything random.
    """
    graph = standard_graph(scores, random_state=random_state)
    return {
        "leiden": leiden_labels(graph, random_state=random_state),
        "leiden_k": matched_leiden_labels(graph, n_clusters=n_clusters, random_state=random_state),
        "kmeans": kmeans_labels(scores, n_clusters=n_clusters, random_state=random_state),
    }


def standard_graph(scores: NDArray[np.float32], *, random_state: int = 0) -> csr_matrix:
    """Return connectivities of ``scanpy.pp.neighbors`` (15 neighbors); none below 3 cells."""
    n = scores.shape[0]
    if n < 3:
        return csr_matrix((n, n), dtype=np.float32)
    keep_compiled()
    cells = ad.AnnData(obsm={"X_pca": scores})
    sc.pp.neighbors(
        cells, n_neighbors=min(N_NEIGHBORS, n - 1), use_rep="X_pca", random_state=random_state
    )
    return csr_matrix(cells.obsp["connectivities"])


def leiden_labels(
    graph: csr_matrix, *, resolution: float = 1.0, random_state: int = 0
) -> NDArray[np.int64]:
    """Return Leiden's partition of the graph by modularity (2 iterations, as scanpy recommends)."""
    return by_falling_size(
        leiden(as_igraph(graph), resolution=resolution, random_state=random_state)
    )


def matched_leiden_labels(
    graph: csr_matrix, *, n_clusters: int, random_state: int = 0
) -> NDArray[np.int64]:
    """Return Leiden's partition with `n_clusters`, by bisection of the log resolution.

    Where no resolution tried gives exactly as many, the partition that comes nearest; the first of
    several.
    """
    network = as_igraph(graph)
    low, high = RESOLUTIONS
    best: NDArray[np.int32] | None = None
    for _ in range(BISECTIONS):
        middle = float(np.sqrt(low * high))
        labels = leiden(network, resolution=middle, random_state=random_state)
        surplus = int(labels.max()) + 1 - n_clusters
        if best is None or abs(surplus) < abs(int(best.max()) + 1 - n_clusters):
            best = labels
        if surplus == 0:
            break
        low, high = (middle, high) if surplus < 0 else (low, middle)
    assert best is not None
    return by_falling_size(best)


def kmeans_labels(
    scores: NDArray[np.float32], *, n_clusters: int, random_state: int = 0
) -> NDArray[np.int64]:
    """Return k-means labels, best of 10 starts; fewer clusters if fewer cells are distinct."""
    distinct = len(np.unique(scores, axis=0))
    kmeans = KMeans(min(n_clusters, distinct), n_init=10, random_state=random_state)
    return by_falling_size(kmeans.fit_predict(scores))


STEP = Step(compare, isolate=True)
