"""Clusters within clusters: planted parts are found, and what cannot be divided is left whole."""

from __future__ import annotations

import json
import os
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scsiameseclu.annotation.assemble import assemble
from scsiameseclu.annotation.markers import find_markers
from scsiameseclu.annotation.subclusters import (
    Division,
    chosen_clusters,
    division_of,
    named,
    subclusters,
)
from scsiameseclu.expression.normalize import normalize
from scsiameseclu.files import (
    read_json,
    read_table,
    set_settings,
    write_h5ad,
    write_json,
    write_table,
)
from sklearn.metrics import adjusted_rand_score

from tests.clustering.simulated_counts import simulated

CLUSTER_OF = {"type0": "0", "type1": "0", "type2": "1", "type3": "2"}
TYPES = {"0": "T cell", "1": "B cell", "2": "NK cell"}
OUTPUTS = ("cluster_sub.tsv", "subclusters.tsv", "submarkers.tsv", "subclusters.json")


@pytest.fixture(scope="module")
def group(tmp_path_factory) -> Path:
    """Write a group: cluster 0 holds two planted types, 1 one, and 2 the 30 cells of a fourth."""
    folder = tmp_path_factory.mktemp("group")
    cells = simulated(sizes=(120, 90, 80, 30))
    adata = normalize(ad.AnnData(cells.X, obs=cells.obs[["label"]], var=cells.var), n_pcs=10)
    truth = adata.obs.pop("label")
    adata.obs["sample"] = pd.Categorical(["one"] * adata.n_obs)
    adata.var["gene_ids"] = adata.var_names
    adata.uns = {key: adata.uns[key] for key in ("log1p", "hvg", "pca")}
    set_settings(adata, {"group": "g", "organism": "human", "tissue": "blood", "samples": []})
    write_h5ad(adata, folder / "g.expression.h5ad")
    clusters = pd.Categorical(truth.map(CLUSTER_OF))
    obs = pd.DataFrame({"cluster": clusters}, index=adata.obs_names)
    obs["cluster_confidence"] = np.float32(0.5)
    found = ad.AnnData(obs=obs, obsm={"X_scsiameseclu": adata.obsm["X_pca"]})
    found.uns["scsiameseclu"] = json.dumps({"seed": 0})
    write_h5ad(found, folder / "g.clustering.h5ad")
    table = pd.DataFrame({"cluster": list(TYPES), "cell_type": list(TYPES.values())})
    write_table(table, folder / "g.annotation.tsv")
    truth.to_csv(folder / "truth.csv")
    umap = pd.DataFrame(adata.obsm["X_pca"][:, :2], columns=["umap_1", "umap_2"])
    write_table(umap.assign(barcode=adata.obs_names), folder / "g.umap.tsv")
    return folder


