"""The chapter on groups of several samples."""

from __future__ import annotations

import numpy as np
import pytest
from scsiameseclu.files import read_json, read_table, write_json, write_table
from scsiameseclu.report.samples import MAX_PICTURES
from scsiameseclu.report.tables import write_tables

from tests.report.simulate import HOSTILE, Plan, simulate
from tests.report.test_tables import METHODS, colouring, content, write

CHAPTER = {"batch_correction", "batch_mixing", "batch_concordance", "umap_correction"}


def chapter(outputs) -> set[str]:
    """Return its sections but the one on ambient RNA, which any group may have."""
    sections = [path.name.removesuffix("_mqc.json") for path in outputs.glob("*_mqc.json")]
    found = {name for name in sections if content(outputs, name)["parent_id"] == "samples"}
    return found - {"ambient"}


def pictures(outputs) -> list[list[dict]]:
    """Return the clouds of each group's UMAPs, without the line between the two."""
    pictures = content(outputs, "umap_correction")["pconfig"]["extra_series"]
    assert all(series[-1]["name"] == "before | after" for series in pictures)
    return [series[:-1] for series in pictures]


@pytest.fixture
def four(tmp_path, monkeypatch):
    return write(tmp_path, Plan(n_samples=4, n_groups=1, failed=()), monkeypatch)


def test_the_decision_is_told_with_its_reason_and_figures(four):
    inputs, outputs = four
    assert chapter(outputs) == CHAPTER | {"sample_distances_1"}
    row = content(outputs, "batch_correction")["data"]["group_1"]
    decision = read_json(inputs / "groups" / "group_1.clustering.json")["batch_correction"]
    mixing = read_json(inputs / "groups" / "group_1.mixing.json")["all"]
    assert row["corrected"] == "Yes"
    assert "Cells lie beside their own batch." in row["reason"]
    assert row["n_batches"] == 4
    assert {name: row[name] for name in ("need", "validity", "shared")} == {
        name: decision[name] for name in ("need", "validity", "shared")
    }
    for name in ("ilisi_before", "ilisi_after", "clisi_before", "clisi_after"):
        assert row[name] == mixing[name]
    assert "1 (T cell)" in row["doubtful"]
    assert row["farthest"].startswith("sample_1: 0.20")


def test_mixing_of_each_type_is_that_of_the_file(four):
    inputs, outputs = four
    rows = content(outputs, "batch_mixing")["data"]
    types = read_json(inputs / "groups" / "group_1.mixing.json")["cell_types"]
    assert len(rows) == len(types)
    assert rows["group_1, B cell"]["over_expected_after"] == types[0]["over_expected_after"]
    alone = rows[f"group_1, {types[-1]['cell_type']}"]
    assert alone["n_batches"] == 1
    assert set(alone) == {"n_cells", "n_batches", "clisi_before", "clisi_after"}


def test_clusters_of_low_concordance_are_flagged_as_the_clustering_does(four):
    limits = read_json(four[0] / "groups" / "group_1.clustering.json")["limits"]
    about = content(four[1], "batch_correction")["description"]
    assert f"(need below {limits['need']})" in about
    assert f"(concordance from {limits['validity']})" in about
    assert f"(shared from {limits['shared']})" in about
    assert (
        f"Below {limits['cluster']}, a cluster"
        in content(four[1], "batch_concordance")["description"]
    )
    rows = content(four[1], "batch_concordance")["data"]
    assert [name for name, row in rows.items() if row["verdict"] == "Doubtful"] == [
        "group_1, cluster 1"
    ]


def test_both_umaps_hold_the_same_cells_beside_each_other(four):
    inputs, outputs = four
    clouds = pictures(outputs)[0]
    assert [cloud["name"] for cloud in clouds] == [f"sample_{number}" for number in range(1, 5)]
    cells = len(read_table(inputs / "groups" / "group_1.umap.tsv"))
    places = np.concatenate([cloud["pairs"] for cloud in clouds])
    assert len(places) == 2 * cells
    left = places[:, 0] <= 1
    assert left.sum() == cells
    assert places[~left, 0].min() == pytest.approx(1.3)
    assert places.min() == 0
    assert f"All {cells:,} cells are drawn." in content(outputs, "umap_correction")["description"]


def test_points_are_limited(tmp_path, monkeypatch):
    _, outputs = write(
        tmp_path, Plan(n_samples=4, n_groups=1, failed=()), monkeypatch, max_points=500
    )
    clouds = pictures(outputs)[0]
    assert sum(len(cloud["pairs"]) for cloud in clouds) == 2 * 100


