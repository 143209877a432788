"""pcaReduce (Zurauskiene and Yau, BMC Bioinformatics 17, 140, 2016)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.cluster import KMeans

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray

COMPONENTS = 30
"""Components of the first clustering, which has one cluster more (q)."""
RIDGE = 0.05
"""Added to the variances of a pair."""

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


class _Cluster(NamedTuple):
    """Number of cells, mean and covariance (maximum likelihood) of a cluster."""

    n: int
    mean: Array
    covariance: Array


def pcareduce_labels(
    adata: ad.AnnData,
    *,
    n_clusters: int,
    seed: int,
    device: str,  # noqa: ARG001
) -> NDArray[np.int64]:
    """Merge the clusters of k-means one by one, down to the number wanted.

    Each step uses one component less.

    The pair that is merged is the one whose cells are most probable in one normal distribution (eq.
    3, method "M").
    """
    scores = np.asarray(adata.obsm["X_pca"], dtype=np.float64)
    q = min(max(COMPONENTS, n_clusters - 1), scores.shape[1], len(scores) - 1)
    labels = KMeans(
        min(q + 1, len(np.unique(scores, axis=0))), n_init=10, random_state=seed
    ).fit_predict(scores[:, :q])
    clusters = {int(name): _cluster(scores[labels == name, :q]) for name in np.unique(labels)}
    while len(clusters) > n_clusters:
        d = min(q, len(clusters) - 1)
        pairs = list(itertools.combinations(clusters, 2))
        kept, gone = max(
            pairs, key=lambda pair: _log_density(clusters[pair[0]], clusters[pair[1]], d)
        )
        labels[labels == gone] = kept
        del clusters[gone]
        clusters[kept] = _cluster(scores[labels == kept, :q])
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _cluster(points: Array) -> _Cluster:
    centered = points - points.mean(axis=0)
    return _Cluster(len(points), points.mean(axis=0), centered.T @ centered / len(points))


def _log_density(a: _Cluster, b: _Cluster, d: int) -> float:
    """Return the log-density of the cells of both under one normal with their pooled moments.

    Its mean is theirs and its covariance the mean of the two, weighted by their cells, as
    published; of a cluster of one cell it is the identity.
    """
    n = a.n + b.n
    mean = (a.n * a.mean[:d] + b.n * b.mean[:d]) / n
    pooled = sum(
        c.n / n * (c.covariance[:d, :d] * c.n / (c.n - 1) if c.n > 1 else np.eye(d)) for c in (a, b)
    )
    covariance = pooled + RIDGE * np.eye(d)
    scatter = sum(
        c.n * (c.covariance[:d, :d] + np.outer(c.mean[:d] - mean, c.mean[:d] - mean))
        for c in (a, b)
    )
    _, log_determinant = np.linalg.slogdet(2 * np.pi * covariance)
    return float(-0.5 * (n * log_determinant + np.trace(np.linalg.solve(covariance, scatter))))
