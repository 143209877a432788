"""Simulated counts with planted types, for the tests of the clustering."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

SIZES = (80, 50, 30)


def simulated(*, sizes: tuple[int, ...] = SIZES, n_genes: int = 120, seed: int = 0) -> ad.AnnData:
    """Return negative binomial counts of planted types in X, and the types, in obs['label']."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    rates = rng.gamma(0.6, 2.0, size=n_genes) * np.exp(
        rng.normal(0, 1.2, size=(len(sizes), n_genes))
    )
    mean = rates[truth] * rng.lognormal(0, 0.3, size=(len(truth), 1))
    counts = rng.poisson(rng.gamma(2.0, mean / 2.0)).astype(np.int32)
    return ad.AnnData(
        X=csr_matrix(counts),
        obs=pd.DataFrame(
            {"label": [f"type{t}" for t in truth]}, index=[f"cell{i}" for i in range(len(truth))]
        ),
        var=pd.DataFrame(index=[f"gene{j}" for j in range(n_genes)]),
    )


def with_components(adata: ad.AnnData, *, n_pcs: int = 10) -> ad.AnnData:
    """Return AnnData with obsm['X_pca'] and var['highly_variable'], as expression does."""
    counts = adata.X.toarray().astype(np.float64)
    depth = np.maximum(counts.sum(1, keepdims=True), 1)
    logs = np.log1p(counts / depth * 1e4)
    logs -= logs.mean(0)
    u, s, _ = np.linalg.svd(logs, full_matrices=False)
    adata.obsm["X_pca"] = (u * s)[:, :n_pcs].astype(np.float32)
    adata.var["highly_variable"] = True
    adata.layers["counts"] = adata.X.copy()
    return adata


def random_partitions(n: int = 60, p: int = 8, k: int = 5, seed: int = 0) -> np.ndarray:
    """Return clusterings of n cells without any structure, int32 of shape (n, p)."""
    return np.random.default_rng(seed).integers(k, size=(n, p)).astype(np.int32)


def planted_clusters(cells: ad.AnnData) -> np.ndarray:
    """Return the types of simulated cells as clusters 0, 1, .., int64."""
    return np.asarray(cells.obs["label"].astype("category").cat.codes, dtype=np.int64)


def nested(inner: np.ndarray, outer: np.ndarray) -> bool:
    """Tell whether each cluster of `inner` lies within one of `outer`."""
    return all(len(np.unique(outer[inner == cluster])) == 1 for cluster in np.unique(inner))
