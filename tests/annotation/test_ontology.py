"""Ids of the Cell Ontology for cell types."""

from __future__ import annotations

import re

import anndata as ad
import pandas as pd
import pytest
from scsiameseclu.annotation.assemble import annotated_data
from scsiameseclu.annotation.marker_sets import read_marker_sets
from scsiameseclu.annotation.ontology import (
    TABLE,
    ids_of_types,
    normalized,
    with_ontology_ids,
)
from scsiameseclu.files import read_table, write_h5ad

from .test_marker_sets import ASSETS

ROWS = read_table(TABLE, dtype=str).fillna("")


def ids(*names: str, tissue: str = "", **columns: list[str]) -> list[str]:
    table = with_ontology_ids(pd.DataFrame({"cell_type": names, **columns}), tissue)
    assert list(table)[-1] == "cell_type_ontology_term_id"
    return list(table["cell_type_ontology_term_id"].fillna(""))


def test_every_type_of_the_marker_sets_has_an_id():
    sets = read_marker_sets(ASSETS)
    for tissue, rows in sets.groupby("tissue"):
        names = rows["cell_type"].unique()
        found = dict(zip(names, ids(*names, tissue=str(tissue)), strict=True))
        assert [name for name, id_ in found.items() if not id_] == []


def test_ids_are_well_formed_and_have_one_label_each():
    assert ROWS["cell_type_ontology_term_id"].map(lambda id_: re.fullmatch(r"CL:\d{7}", id_)).all()
    pairs = ROWS[["cell_type_ontology_term_id", "cell_type_ontology_label"]].drop_duplicates()
    assert not pairs.apply(lambda column: column.duplicated().any()).any()
    names = pd.DataFrame({"name": ROWS["cell_type"].map(normalized), "tissue": ROWS["tissue"]})
    assert not names.duplicated().any(), "a name means one thing in a tissue"
    labels = set(ROWS["cell_type_ontology_label"].map(normalized))
    general = ROWS[ROWS["tissue"] == ""]
    for name, label in zip(general["cell_type"], general["cell_type_ontology_label"], strict=True):
        assert normalized(name) not in labels - {normalized(label)}, "no label of another id"


@pytest.mark.parametrize(
    ("name", "tissue", "expected"),
    [
        ("T cell", "", "CL:0000084"),
        ("t-cells", "", "CL:0000084"),
        ("NATURAL_KILLER  Cells", "", "CL:0000623"),
        ("CD8-positive, alpha-beta T cell", "", "CL:0000625"),
        ("stellate cell", "", ""),
        ("stellate cell", "Liver", "CL:0000632"),
        ("stellate cell", "islets", "CL:0002410"),
        ("T cell like", "", ""),
        ("Unknown", "blood", ""),
        ("=1+1<script>", "blood", ""),
        ("", "", ""),
    ],
)
def test_only_a_name_of_the_table_has_an_id(name, tissue, expected):
    assert ids(name, tissue=tissue) == [expected]


def test_a_type_of_the_reference_has_the_reference_s_id():
    types, given = pd.Series(["Tx", "Tx", "Q", "Q", "R"]), ["CL:0000898", None, "CL:0000001"]
    known = ids_of_types(types, pd.Series([*given, "CL:0000002", "no id"]))
    assert known == {"Tx": "CL:0000898"}
    table = pd.DataFrame(
        {
            "cell_type": ["Tx", "T cell", "B cell"],
            "reference_type": ["B cell", "Tx", "T cells"],
            "reference_type_ontology_term_id": [None, "CL:0000898", "CL:0000813"],
        }
    )
    found = with_ontology_ids(table, "")
    assert list(found["reference_type_ontology_term_id"]) == [
        "CL:0000236",
        "CL:0000898",
        "CL:0000813",
    ]
    assert list(found["cell_type_ontology_term_id"]) == ["CL:0000898", "CL:0000084", "CL:0000236"]


@pytest.mark.parametrize("found", [["CL:0000084", None, "CL:0000576"], [None] * 3])
def test_obs_has_the_id_of_each_cell(group, tmp_path, found):
    adata = group.adata
    annotation = pd.DataFrame(
        {"cluster": list("012"), "cell_type": ["T cell", "Unknown", "monocyte"]}
    ).assign(cell_type_ontology_term_id=found)
    umap = pd.DataFrame({"barcode": adata.obs_names, "umap_1": 0.0, "umap_2": 0.0})
    adata.obsm["X_scsiameseclu"] = adata.obsm["X_pca"]
    adata.uns["scsiameseclu"] = "{}"
    write_h5ad(annotated_data(adata, umap=umap, annotation=annotation), tmp_path / "g.h5ad")
    obs = ad.read_h5ad(tmp_path / "g.h5ad").obs
    expected = obs["cluster"].astype(str).map(dict(zip("012", found, strict=True)))
    column = obs["cell_type_ontology_term_id"].astype(object)
    assert list(column.fillna("")) == list(expected.fillna(""))


def test_cells_of_a_reference_may_have_one_name():
    types = pd.Series(["Tx", "Q"], index=["same", "same"])
    ids_of = pd.Series(["CL:0000898", "CL:0000001"], index=types.index)
    assert ids_of_types(types, ids_of) == {"Tx": "CL:0000898", "Q": "CL:0000001"}
