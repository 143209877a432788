"""Consensus k-means as in SC3 (Kiselev et al., Nat Methods 14, 483-486, 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.linalg import eigh
from scipy.spatial.distance import cdist, squareform
from scipy.stats import rankdata
from sklearn.cluster import KMeans
from sklearn.svm import SVC

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray

MOST_CELLS = 1500
"""Cells that are clustered; the others are classified by a support vector machine (5,000 there)."""
SHARES = (0.04, 0.07)
"""Of the cells: the numbers of eigenvectors are in this range."""
MOST_NUMBERS = 15
GENES = (0.06, 0.94)
"""Genes detected in a smaller or larger share of cells are left out."""


def sc3_labels(
    adata: ad.AnnData,
    *,
    n_clusters: int,
    seed: int,
    device: str,  # noqa: ARG001
) -> NDArray[np.int64]:
    """Cluster by k-means in spectral embeddings of three distances; cut their consensus tree."""
    rng = np.random.default_rng(seed)
    genes = adata.var["highly_variable"].to_numpy(dtype=bool)
    logs = adata.X[:, genes].toarray().astype(np.float32)
    detected = (logs > 0).mean(axis=0)
    kept = (detected >= GENES[0]) & (detected <= GENES[1])
    x = logs[:, kept] if kept.any() else logs
    chosen = np.sort(rng.permutation(len(x))[:MOST_CELLS])
    found = _consensus(x[chosen], n_clusters, rng)
    if len(chosen) == len(x):
        return found
    labels = np.empty(len(x), dtype=np.int64)
    labels[chosen] = found
    others = np.setdiff1d(np.arange(len(x)), chosen)
    single = len(np.unique(found)) == 1
    labels[others] = (
        found[0] if single else SVC(kernel="linear").fit(x[chosen], found).predict(x[others])
    )
    return labels


def _consensus(
    x: NDArray[np.float32], n_clusters: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the complete-linkage cut of the share of k-means partitions that part two cells."""
    n = len(x)
    low, high = (max(1, round(share * n)) for share in SHARES)
    numbers = np.unique(np.linspace(low, high, min(MOST_NUMBERS, high - low + 1)).astype(int))
    together, partitions = np.zeros((n, n), dtype=np.float32), 0
    for distances in _distances(x):
        for vectors in _embeddings(distances, int(numbers[-1])):
            for d in numbers:
                seed = int(rng.integers(2**31))
                labels = KMeans(min(n_clusters, n), n_init=1, random_state=seed).fit_predict(
                    vectors[:, :d]
                )
                together += labels[:, None] == labels
                partitions += 1
    apart = cdist(together / partitions, together / partitions)
    tree = linkage(squareform(apart, checks=False), method="complete")
    return np.asarray(fcluster(tree, n_clusters, criterion="maxclust"), dtype=np.int64) - 1


def _distances(x: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    """Return the Euclidean, Pearson and Spearman distances of the cells."""
    return [
        cdist(x, x),
        np.nan_to_num(cdist(x, x, "correlation")),
        np.nan_to_num(1 - np.corrcoef(rankdata(x, axis=1))),
    ]


def _embeddings(distances: NDArray[np.float64], d: int) -> list[NDArray[np.float64]]:
    """Return the first d principal components of the distances and Laplacian eigenvectors."""
    n = len(distances)
    centered = (distances - distances.mean(axis=0)) / np.where(
        distances.std(axis=0) > 0, distances.std(axis=0), 1
    )
    values, vectors = eigh(centered @ centered.T, subset_by_index=[n - d, n - 1])
    affinity = np.exp(-distances / max(distances.max(), 1e-12))
    scale = 1 / np.sqrt(affinity.sum(axis=1))
    laplacian = np.eye(n) - scale[:, None] * affinity * scale
    components = vectors[:, ::-1] * np.sqrt(np.maximum(values[::-1], 0))
    return [components, eigh(laplacian, subset_by_index=[0, d - 1])[1]]
