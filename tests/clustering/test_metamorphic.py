"""Clusters must not change with order and names of cells and genes, empty genes, half depth.

Changes that keep every count give the same clusters except for rounding; with others the planted
types are still found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anndata as ad
import numpy as np
import pytest
from scipy import sparse
from scsiameseclu import ScSiameseClu
from sklearn.metrics import adjusted_rand_score

from tests.clustering.simulated_counts import simulated
from tests.data.changes import renamed


@pytest.fixture(scope="module")
def cells() -> ad.AnnData:
    return simulated(sizes=(90, 60, 40), n_genes=200)


@pytest.fixture(scope="module")
def labels(cells: ad.AnnData) -> np.ndarray:
    return clusters(cells)


def clusters(adata: ad.AnnData) -> np.ndarray:
    """Return the clusters of the training-free part, which the network starts from."""
    return ScSiameseClu(method="consensus", device="cpu").fit(adata).labels_


def same_genes_beside(adata: ad.AnnData, others: Any) -> ad.AnnData:
    """Return the cells with further genes, whose counts are `others`."""
    return ad.AnnData(sparse.hstack([adata.X, others]).tocsr().astype(np.int32), obs=adata.obs)


def genes_permuted(adata: ad.AnnData) -> ad.AnnData:
    return adata[:, np.random.default_rng(1).permutation(adata.n_vars)].copy()


def with_empty_genes(adata: ad.AnnData) -> ad.AnnData:
    return same_genes_beside(adata, sparse.csr_matrix((adata.n_obs, 30), dtype=np.int32))


def with_constant_genes(adata: ad.AnnData) -> ad.AnnData:
    return same_genes_beside(adata, np.ones((adata.n_obs, 5), dtype=np.int32))


def thinned_by_half(adata: ad.AnnData) -> ad.AnnData:
    other = adata.copy()
    other.X.data = np.random.default_rng(1).binomial(other.X.data, 0.5).astype(np.int32)
    other.X.eliminate_zeros()
    return other


def test_the_planted_types_are_found(cells: ad.AnnData, labels: np.ndarray) -> None:
    assert adjusted_rand_score(cells.obs["label"], labels) > 0.95


def test_the_order_of_cells_does_not_matter(cells: ad.AnnData, labels: np.ndarray) -> None:
    order = np.random.default_rng(1).permutation(cells.n_obs)
    assert adjusted_rand_score(labels[order], clusters(cells[order].copy())) > 0.98


@pytest.mark.parametrize(
    ("change", "agreement"),
    [
        (genes_permuted, 0.98),
        (renamed, 1.0),
        (with_empty_genes, 0.98),
        (with_constant_genes, 0.95),
        (thinned_by_half, 0.95),
    ],
)
def test_changes_that_do_not_concern_the_types_leave_the_clusters(
    cells: ad.AnnData,
    labels: np.ndarray,
    change: Callable[[ad.AnnData], ad.AnnData],
    agreement: float,
) -> None:
    assert adjusted_rand_score(labels, clusters(change(cells))) >= agreement
