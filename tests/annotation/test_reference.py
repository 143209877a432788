"""Cell types from a labelled reference."""

from __future__ import annotations

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scsiameseclu.annotation import reference as module
from scsiameseclu.annotation.agreement import agreement
from scsiameseclu.annotation.celltypes import celltypes
from scsiameseclu.annotation.check import check
from scsiameseclu.annotation.reference import checked_reference, reference, transfer_labels
from scsiameseclu.errors import InputError
from scsiameseclu.files import read_table, write_h5ad, write_json

from .conftest import TYPES, simulate
from .test_marker_sets import ASSETS

NAMES = dict(zip("012", TYPES, strict=True))


def labelled(seed: int = 5, sizes=(40, 40, 40)) -> ad.AnnData:
    adata = simulate(sizes, seed=seed)
    counts = ad.AnnData(
        adata.layers["counts"], obs=adata.obs[["cluster"]], var=adata.var[["gene_symbols"]]
    )
    counts.obs["type"] = counts.obs.pop("cluster").astype(str).map(NAMES).to_numpy()
    counts.obs["cell_type_ontology_term_id"] = counts.obs["type"].map({"T cell": "CL:0000898"})
    return counts


@pytest.fixture
def path(tmp_path):
    write_h5ad(labelled(), tmp_path / "labelled.h5ad")
    return tmp_path / "labelled.h5ad"


def test_planted_types_are_found_in_addition_to_those_of_markers(group, path):
    write_h5ad(checked_reference(path, "type"), "reference.h5ad")
    files = {"expression": group.expression, "clustering": group.clustering}
    for prefix in ("g", "again"):
        reference(prefix=prefix, **files, labelled=group.folder / "reference.h5ad")
    celltypes(prefix="g", **files, markers_db=ASSETS, reference=group.folder / "g.reference.tsv")

    assert (group.folder / "g.reference.tsv").read_bytes() == (
        group.folder / "again.reference.tsv"
    ).read_bytes()
    table = read_table("g.annotation.tsv")
    assert list(table)[:8] == [
        "cluster",
        "n_cells",
        "cell_type",
        "score",
        "margin",
        "runner_up",
        "evidence",
        "p_value",
    ]
    assert list(table["reference_type"]) == list(TYPES)
    assert set(table["reference_agrees"]) == {"yes"}
    assert (table["reference_score"] > 0.5).all()
    ids = table[["reference_type_ontology_term_id", "cell_type_ontology_term_id"]]
    assert ids.to_numpy().tolist() == [
        ["CL:0000898", "CL:0000084"],
        ["CL:0000236", "CL:0000236"],
        ["CL:0000576", "CL:0000576"],
    ]


def test_a_type_that_the_reference_lacks_is_unknown(adata):
    known = labelled()
    known = known[known.obs["type"] != "monocyte"].copy()
    known.obs["label"] = pd.Categorical(known.obs["type"])
    known.var_names = known.var["gene_symbols"].astype(str)

    found = transfer_labels(adata, known).set_index("cluster")["reference_type"]

    assert list(found) == ["T cell", "B cell", "Unknown"]


def test_genes_whose_name_comes_twice_are_left_out(adata):
    known = labelled()
    known.obs["label"] = pd.Categorical(known.obs["type"])
    names = known.var["gene_symbols"].astype(str).to_numpy().copy()
    names[-2:] = "TWICE"
    known.var_names = names
    adata.var["gene_symbols"] = names

    with pytest.warns(UserWarning, match="not unique"):
        known = known.copy()
    assert list(transfer_labels(adata, known)["reference_type"]) == list(TYPES)


def test_random_clusters_are_unknown_or_hardly_sure(adata):
    known = labelled()
    known.obs["label"] = pd.Categorical(
        np.random.default_rng(0).permutation(known.obs["type"].to_numpy())
    )
    known.var_names = known.var["gene_symbols"].astype(str)

    assert set(transfer_labels(adata, known)["reference_type"]) == {"Unknown"}


@pytest.mark.parametrize("place", ["layers['counts']", "X", "raw", None])
def test_counts_are_found_wherever_they_are(tmp_path, place):
    known = labelled()
    fractions = known.X.astype(np.float32).log1p()
    given = known.copy()
    given.X = known.X if place == "X" else fractions
    given.layers["counts"] = known.X if place == "layers['counts']" else fractions
    raw = known.copy()
    raw.X = known.X if place == "raw" else fractions
    given.raw = raw
    write_h5ad(given, tmp_path / "given.h5ad")
    if place is None:
        with pytest.raises(InputError, match="no raw counts"):
            checked_reference(tmp_path / "given.h5ad", "type")
        return
    found = checked_reference(tmp_path / "given.h5ad", "type")
    assert (found.X != known.X).nnz == 0
    assert list(found.var_names) == list(known.var["gene_symbols"])


def test_counts_need_no_other_place(tmp_path):
    known = labelled()
    given = known.copy()
    given.raw = known
    del given.X
    write_h5ad(given, tmp_path / "given.h5ad")
    assert (checked_reference(tmp_path / "given.h5ad", "type").X != known.X).nnz == 0