def test_distances_are_those_of_the_file_with_those_alike_together(four):
    inputs, outputs = four
    pairs = read_table(inputs / "groups" / "group_1.sample_distances.tsv")
    picture = content(outputs, "sample_distances_1")
    place = {name: index for index, name in enumerate(picture["xcats"])}
    assert picture["xcats"] == picture["ycats"]
    for _, pair in pairs.iterrows():
        value = picture["data"][place[pair["sample"]]][place[pair["other"]]]
        assert value == pytest.approx(pair["distance"], abs=1e-4)
    assert place["sample_1"] in (0, 3), "it stands apart, at the edge"
    assert "within each cell type" in picture["description"]


def test_single_samples_show_nothing(tmp_path, monkeypatch):
    _, outputs = write(tmp_path, Plan(n_samples=3, n_groups=3, failed=()), monkeypatch)
    assert chapter(outputs) == set()


def test_without_correction_there_is_neither_picture_nor_concordance(tmp_path, monkeypatch):
    _, outputs = write(
        tmp_path, Plan(n_samples=4, n_groups=2, failed=(), corrected=False), monkeypatch
    )
    assert chapter(outputs) == {
        *("batch_correction", "batch_mixing", "sample_distances_1", "sample_distances_2")
    }
    assert content(outputs, "batch_correction")["data"]["group_2"]["corrected"] == "No"


def test_samples_of_one_batch_are_told(tmp_path, monkeypatch):
    paths = simulate(tmp_path / "in", Plan(n_samples=2, n_groups=1, failed=(), corrected=False))
    (paths["groups"] / "group_1.mixing.json").unlink()
    summary = paths["groups"] / "group_1.clustering.json"
    write_json(read_json(summary) | {"batch_correction": None}, summary)
    distances = paths["groups"] / "group_1.sample_distances.tsv"
    write_table(read_table(distances).assign(n_cell_types=0), distances)
    monkeypatch.chdir(tmp_path)
    write_tables(**paths, methods=METHODS)
    row = content(tmp_path, "batch_correction")["data"]["group_1"]
    assert (row["corrected"], row["n_batches"]) == ("No", 1)
    assert "The samples are one batch." in row["reason"]
    assert chapter(tmp_path) == {"batch_correction", "sample_distances_1"}
    assert "summed over all cells" in content(tmp_path, "sample_distances_1")["description"]


def test_of_very_many_groups_the_first_and_the_lowest_are_shown(tmp_path, monkeypatch):
    plan = Plan(
        n_samples=2 * (MAX_PICTURES + 2), n_groups=MAX_PICTURES + 2, failed=(), n_clusters=8
    )
    _, outputs = write(tmp_path, plan, monkeypatch)
    assert len(pictures(outputs)) == MAX_PICTURES
    assert f"Of {MAX_PICTURES + 2} corrected groups the first {MAX_PICTURES}." in str(
        content(outputs, "umap_correction")["description"]
    )
    rows = content(outputs, "batch_concordance")["data"]
    assert len(rows) == 60
    assert sum(row["verdict"] == "Doubtful" for row in rows.values()) == MAX_PICTURES + 2
    assert {name for name in chapter(outputs) if "distances" in name} == {
        f"sample_distances_{n}" for n in range(1, 5)
    }


def test_hostile_names_of_batches_and_types_are_text(tmp_path, monkeypatch):
    _, outputs = write(
        tmp_path, Plan(n_samples=4, n_groups=1, failed=(), hostile=True), monkeypatch
    )
    assert chapter(outputs) == CHAPTER | {"sample_distances_1"}
    for name in chapter(outputs):
        assert HOSTILE not in (outputs / f"{name}_mqc.json").read_text()
        assert "<b>bold" not in (outputs / f"{name}_mqc.json").read_text()
    names = [cloud["name"] for cloud in pictures(outputs)[0]]
    assert len(set(names)) == 4
    assert all("&lt;script&gt;" in name for name in names)


def test_the_umap_can_be_coloured_by_sample_and_condition(tmp_path, monkeypatch):
    paths = simulate(tmp_path / "in", Plan(n_samples=4, n_groups=1, failed=()))
    write_json(read_json(paths["parameters"]) | {"condition": "donor"}, paths["parameters"])
    monkeypatch.chdir(tmp_path)
    write_tables(**paths, methods=METHODS)
    for view, names in (
        ("Sample", [f"sample_{n}" for n in range(1, 5)]),
        ("Condition", ["D0", "D1", "D2", "D3"]),
    ):
        assert [cloud["name"] for cloud in colouring(tmp_path, view)] == names
    assert "islands of one sample" in content(tmp_path, "umap_1")["description"]
