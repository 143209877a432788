"""Files for submission to CZ CELLxGENE, and the list of missing fields."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scsiameseclu.annotation import cellxgene
from scsiameseclu.annotation.export import export
from scsiameseclu.blocks import row_blocks
from scsiameseclu.files import read_table, set_settings, write_h5ad
from scsiameseclu.report.published import _annotated

from .test_export import GENES, N_CELLS, annotated

SAMPLES = ("s'1", 's"2/ü')
GIVEN = {
    "assay_ontology_term_id": "EFO:0009922",
    "development_stage_ontology_term_id": "HsapDv:0000258",
    "disease_ontology_term_id": "MONDO:0000001 || MONDO:0005011",
    "donor_id": "d'1",
    "is_primary_data": "TRUE",
    "self_reported_ethnicity_ontology_term_id": "HANCESTRO:0568",
    "sex_ontology_term_id": "PATO:0000384",
    "suspension_type": "cell",
    "tissue_ontology_term_id": "UBERON:0000178",
    "tissue_type": "tissue",
    "title": "PBMC <b>",
}


def group(*extras: dict[str, str | None], organism: str = "human") -> ad.AnnData:
    """Return a group whose samplesheet says `extras` of its two samples."""
    adata = annotated()
    adata.var["gene_ids"] = [f"ENSG{n:011d}.{n}" for n in range(len(GENES))]
    adata.obs["cell_type_ontology_term_id"] = pd.Categorical(["CL:0000084"] * N_CELLS)
    rows = [{"sample": name, "extra": extra} for name, extra in zip(SAMPLES, extras, strict=True)]
    for column in dict.fromkeys(key for extra in extras for key in extra):
        of = {row["sample"]: row["extra"].get(column) for row in rows}
        adata.obs[column] = adata.obs["sample"].astype(str).map(of)
    settings = {"group": "g", "organism": organism, "tissue": "blood", "samples": rows}
    set_settings(adata, settings)
    return adata


def submitted(adata: ad.AnnData) -> tuple[ad.AnnData, pd.DataFrame]:
    write_h5ad(adata, "g.h5ad")
    export(prefix="g", annotated=Path("g.h5ad"), formats=["cellxgene"])
    missing = read_table("g.cellxgene_missing.tsv", dtype=str)
    return ad.read_h5ad("g.cellxgene.h5ad"), missing.set_index("field")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cellxgene, "row_blocks", partial(row_blocks, n_cells=7))


def test_with_all_metadata_nothing_is_missing():
    adata = group(GIVEN, GIVEN | {"donor_id": "=2", "title": None})
    found, missing = submitted(adata)
    assert missing.empty
    assert list(found.var_names) == [f"ENSG{n:011d}" for n in range(len(GENES))]
    assert list(found.raw.var_names) == list(found.var_names)
    assert not found.var["feature_is_filtered"].any()
    assert "feature_is_filtered" not in found.raw.var
    assert found.raw.X.dtype == found.X.dtype == np.float32
    np.testing.assert_array_equal(found.raw.X.toarray(), adata.layers["counts"].toarray())
    np.testing.assert_array_equal(found.X.toarray(), adata.X.toarray())
    assert found.uns == {
        "title": "PBMC <b>",
        "organism_ontology_term_id": "NCBITaxon:9606",
        "default_embedding": "X_umap",
    }
    assert set(found.obsm) == {"X_pca", "X_scsiameseclu", "X_umap"}
    assert not found.layers and not found.varm
    assert found.obs["is_primary_data"].dtype == bool and found.obs["is_primary_data"].all()
    assert set(found.obs["donor_id"]) == {"d'1", "=2"}
    for field in set(GIVEN) - {"donor_id", "title", "is_primary_data"}:
        assert list(found.obs[field].cat.categories) == [GIVEN[field]]
    assert not {"title", "organism_ontology_term_id", "cell_type"} & set(found.obs)
    assert list(found.obs["author_cell_type"]) == list(adata.obs["cell_type"])


def test_the_sex_of_the_samplesheet_becomes_its_id():
    rest = {key: value for key, value in GIVEN.items() if key != "sex_ontology_term_id"}
    found, missing = submitted(group(rest | {"sex": "female"}, rest | {"sex": "unknown"}))
    by_sample = found.obs.groupby("sample", observed=True)["sex_ontology_term_id"].unique()
    assert [list(by_sample[name]) for name in SAMPLES] == [["PATO:0000383"], ["unknown"]]
    assert missing.loc["sex_ontology_term_id", "state"].startswith("written as unknown: ")


def test_missing_fields_are_listed_and_not_invented():
    adata = group({"title": "one", "tissue_type": "brain"}, {"title": "other", "disease": "flu"})
    adata.obs.loc[adata.obs["cluster"] == "3", "cell_type_ontology_term_id"] = np.nan
    adata.obs["author_cell_type"] = "theirs"
    adata.obs["__hidden"] = 1
    found, missing = submitted(adata)
    assert missing.loc["assay_ontology_term_id", "state"] == "missing"
    assert missing.loc["title", "state"].startswith("several in one group, so none is written")
    assert list(missing.loc["tissue_type", "state"]) == [
        f"missing: {SAMPLES[1]!r}",
        "not of this form: 'brain'",
    ]
    assert missing.loc["sex_ontology_term_id", "state"] == "written as unknown"
    assert missing["needed"].notna().all() and missing["where"].notna().all()
    assert missing.loc["cell_type_ontology_term_id", "state"].startswith(
        f"{(adata.obs['cluster'] == '3').sum()} of {N_CELLS} cells are written as unknown: "
    )
    assert "title" not in found.uns
    assert "assay_ontology_term_id" not in found.obs and "is_primary_data" not in found.obs
    assert set(found.obs["sex_ontology_term_id"]) == {"unknown"}
    assert set(found.obs["cell_type_ontology_term_id"]) == {"CL:0000084", "unknown"}
    assert set(found.obs["author_cell_type"]) == {"theirs"}
    assert list(found.obs["author_author_cell_type"]) == list(adata.obs["cell_type"])
    assert {"flu"} == set(found.obs["author_disease"].dropna())
    assert not {"disease", "__hidden"} & set(found.obs)


def test_fields_with_one_possible_value_are_optional():
    line = {"tissue_type": "cell line", "tissue_ontology_term_id": "CVCL_0001"}
    fields = ["sex", "development_stage", "self_reported_ethnicity"]
    columns = ["donor_id", *(f"{field}_ontology_term_id" for field in fields)]
    _, missing = submitted(group(GIVEN | line, GIVEN | line | dict.fromkeys(columns, "na")))
    assert set(missing.index) == set(columns)
    assert set(missing["state"]) == {f"the schema allows only na here: {SAMPLES[0]!r}"}
    found, missing = submitted(group(line | {"sex": "female"}, line))
    assert not set(columns) & set(missing.index)
    assert set(found.obs[columns].astype(str).to_numpy().ravel()) == {"na"}
    found, missing = submitted(group({}, {}, organism="Mouse"))
    assert found.uns["organism_ontology_term_id"] == "NCBITaxon:10090"
    assert "self_reported_ethnicity_ontology_term_id" not in missing.index
    _, missing = submitted(group({}, {}, organism="axolotl"))
    assert missing.loc["organism_ontology_term_id", "state"] == "missing"


def test_ethnicity_is_of_humans_only():
    field = "self_reported_ethnicity_ontology_term_id"
    human, mouse = ({"organism_ontology_term_id": f"NCBITaxon:{n}"} for n in (9606, 10090))
    _, missing = submitted(group(GIVEN | mouse, GIVEN | mouse | {field: None}))
    assert missing.loc[field, "state"] == f"the schema allows only na here: {SAMPLES[0]!r}"
    _, missing = submitted(group(GIVEN | human, GIVEN | human))
    assert missing.empty


def test_samples_without_an_experimental_condition_are_not_applicable():
    field = "experimental_condition_ontology_term_id"
    found, missing = submitted(group(GIVEN | {field: "CHEBI:41774"}, GIVEN | {field: ""}))
    by_sample = found.obs.groupby("sample", observed=True)[field].unique()
    assert [list(by_sample[name]) for name in SAMPLES] == [["CHEBI:41774"], ["na"]]
    assert missing.empty
    for nothing in ("", "na"):
        found, _ = submitted(group(GIVEN | {field: nothing}, GIVEN))
        assert field not in found.obs


@pytest.mark.parametrize(
    ("prefix", "id_"),
    [
        ("ENSMUSG", "NCBITaxon:10090"),
        ("ENSRNOG", "NCBITaxon:10116"),
        ("ENSXETG", None),
        ("none", "NCBITaxon:9606"),
    ],
)
def test_the_organism_is_that_of_the_genes_or_else_the_one_given(prefix, id_):
    var = pd.DataFrame({"gene_ids": [f"{prefix}{n:011d}" for n in range(30)]})
    var.index = pd.Index([f"{n}Ab" for n in range(30)])
    assert cellxgene._organism(var, {"organism": "human"}) == id_


def test_genes_without_their_own_id_are_left_out_and_listed():
    adata = group(GIVEN, GIVEN)
    kept = [0, 3, 8]
    ids = [f"ENSG{n:011d}" if n in kept else name for n, name in enumerate(GENES)]
    adata.var["gene_ids"] = [*ids[:4], "ENSG00000000000.2", "ENSG00000000005_PAR_Y", *ids[6:]]
    found, missing = submitted(adata)
    assert list(found.var_names) == [ids[place] for place in kept]
    np.testing.assert_array_equal(found.raw.X.toarray(), adata.layers["counts"][:, kept].toarray())
    state = missing.loc["var index", "state"]
    assert state.startswith("6 of 9 genes") and repr(GENES[1]) in state
    adata.var["gene_ids"] = GENES
    write_h5ad(adata, "none.h5ad")
    cellxgene.write_cellxgene(prefix="none", annotated=Path("none.h5ad"))
    assert not Path("none.cellxgene.h5ad").exists()
    assert "9 of 9 genes" in Path("none.cellxgene_missing.tsv").read_text()


def test_the_groups_h5ad_is_still_found():
    for name in ("clustering.json", "model.safetensors", "g.h5ad", "g.cellxgene.h5ad"):
        Path(name).touch()
    assert _annotated(Path.cwd()).name == "g.h5ad"
    Path("g.h5ad").unlink()
    assert _annotated(Path.cwd()).name == "g.cellxgene.h5ad", "a group may be called so"


@pytest.mark.parametrize("field", [*cellxgene.OF_CELLS, *cellxgene.OF_DATA_SET])
def test_the_example_of_a_field_fits(field):
    assert field.fits(field.example)
    assert not field.fits("") and (field.form == ".+" or not field.fits("=1"))