def test_large_labels_are_thinned_evenly_and_blocks_change_nothing(path, adata, monkeypatch):
    whole = checked_reference(path, "type")
    expected = transfer_labels(adata, whole)
    monkeypatch.setattr(module, "BLOCK", 7)
    pd.testing.assert_frame_equal(transfer_labels(adata, whole), expected, atol=2e-4)
    monkeypatch.setattr(module, "MOST_CELLS", 15)
    thinned = checked_reference(path, "type")
    assert set(thinned.obs["label"].value_counts()) == {15}
    assert list(transfer_labels(adata, thinned)["reference_type"]) == list(TYPES)


def test_files_that_anndata_cannot_read(path, tmp_path):
    whole = path.read_bytes()
    (tmp_path / "short.h5ad").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "folder.h5ad").mkdir()
    for name in ("short", "folder"):
        with pytest.raises(InputError) as raised:
            checked_reference(tmp_path / f"{name}.h5ad", "type")
        (problem,) = raised.value.problems
        assert problem.what == "the reference cannot be read"
        assert problem.remedy == "give an .h5ad file as anndata writes it"
    with h5py.File(path, "r+") as file:
        new = file["uns"].create_group("new")
        new.attrs.update({"encoding-type": "of-tomorrow", "encoding-version": "9.0.0"})
    with pytest.raises(InputError) as raised:
        checked_reference(path, "type")
    (problem,) = raised.value.problems
    assert "of-tomorrow" in problem.what
    assert "'new'" in problem.what
    assert problem.remedy.endswith(
        "if a newer anndata wrote it, read it there, remove what is named above and write it again"
    )


def test_memory_that_does_not_suffice_is_no_mistake_of_the_file(path, monkeypatch):
    def full(_path):
        raise MemoryError

    monkeypatch.setattr(module.ad, "read_h5ad", full)
    with pytest.raises(MemoryError):
        checked_reference(path, "type")


def test_other_mistakes_of_a_reference(path, tmp_path, adata):
    with pytest.raises(InputError, match=r"no column 'kind'(.|\n)*'type'"):
        checked_reference(path, "kind")
    (tmp_path / "text.h5ad").write_text("no HDF5")
    with pytest.raises(InputError, match="cannot be read"):
        checked_reference(tmp_path / "text.h5ad", "type")
    one = labelled()
    one.obs["type"] = ["only"] * (one.n_obs - 5) + ["rare"] * 5
    write_h5ad(one, tmp_path / "one.h5ad")
    with pytest.raises(InputError, match="fewer than two labels"):
        checked_reference(tmp_path / "one.h5ad", "type")
    known = checked_reference(path, "type")
    known.var_names = [f"other{i}" for i in range(known.n_vars)]
    with pytest.raises(InputError, match="share 0 genes"):
        transfer_labels(adata, known)


def samples(tmp_path, **extra):
    (tmp_path / "samples.json").write_text(
        pd.DataFrame([{"sample": "a", "organism": "human", "extra": extra}]).to_json(
            orient="records"
        )
    )
    return tmp_path / "samples.json"


def design(tmp_path, condition):
    write_json({"condition": condition, "formula": None}, tmp_path / "design.json")
    return tmp_path / "design.json"


def test_all_mistakes_are_reported_at_once(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.gmt").write_text("A\tx\n")

    with pytest.raises(InputError) as error:
        check(
            samples=samples(tmp_path, donor="D1"), markers_db=tmp_path / "bad.gmt", labelled=path,
            reference_label="kind", design=design(tmp_path, "treatment"),
        )  # fmt: skip

    reported = str(error.value)
    assert "'A' has no genes" in reported
    assert "no column 'kind'" in reported
    assert "no column 'treatment'" in reported
    assert "'donor'" in reported


@pytest.mark.parametrize("given", ["labelled", "reference_label"])
def test_reference_and_column_go_together(path, tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    options = {"labelled": path, "reference_label": "type"}
    with pytest.raises(InputError, match="is given without"):
        check(samples=samples(tmp_path), **{given: options[given]})


def test_valid_files_are_passed_on(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.gmt").write_text("A\tx\tCD3D\tCD3E\n")

    check(
        samples=samples(tmp_path, donor="D1"), markers_db=tmp_path / "mine.gmt", labelled=path,
        reference_label="type", design=design(tmp_path, "donor"),
    )  # fmt: skip

    assert list(read_table("marker_sets.tsv")["gene"]) == ["CD3D", "CD3E"]
    assert set(ad.read_h5ad("reference.h5ad").obs["label"]) == set(TYPES)


def test_marker_sets_for_another_organism(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.tsv").write_text("organism\tcell_type\tgene\nmouse\tA\tCd3d\n")

    with pytest.raises(InputError, match="the organism is 'human'"):
        check(samples=samples(tmp_path), markers_db=tmp_path / "mine.tsv")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("T cell", "T cells", "yes"),
        ("T cell", "CD4 T", "yes"),
        ("CD14 monocyte", "CD14+ Mono", "yes"),
        ("monocyte", "FCGR3A+ Monocytes", "yes"),
        ("B cell", "T cell", "no"),
        ("alpha cell", "beta", "no"),
        ("CD4+ T", "CD4- T", "no"),
        ("CD4+ T", "CD4 T cell", "yes"),
        ("NK cell", "Natural killer cells", "yes"),
        ("NK cell", "Unknown", ""),
    ],
)
def test_agreement_of_names(one, other, expected):
    assert agreement(one, other) == expected
