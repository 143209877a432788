"""SUSCC (Wang, Zhao and Zheng, Interdiscip Sci 13, 83-90, 2021), as described in its abstract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.cluster import KMeans
from sklearn.neighbors import KNeighborsClassifier

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray

CLUSTERED = 0.5
"""Share of the cells that k-means sees; the others are classified."""
NEIGHBORS = 15
DIMENSIONS = (10, 2)
"""Of the first and of the second UMAP."""


def suscc_labels(
    adata: ad.AnnData,
    *,
    n_clusters: int,
    seed: int,
    device: str,  # noqa: ARG001
) -> NDArray[np.int64]:
    """Apply UMAP twice, cluster half of the cells by k-means, classify the others by neighbors.

    The first UMAP takes the Spearman correlation of the cells' highly variable genes, the second
    the Euclidean distance in the first. The paper's numbers of dimensions and neighbors, and its
    share of cells, were not available.
    """
    from umap import UMAP

    genes = adata.var["highly_variable"].to_numpy(dtype=bool)
    neighbors = min(NEIGHBORS, adata.n_obs - 1)
    points = _ranks(adata.X[:, genes].toarray())
    for dimensions, metric in zip(DIMENSIONS, ("correlation", "euclidean"), strict=True):
        init = "spectral" if adata.n_obs > dimensions + 1 else "random"
        points = UMAP(
            neighbors, dimensions, metric=metric, init=init, random_state=seed, n_jobs=1
        ).fit_transform(points)
    order = np.random.default_rng(seed).permutation(adata.n_obs)
    half = order[: max(n_clusters, round(CLUSTERED * adata.n_obs))]
    found = KMeans(n_clusters, n_init=10, random_state=seed).fit_predict(points[half])
    vote = KNeighborsClassifier(min(NEIGHBORS, len(half))).fit(points[half], found)
    return np.asarray(vote.predict(points), dtype=np.int64)


def _ranks(x: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.stats import rankdata

    return np.asarray(rankdata(x, axis=1), dtype=np.float32)
