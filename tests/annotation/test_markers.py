"""Marker genes, against scipy's rank-sum test and by hand."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import mannwhitneyu
from scsiameseclu.annotation import markers as module
from scsiameseclu.annotation.markers import COLUMNS, find_markers, markers
from scsiameseclu.files import read_table


def dense(values, clusters):
    names = [f"g{i}" for i in range(np.shape(values)[1])]
    return ad.AnnData(
        np.asarray(values, dtype=np.float64),
        obs=pd.DataFrame(
            {"cluster": pd.Categorical(clusters)}, index=[f"c{i}" for i in range(len(clusters))]
        ),
        var=pd.DataFrame(index=names),
    )


def test_p_values_are_those_of_the_rank_sum_test_gene_by_gene(adata, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 5000)
    X = adata.X.toarray()

    table = find_markers(adata)

    assert len(table) > 60
    for row in table.itertuples():
        inside = (adata.obs["cluster"] == row.cluster).to_numpy()
        values = X[:, adata.var_names.get_loc(row.gene)]
        expected = mannwhitneyu(
            values[inside], values[~inside], use_continuity=True, method="asymptotic"
        ).pvalue
        assert row.p_val == pytest.approx(expected, rel=1e-9)
        assert row.p_val_adj == min(row.p_val * adata.n_vars, 1)


def test_columns_order_and_planted_markers(adata):
    table = find_markers(adata)

    assert list(table) == COLUMNS
    assert list(table["cluster"].unique()) == ["0", "1", "2"]
    for _, rows in table.groupby("cluster"):
        keys = list(zip(rows["p_val"], -rows["avg_log2FC"], strict=True))
        assert keys == sorted(keys)
        assert (rows["p_val"] < 0.01).all()
    assert set(table[table["cluster"] == "1"].head(9)["gene"]) <= {
        *["MS4A1", "CD79A", "CD79B", "CD19", "BANK1", "CD22", "BLK", "PAX5", "TNFRSF13C"]
    }


def test_fold_changes_by_hand():
    counts = np.array([[3.0], [1], [2], [4], [0], [0], [1], [0]])
    adata = dense(np.log1p(counts), list("aaaabbbb"))
    loose = {"min_pct": 0, "logfc_threshold": 0}

    found = module._statistics(
        module._genes(adata, np.ones(8, bool), exact=False), pd.Categorical(adata.obs["cluster"])
    )
    five, four = (module.log2_fold_change(*found.sums.T, 4, 4, version) for version in "54")

    assert five[0] == pytest.approx(np.log2((10 + 1) / 4) - np.log2((1 + 1) / 4))
    assert four[0] == pytest.approx(np.log2(10 / 4 + 1) - np.log2(1 / 4 + 1))
    assert find_markers(adata, **loose).empty  # four against four is never below 0.01


def test_thresholds_and_only_pos(adata):
    assert (find_markers(adata, logfc_threshold=2)["avg_log2FC"].abs() >= 2).all()
    frequent = find_markers(adata, min_pct=0.6)
    assert (frequent[["pct.1", "pct.2"]].max(axis=1) >= 0.6).all()
    both, up = find_markers(adata), find_markers(adata, only_pos=True)
    assert up.equals(both[both["avg_log2FC"] > 0].reset_index(drop=True))


def test_sparse_dense_and_order_of_cells_do_not_matter(adata):
    table = find_markers(adata)
    shuffled = adata[np.random.default_rng(0).permutation(adata.n_obs)].copy()
    shuffled.X = shuffled.X.toarray()

    again = find_markers(shuffled)

    assert again.drop(columns="avg_log2FC").equals(table.drop(columns="avg_log2FC"))
    np.testing.assert_allclose(again["avg_log2FC"], table["avg_log2FC"], atol=1e-12)


def test_input_is_not_changed(adata):
    adata.X = sparse.csc_matrix(adata.X)
    adata.X.data[0] = 0.0
    before = adata.X.copy()

    find_markers(adata)

    assert adata.X.nnz == before.nnz
    assert (adata.X.data == before.data).all()


def test_small_clusters_constant_genes_and_a_single_cluster():
    rng = np.random.default_rng(0)
    values = rng.poisson(1.0, size=(30, 4)).astype(float)
    values[:, 1], values[:, 2] = 0.0, 2.0
    values[:14, 3] += 5
    adata = dense(values, ["a"] * 14 + ["b"] * 14 + ["c"] * 2)

    table = find_markers(adata)

    assert "c" not in set(table["cluster"])
    assert set(table["gene"]) == {"g3"}
    empty = find_markers(dense(values, ["a"] * 30))
    assert empty.empty
    assert list(empty) == COLUMNS
    assert find_markers(dense(values, ["a"] * 28 + ["b"] * 2)).empty


def test_tiny_p_values_stay_valid():
    values = np.zeros((20_000, 1))
    values[:8000] = 1 + np.random.default_rng(0).random((8000, 1))

    table = find_markers(dense(values, ["a"] * 8000 + ["b"] * 12_000))

    assert (table["p_val"] == 0).all()
    assert (table["p_val_adj"] == 0).all()


def test_share_is_rounded_as_r_does():
    shares = np.array([0.0005, 0.0015, 0.0025, 0.0625, 0.1235, 0.9995, 1.0, 0.0])
    assert list(module._rounded(shares)) == [0.0, 0.002, 0.002, 0.062, 0.124, 1.0, 1.0, 0.0]


def test_negative_expression_is_refused(adata):
    adata.X[0, 0] = -1.0
    with pytest.raises(ValueError, match="log-normalised"):
        find_markers(adata)


def test_threads_change_nothing(adata, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 500)
    one, four = (find_markers(adata, threads=threads) for threads in (1, 4))
    pd.testing.assert_frame_equal(one, four, check_exact=True)


def test_the_step_takes_double_precision_from_the_counts(group, monkeypatch):
    expected = find_markers(dense_expression(group.adata))

    for threads in ("1", "3"):
        monkeypatch.setenv("SCSIAMESECLU_THREADS", threads)
        markers(prefix=threads, expression=group.expression, clustering=group.clustering)

    assert (group.folder / "1.markers.tsv").read_bytes() == (
        group.folder / "3.markers.tsv"
    ).read_bytes()
    pd.testing.assert_frame_equal(
        read_table("1.markers.tsv", dtype={"cluster": str}), expected, rtol=1e-12
    )


def dense_expression(adata):
    counts = adata.layers["counts"].toarray().astype(np.float64)
    exact = adata.copy()
    exact.X = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    return exact


def test_command(group):
    markers(prefix="g", expression=group.expression, clustering=group.clustering)

    assert list(read_table("g.markers.tsv")) == COLUMNS
