"""Normalization, variable genes and components equal scanpy's and numpy's; odd input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from scipy import sparse
from scsiameseclu import blocks
from scsiameseclu.errors import InputError
from scsiameseclu.expression import normalize as module
from scsiameseclu.expression.normalize import normalize, normalize_group
from scsiameseclu.files import settings, write_h5ad

from tests.data.as_intake import as_intake, demo_sample


@pytest.fixture(scope="module")
def counts() -> ad.AnnData:
    adata, truth = demo_sample("blood_1")
    return adata[(truth["state"] == "singlet").to_numpy()].copy()


@pytest.fixture(scope="module")
def expression(counts: ad.AnnData) -> ad.AnnData:
    return normalize(counts, n_top_genes=300, n_pcs=20)


def test_x_is_log_of_counts_per_target_sum(counts: ad.AnnData, expression: ad.AnnData) -> None:
    dense = counts[:, expression.var_names].X.toarray().astype(float)
    np.testing.assert_allclose(
        expression.X.toarray(),
        np.log1p(1e4 * dense / dense.sum(axis=1, keepdims=True)),
        rtol=1e-5,
        atol=1e-6,
    )
    assert expression.X.dtype == np.float32
    assert sparse.isspmatrix_csr(expression.X)


def test_counts_are_kept_for_genes_in_at_least_three_cells(
    counts: ad.AnnData, expression: ad.AnnData
) -> None:
    kept = np.asarray((counts.X > 0).sum(axis=0)).ravel() >= 3
    assert (~kept).sum() > 0
    assert expression.var_names.tolist() == counts.var_names[kept].tolist()
    assert expression.layers["counts"].dtype == np.int32
    assert (expression.layers["counts"] != counts.X[:, kept]).nnz == 0
    assert expression.var[["gene_ids", "gene_symbols"]].equals(counts.var.loc[kept])


def test_variable_genes_equal_scanpy(counts: ad.AnnData, expression: ad.AnnData) -> None:
    plain = counts.copy()
    plain.X = plain.X.astype(np.float32)
    sc.pp.filter_genes(plain, min_cells=3)
    sc.pp.normalize_total(plain, target_sum=1e4)
    sc.pp.log1p(plain)
    sc.pp.highly_variable_genes(plain, n_top_genes=300, flavor="seurat")
    assert expression.var["highly_variable"].tolist() == plain.var["highly_variable"].tolist()
    assert expression.var["highly_variable"].sum() == 300
    for column in ("means", "dispersions", "dispersions_norm"):
        np.testing.assert_allclose(expression.var[column], plain.var[column], rtol=0, atol=1e-5)


def test_components_equal_a_dense_decomposition(expression: ad.AnnData) -> None:
    chosen = expression.var["highly_variable"].to_numpy()
    dense = expression.X.toarray()[:, chosen].astype(float)
    left, values, loadings = np.linalg.svd(dense - dense.mean(axis=0), full_matrices=False)
    sign = np.sign(loadings[np.arange(20), np.abs(loadings[:20]).argmax(axis=1)])
    np.testing.assert_allclose(expression.obsm["X_pca"], (left * values)[:, :20] * sign, atol=1e-3)
    np.testing.assert_allclose(
        expression.varm["PCs"][chosen], loadings[:20].T * sign[None], atol=1e-4
    )
    np.testing.assert_allclose(
        expression.uns["pca"]["variance"], values[:20] ** 2 / (len(dense) - 1), rtol=1e-4
    )
    assert expression.obsm["X_pca"].dtype == np.float32
    assert not expression.varm["PCs"][~chosen].any()


def test_planted_types_are_apart(expression: ad.AnnData) -> None:
    from sklearn.metrics import silhouette_score

    _, truth = demo_sample("blood_1")
    assert (
        silhouette_score(expression.obsm["X_pca"][:, :10], truth.loc[expression.obs_names, "type"])
        > 0.2
    )


def test_input_is_not_changed(counts: ad.AnnData) -> None:
    before = counts.copy()
    normalize(counts)
    assert (counts.X != before.X).nnz == 0
    assert list(counts.uns) == list(before.uns)
    assert list(counts.layers) == list(counts.obsm) == []


def test_layer_counts_and_other_containers_give_the_same(
    counts: ad.AnnData, expression: ad.AnnData
) -> None:
    dense = ad.AnnData(counts.X.toarray().astype(np.float64), obs=counts.obs, var=counts.var)
    layered = ad.AnnData(np.zeros(counts.shape, np.float32), obs=counts.obs, var=counts.var)
    layered.layers["counts"] = sparse.csc_matrix(counts.X)
    for other in (dense, layered):
        result = normalize(other, n_top_genes=300, n_pcs=20)
        np.testing.assert_array_equal(result.obsm["X_pca"], expression.obsm["X_pca"])
        assert result.layers["counts"].dtype == np.int32


def test_normalizing_twice_gives_the_same(expression: ad.AnnData) -> None:
    again = normalize(expression, n_top_genes=300, n_pcs=20)
    np.testing.assert_array_equal(again.obsm["X_pca"], expression.obsm["X_pca"])


@pytest.mark.parametrize(
    ("value", "kind"),
    [(-1.0, "negative"), (0.5, "fractional"), (np.nan, "not finite"), (np.inf, "finite")],
)
def test_a_matrix_without_counts_is_rejected(value: float, kind: str) -> None:
    matrix = np.ones((5, 5))
    matrix[2, 3] = value
    with pytest.raises(InputError, match=kind):
        normalize(ad.AnnData(matrix))


def test_account(expression: ad.AnnData) -> None:
    account = json.loads(expression.uns["expression"])
    assert account["n_genes_in"] == 1500
    assert (account["n_genes"], account["n_top_genes"], account["n_pcs"]) == (
        expression.n_vars,
        300,
        20,
    )
    assert expression.uns["log1p"] == {}


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("matrix", "options"),
    [
        (np.ones((20, 30)), {}),
        (np.tile(rng().poisson(2, (1, 50)), (40, 1)), {}),
        (np.eye(20)[:, :1].repeat(30, axis=1), {"min_cells_per_gene": 1}),
        (rng().poisson(1, (3, 5)), {"min_cells_per_gene": 1}),
        (rng().poisson(3, (4, 2)), {}),
        (np.vstack([rng().poisson(1, (30, 60)), np.zeros((3, 60))]), {}),
        (rng().poisson(0.3, (10, 3000)), {}),
        (np.hstack([rng().poisson(1, (30, 40)), np.ones((30, 5))]), {"n_top_genes": 10}),
        (np.ones((20, 30)), {"n_top_genes": 10}),
    ],
    ids=[
        "constant",
        "equal cells",
        "equal genes",
        "tiny",
        "two genes",
        "empty cells",
        "wide",
        "some constant",
        "few chosen",
    ],
)
def test_odd_input(matrix: np.ndarray, options: dict[str, Any]) -> None:
    result = normalize(as_intake(matrix), **options)
    n_chosen = int(result.var["highly_variable"].sum())
    assert result.obsm["X_pca"].shape == (len(matrix), min(50, len(matrix) - 1, n_chosen - 1))
    assert np.isfinite(result.obsm["X_pca"]).all()
    assert np.isfinite(result.X.data).all()


@pytest.mark.parametrize(
    "matrix", [np.zeros((10, 10)), np.ones((1, 10)), np.ones((50, 1)), np.ones((2, 10))]
)
def test_too_small(matrix: np.ndarray) -> None:
    with pytest.raises(InputError, match="too few to compare cells"):
        normalize(as_intake(matrix))


def test_large_counts_stay_whole() -> None:
    matrix = sparse.csr_matrix(rng().poisson(2, (10, 10)) + 2**40)
    result = normalize(ad.AnnData(matrix))
    assert result.layers["counts"].dtype == np.int64
    assert (result.layers["counts"] != matrix).nnz == 0


def test_command_writes_the_same_bytes(
    counts: ad.AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    counts.write_h5ad("blood_1.filtered.h5ad")
    written = []
    for _ in range(2):
        normalize_group(prefix="g", samples=[Path("blood_1.filtered.h5ad")])
        written.append(Path("g.expression.h5ad").read_bytes())
    assert written[0] == written[1]
    result = ad.read_h5ad("g.expression.h5ad")
    assert result.obsm["X_pca"].shape[1] == 50
    assert settings(result)["samples"] == [settings(counts)]


def test_a_group_that_is_too_small_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_h5ad(as_intake(np.ones((2, 10))), "s.filtered.h5ad")
    with pytest.raises(InputError, match="too few to compare cells"):
        normalize_group(prefix="g", samples=[Path("s.filtered.h5ad")])
    assert not Path("g.expression.h5ad").exists()


def test_blocks_change_nothing(
    counts: ad.AnnData, expression: ad.AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of 50 cells and the covariance give what one pass in memory gives."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(blocks.row_blocks, "__defaults__", (50,))
    monkeypatch.setattr(module, "LARGE", 100)
    write_h5ad(counts, "s.filtered.h5ad")
    normalize_group(prefix="g", samples=[Path("s.filtered.h5ad")], n_top_genes=300, n_pcs=20)
    result = ad.read_h5ad("g.expression.h5ad")
    assert (
        (result.X != expression.X).nnz
        == (result.layers["counts"] != expression.layers["counts"]).nnz
        == 0
    )
    assert result.var["highly_variable"].equals(expression.var["highly_variable"])
    np.testing.assert_allclose(result.var["dispersions"], expression.var["dispersions"], rtol=1e-9)
    np.testing.assert_allclose(result.obsm["X_pca"], expression.obsm["X_pca"], atol=1e-4)
    np.testing.assert_allclose(result.varm["PCs"], expression.varm["PCs"], atol=1e-5)
    for name in ("variance", "variance_ratio"):
        np.testing.assert_allclose(result.uns["pca"][name], expression.uns["pca"][name], rtol=1e-6)


def test_equal_cells_of_a_large_group_have_no_components(
    counts: ad.AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGE", 10)
    assert not normalize(ad.AnnData(counts.X[[0] * 80], var=counts.var)).obsm["X_pca"].any()


def test_equal_cells_have_no_components(counts: ad.AnnData) -> None:
    equal = ad.AnnData(counts.X[[0] * 80], var=counts.var)
    assert not normalize(equal).obsm["X_pca"].any()
