"""Calls must not change with order and names of cells and genes, or empty genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pytest
from scipy import sparse
from scsiameseclu.quality.cells import find_cells
from scsiameseclu.quality.doublets import score_doublets
from scsiameseclu.quality.order import canonical_order

from tests.data.as_intake import demo_sample
from tests.data.changes import renamed
from tests.quality.droplets import droplets

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow


def permuted(adata: ad.AnnData, *, seed: int) -> ad.AnnData:
    """Return the cells and genes in another order."""
    rng = np.random.default_rng(seed)
    return adata[rng.permutation(adata.n_obs)][:, rng.permutation(adata.n_vars)].copy()


def with_empty_genes(adata: ad.AnnData) -> ad.AnnData:
    zeros = sparse.csr_matrix((adata.n_obs, 50), dtype=adata.X.dtype)
    other = ad.AnnData(sparse.hstack([zeros, adata.X, zeros]).tocsr())
    other.obs_names = adata.obs_names
    return other


@pytest.mark.parametrize("name", ["blood_1", "blood_2", "pancreas"])
@pytest.mark.parametrize("seed", [1, 2])
def test_doublets_do_not_depend_on_the_order_of_cells_and_genes(name: str, seed: int) -> None:
    adata, _ = demo_sample(name)
    adata = adata[np.asarray(adata.X.sum(axis=1)).ravel() > 100].copy()
    other = permuted(adata, seed=seed)
    expected, found = score_doublets(adata), score_doublets(other)
    back = other.obs_names.get_indexer(adata.obs_names)
    assert expected.predicted.sum() > 0
    np.testing.assert_array_equal(found.predicted[back], expected.predicted)
    np.testing.assert_array_equal(found.scores[back], expected.scores)
    assert found.threshold == expected.threshold


@pytest.mark.parametrize("change", [renamed, with_empty_genes])
def test_doublets_do_not_depend_on_names_and_empty_genes(
    change: Callable[[ad.AnnData], ad.AnnData],
) -> None:
    adata, _ = demo_sample("blood_2")
    np.testing.assert_array_equal(
        score_doublets(change(adata)).scores, score_doublets(adata).scores
    )


@pytest.mark.parametrize("n_empty", [300, 3000])
def test_called_cells_do_not_depend_on_the_order_of_barcodes_and_genes(n_empty: int) -> None:
    counts, _ = droplets(40, n_empty, (100, 400), size=1200)
    rng = np.random.default_rng(1)
    rows, columns = rng.permutation(counts.shape[0]), rng.permutation(counts.shape[1])
    expected, _ = find_cells(counts)
    found, _ = find_cells(counts[rows][:, columns])
    assert expected is not None
    assert found is not None
    assert expected.n_tested > 0
    np.testing.assert_array_equal(found.is_cell, expected.is_cell[rows])
    np.testing.assert_allclose(found.fdr, expected.fdr[rows], rtol=1e-6)


def test_the_canonical_order_sorts_permuted_counts_alike() -> None:
    counts = sparse.csr_matrix(np.random.default_rng(0).poisson(0.5, (60, 40)))
    rng = np.random.default_rng(1)
    other = counts[rng.permutation(60)][:, rng.permutation(40)]
    cells, genes = canonical_order(counts)
    other_cells, other_genes = canonical_order(other)
    assert (counts[cells][:, genes] != other[other_cells][:, other_genes]).nnz == 0
    assert sorted(cells) == list(range(60))
    assert sorted(genes) == list(range(40))
