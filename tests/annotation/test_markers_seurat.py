"""Marker tables equal those of the real Seurat, made by tests/golden/make_golden.R."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scsiameseclu.annotation import find_markers

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def expression() -> ad.AnnData:
    counts = pd.read_csv(GOLDEN / "counts.tsv.gz", sep="\t", index_col="gene").T
    clusters = pd.read_csv(GOLDEN / "clusters.tsv", sep="\t", dtype=str).set_index("cell")
    normalized = np.log1p(counts.div(counts.sum(axis=1), axis=0) * 1e4)
    return ad.AnnData(normalized.to_numpy(), obs=clusters.astype("category"), var=pd.DataFrame(index=counts.columns))


@pytest.mark.parametrize(
    ("table", "options"),
    [
        ("markers_v4.tsv", {"seurat_compat": "4"}),
        ("markers_v4_only_pos.tsv", {"seurat_compat": "4", "only_pos": True}),
        ("markers_v5.tsv", {}),
    ],
)
def test_markers_equal_those_of_seurat(expression, table, options):
    expected = pd.read_csv(GOLDEN / table, sep="\t", dtype={"cluster": str}, float_precision="round_trip")

    found = find_markers(expression, **options)

    assert found[["cluster", "gene"]].to_numpy().tolist() == expected[["cluster", "gene"]].to_numpy().tolist()
    assert (found[["pct.1", "pct.2"]].to_numpy() == expected[["pct.1", "pct.2"]].to_numpy()).all()
    np.testing.assert_allclose(found["avg_log2FC"], expected["avg_log2FC"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(found["p_val"], expected["p_val"], rtol=1e-9)
    np.testing.assert_allclose(found["p_val_adj"], expected["p_val_adj"], rtol=1e-9)
