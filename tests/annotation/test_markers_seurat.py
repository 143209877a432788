"""Marker tables equal those of the real Seurat, made by tests/golden/make_golden.R."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scsiameseclu.annotation.markers import find_markers
from scsiameseclu.benchmark.markers import differences, run_seurat, seurat_reason
from scsiameseclu.depth import exact_log_normalized
from scsiameseclu.expression.normalize import normalize

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def expression() -> ad.AnnData:
    counts = pd.read_csv(GOLDEN / "counts.tsv.gz", sep="\t", index_col="gene").T
    clusters = pd.read_csv(GOLDEN / "clusters.tsv", sep="\t", dtype=str).set_index("cell")
    normalized = np.log1p(counts.div(counts.sum(axis=1), axis=0) * 1e4)
    return ad.AnnData(
        normalized.to_numpy(),
        obs=clusters.astype("category"),
        var=pd.DataFrame(index=counts.columns),
    )


@pytest.fixture
def counts() -> ad.AnnData:
    table = pd.read_csv(GOLDEN / "counts.tsv.gz", sep="\t", index_col="gene").T
    return ad.AnnData(
        sparse.csr_matrix(table.to_numpy()),
        obs=pd.DataFrame(index=table.index),
        var=pd.DataFrame(index=table.columns),
    )


@pytest.mark.parametrize(
    ("table", "options"),
    [
        ("markers_v4.tsv", {"seurat_compat": "4"}),
        ("markers_v4_only_pos.tsv", {"seurat_compat": "4", "only_pos": True}),
        ("markers_v5.tsv", {}),
    ],
)
def test_markers_equal_those_of_seurat(expression, table, options):
    expected = pd.read_csv(
        GOLDEN / table, sep="\t", dtype={"cluster": str}, float_precision="round_trip"
    )

    assert_equal(find_markers(expression, **options), expected)


def test_the_pipelines_way_to_the_markers_keeps_seurats_numbers(expression, counts):
    """Expression keeps single precision on the way from raw counts to markers."""
    adata = normalize(counts, min_cells_per_gene=0)
    adata.obs["cluster"] = expression.obs["cluster"]
    expected = pd.read_csv(
        GOLDEN / "markers_v5.tsv", sep="\t", dtype={"cluster": str}, float_precision="round_trip"
    )

    assert_equal(find_markers(adata, exact=True), expected)


def test_the_real_seurat_gives_the_same(counts, expression, tmp_path):
    if reason := seurat_reason():
        pytest.skip(reason)
    counts.obs["cluster"] = expression.obs["cluster"]
    counts.layers["counts"] = counts.X
    counts.X = exact_log_normalized(counts.layers["counts"])

    theirs = run_seurat(counts, tmp_path)

    assert theirs is not None
    reported = differences(find_markers(counts, seurat_compat="4"), theirs[0])
    assert reported["same_rows"]
    assert reported["largest_difference_log2fc"] < 1e-6
    assert reported["largest_difference_pct"] == 0
    assert reported["largest_relative_difference_p"] < 1e-6


def assert_equal(found, expected):
    assert (
        found[["cluster", "gene"]].to_numpy().tolist()
        == expected[["cluster", "gene"]].to_numpy().tolist()
    )
    assert (found[["pct.1", "pct.2"]].to_numpy() == expected[["pct.1", "pct.2"]].to_numpy()).all()
    np.testing.assert_allclose(found["avg_log2FC"], expected["avg_log2FC"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(found["p_val"], expected["p_val"], rtol=1e-9)
    np.testing.assert_allclose(found["p_val_adj"], expected["p_val_adj"], rtol=1e-9)