def divided(group: Path, folder: Path, chosen: object = "all", **options: object) -> Path:
    """Run the step in a folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        write_json({"subcluster": chosen}, "chosen.json")
        subclusters(
            prefix="g",
            expression=group / "g.expression.h5ad",
            clustering=group / "g.clustering.h5ad",
            annotation=group / "g.annotation.tsv",
            chosen=Path("chosen.json"),
            **options,
        )
    finally:
        os.chdir(before)
    return folder


@pytest.fixture(scope="module")
def everything(group, tmp_path_factory):
    return divided(group, tmp_path_factory.mktemp("all"))


def test_planted_parts_are_found_and_their_names_nest(group, everything):
    cells = read_table(everything / "g.cluster_sub.tsv", dtype=str)
    truth = pd.read_csv(group / "truth.csv", index_col=0)["label"]
    assert list(cells["barcode"]) == list(truth.index)
    clusters = truth.map(CLUSTER_OF).to_numpy()
    assert (cells["cluster_sub"].str.split(".").str[0].to_numpy() == clusters).all()
    inside = clusters == "0"
    assert set(cells["cluster_sub"][inside]) == {"0.1", "0.2"}
    assert adjusted_rand_score(truth[inside], cells["cluster_sub"][inside]) > 0.95
    sizes = cells["cluster_sub"].value_counts()
    assert sizes["0.1"] > sizes["0.2"]


def test_small_and_uniform_clusters_are_not_divided_and_the_reason_is_given(everything):
    table = read_table(everything / "g.subclusters.tsv", dtype={"cluster": str, "cluster_sub": str})
    assert list(table["cluster_sub"]) == ["0.1", "0.2", "1", "2"]
    assert list(table["cell_type"]) == ["T cell", "T cell", "B cell", "NK cell"]
    assert table["n_cells"].sum() == 320
    assert table["note"].isna().tolist() == [True, True, False, False]
    assert "agree on no division of it" in table["note"][2]
    assert "fewer than 50 cells" in table["note"][3]
    assert table["stability"].notna().tolist() == [True, True, False, False]
    assert table["stability"].min() > 0.5
    assert (table["n_markers"][:2] > 5).all()
    assert table["n_markers"][2:].isna().all()


def test_markers_are_against_sibling_subclusters_only(group, everything):
    adata = ad.read_h5ad(group / "g.expression.h5ad")
    names = read_table(everything / "g.cluster_sub.tsv", dtype=str)["cluster_sub"].to_numpy()
    siblings = adata[np.isin(names, ["0.1", "0.2"])].copy()
    siblings.obs["cluster"] = pd.Categorical(names[np.isin(names, ["0.1", "0.2"])])
    found = read_table(everything / "g.submarkers.tsv", dtype={"cluster": str})
    expected = find_markers(siblings, exact=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert set(found["cluster"]) == {"0.1", "0.2"}


def test_only_chosen_clusters_are_divided_and_unknown_names_are_noted(group, tmp_path):
    divided(group, tmp_path, "b CELL, Basophil,2")
    table = read_table(tmp_path / "g.subclusters.tsv", dtype={"cluster": str})
    assert list(table["cluster"]) == ["1", "2"]
    assert set(read_table(tmp_path / "g.cluster_sub.tsv", dtype=str)["cluster_sub"]) == set("012")
    assert read_table(tmp_path / "g.submarkers.tsv").empty
    assert read_json(tmp_path / "g.subclusters.json") == {
        "subcluster": "b CELL, Basophil,2",
        "notes": ["No cluster or cell type of this group is called 'Basophil'."],
    }


@pytest.mark.parametrize(
    ("asked", "found", "n_notes"),
    [
        ("all", ["0", "1", "2"], 0),
        (" ALL ", ["0", "1", "2"], 0),
        ("all,T cell", ["0", "1", "2"], 0),
        ("cd4,All", ["0", "1", "2"], 1),
        ("T cell", ["0", "2"], 0),
        ("1,T cell", ["0", "1", "2"], 0),
        ("CD4, naive", ["1"], 0),
        ("cd4", [], 1),
        ("1, ,", ["1"], 0),
        ("'; rm -rf /", [], 1),
    ],
)
def test_names(asked, found, n_notes):
    chosen, notes = chosen_clusters(asked, {"0": "T cell", "1": "CD4, naive", "2": "T cell"})
    assert chosen == found
    assert len(notes) == n_notes


def test_the_same_seed_gives_the_same_bytes_and_no_label_reaches_it(
    group, everything, tmp_path, monkeypatch
):
    monkeypatch.setenv("SCSIAMESECLU_THREADS", "2")
    labelled = ad.read_h5ad(group / "g.expression.h5ad")
    labelled.obs["label"] = pd.Categorical(np.arange(labelled.n_obs) % 7)
    copy = tmp_path / "copy"
    copy.mkdir()
    write_h5ad(labelled, copy / "g.expression.h5ad")
    for name in ("g.clustering.h5ad", "g.annotation.tsv"):
        (copy / name).write_bytes((group / name).read_bytes())
    divided(copy, tmp_path)
    for name in OUTPUTS:
        assert (tmp_path / f"g.{name}").read_bytes() == (everything / f"g.{name}").read_bytes()


def test_cells_beyond_the_sketch_are_placed(group, monkeypatch):
    adata = ad.read_h5ad(group / "g.expression.h5ad")
    truth = pd.read_csv(group / "truth.csv", index_col=0)["label"]
    inside = truth.isin(["type0", "type1"]).to_numpy()
    counts, batches = adata.layers["counts"][inside], np.zeros(inside.sum(), dtype=np.int64)
    monkeypatch.setattr("scsiameseclu.annotation.subclusters.MAX_CELLS", 150)
    division = division_of(counts, batches)
    assert adjusted_rand_score(truth[inside], division.labels) > 0.9
    assert len(division.labels) == 210


def test_batches_within_a_cluster_are_corrected(group):
    adata = ad.read_h5ad(group / "g.expression.h5ad")
    truth = pd.read_csv(group / "truth.csv", index_col=0)["label"]
    inside = np.flatnonzero(truth.isin(["type0", "type1"]))
    batches = np.arange(len(inside)) % 2
    dense = adata.layers["counts"][inside].toarray()
    dense[:, ::3] *= np.where(batches == 1, 6, 1)[:, None]
    counts = type(adata.layers["counts"])(dense)
    kept = division_of(counts, batches.astype(np.int64))
    assert adjusted_rand_score(truth.iloc[inside], kept.labels) > 0.9
    assert adjusted_rand_score(batches, kept.labels) < 0.1


def test_order_of_the_names_is_that_of_the_numbers():
    clusters = pd.Series(pd.Categorical(["0", "10", "2", "10"], categories=["0", "2", "10"]))
    found = named(clusters, {"10": Division(np.array([1, 0]), [0.5, 0.5])})
    assert list(found) == ["0", "10.2", "2", "10.1"]
    assert list(found.categories) == ["0", "2", "10.1", "10.2"]


def test_assembled_data_have_the_column(group, everything, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {
        "expression": group / "g.expression.h5ad",
        "clustering": group / "g.clustering.h5ad",
        "umap": group / "g.umap.tsv",
        "annotation": group / "g.annotation.tsv",
    }
    assemble(prefix="g", **files, columns=[everything / "g.cluster_sub.tsv"])
    obs = ad.read_h5ad("g.h5ad").obs
    assert list(obs["cluster_sub"].cat.categories) == ["0.1", "0.2", "1", "2"]
    table = read_table("g.clusters.tsv", dtype=str)
    assert list(table)[-1] == "cluster_sub"
    assert list(table["cluster_sub"]) == list(obs["cluster_sub"])
    assemble(prefix="plain", **files)
    assert "cluster_sub" not in read_table("plain.clusters.tsv")
