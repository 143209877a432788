"""The annotated data of a group."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import sparse
from scsiameseclu.annotation.assemble import _plain_column, assemble
from scsiameseclu.annotation.celltypes import celltypes
from scsiameseclu.annotation.umap import umap
from scsiameseclu.files import read_table

from .conftest import TYPES
from .test_marker_sets import ASSETS

pytestmark = pytest.mark.slow


@pytest.fixture
def finished(group):
    files = {"expression": group.expression, "clustering": group.clustering}
    umap(prefix="g", **files)
    celltypes(prefix="g", **files, markers_db=ASSETS)
    steps = {"umap": group.folder / "g.umap.tsv", "annotation": group.folder / "g.annotation.tsv"}
    assemble(prefix="g", **files, **steps, labels=group.labels)
    assemble(prefix="unlabelled", **files, **steps)
    return group


def test_annotated_data_keep_the_contract(finished):
    adata = ad.read_h5ad("g.h5ad")

    assert sparse.isspmatrix_csr(adata.X) or isinstance(adata.X, sparse.csr_array)
    assert adata.X.dtype == np.float32
    assert (adata.X != finished.adata.X).nnz == 0
    assert np.issubdtype(adata.layers["counts"].dtype, np.integer)
    assert (adata.layers["counts"] != finished.adata.layers["counts"]).nnz == 0
    assert set(adata.obsm) == {"X_pca", "X_scsiameseclu", "X_umap"}
    assert {value.dtype for value in adata.obsm.values()} == {np.dtype(np.float32)}
    for column in ("sample", "cluster", "cell_type", "label"):
        assert isinstance(adata.obs[column].dtype, pd.CategoricalDtype)
    assert list(adata.obs["cluster_coarse"].cat.categories) == ["0", "1"]
    assert list(adata.obs["cluster_fine"].cat.categories) == [str(number) for number in range(12)]
    assert {"gene_ids", "highly_variable"} <= set(adata.var)
    run = adata.uns["scsiameseclu"]
    assert run["seed"] == 0
    assert run["versions"] == {"numpy": "2"}
    assert run["parameters"]["k"] == "none"
    assert list(run["parameters"]["weights"]) == [1.0, 2.0]


def test_the_gold_standard_is_a_column_if_there_is_one(finished):
    obs = ad.read_h5ad("g.h5ad").obs
    labelled = obs["label"].notna()
    assert labelled.groupby(obs["sample"], observed=True).agg(
        lambda cells: (~cells).sum()
    ).to_dict() == {
        "one": 2,
        "two.x": 2,
    }
    names = obs["cluster"].astype(str).map(dict(zip("012", TYPES, strict=True)))
    assert (obs["label"].astype(str) == names)[labelled].all()
    assert "label" not in ad.read_h5ad("unlabelled.h5ad").obs


def test_scanpy_works_on_it(finished):
    adata = ad.read_h5ad("g.h5ad")
    sc.tl.rank_genes_groups(adata, "cluster", method="t-test")
    assert adata.uns["rank_genes_groups"]["names"]["1"][0].startswith(
        ("MS4A1", "CD", "BANK1", "BLK", "PAX5", "TNF")
    )


def test_cluster_table(finished):
    table = read_table("g.clusters.tsv", dtype=str)

    assert list(table) == [
        *("barcode", "sample", "cluster", "confidence", "cell_type"),
        *("cluster_coarse", "cluster_fine"),
    ]
    assert list(table["barcode"]) == list(finished.adata.obs_names)
    for level in ("cluster", "cluster_coarse", "cluster_fine"):
        assert list(table[level]) == list(ad.read_h5ad(finished.clustering).obs[level])
    assert set(table["confidence"]) == {"0.7500"}
    assert (finished.folder / "g.clusters.tsv").read_bytes() == (
        finished.folder / "unlabelled.clusters.tsv"
    ).read_bytes()


def test_composition_has_every_cluster_and_sample(finished):
    table = read_table("g.composition.tsv", dtype={"cluster": str})

    assert list(table) == ["cluster", "cell_type", "sample", "n_cells", "share_of_sample"]
    assert len(table) == 3 * 2
    assert table["n_cells"].sum() == finished.adata.n_obs
    np.testing.assert_allclose(table.groupby("sample")["share_of_sample"].sum(), 1, atol=1e-5)
    cells = finished.adata.obs
    row = table[(table["cluster"] == "1") & (table["sample"] == "two.x")].iloc[0]
    assert row["n_cells"] == ((cells["cluster"] == "1") & (cells["sample"] == "two.x")).sum()


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        (pd.array([1, 2], dtype="Int64"), "int64"),
        (pd.array([1, None], dtype="Int64"), "float64"),
        (pd.array([True, False], dtype="boolean"), "bool"),
        (pd.array(["a", "b"], dtype="string"), "object"),
        (np.array([1.5, 2.0]), "float64"),
    ],
)
def test_nullable_columns_become_plain(column, dtype):
    assert _plain_column(pd.Series(column)).dtype == dtype
