"""Proteins, hashtags and guides in the report: right numbers and harmless names."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from scsiameseclu.files import read_json, write_json, write_table
from scsiameseclu.report.tables import write_tables

from tests.report.simulate import HOSTILE, Plan, simulate
from tests.report.test_tables import METHODS, content, methods_text, write

NAME = f"CD3 {HOSTILE}"


def add_captured(folder: Path) -> None:
    """Write what a hashed pool with proteins and guides adds to sample and group 1."""
    path = folder / "samples" / "sample_1.qc.json"
    numbers = {"none": 3, "one": 190, "several": 7}
    captured = {
        "protein": {"n_features": 2, "median_counts": 310.5},
        "hashtag": {"n_features": 2, "median_counts": 250.0},
        "guide": {"n_features": 1, "median_counts": 30.0}
        | {f"n_cells_with_{k}": v for k, v in numbers.items()},
    }
    hashtags = {"n_cells": {NAME: 120, "b": 80}, "n_doublets": 11, "n_negatives": 4}
    own = {"min_guide_counts": 20}
    added = {"captured": captured, "hashtags": hashtags, "overrides": own}
    write_json(read_json(path) | added, path)
    group = folder / "groups" / "group_1"
    pairs = [(str(cluster), protein) for cluster in range(5) for protein in (NAME, "CD19")]
    profiles = pd.DataFrame(pairs, columns=["cluster", "protein"]).assign(
        share=0.5, mean=[1.0, 0.25] * 5
    )
    write_table(profiles, Path(f"{group}.protein_profiles.tsv"))
    markers = pd.DataFrame(
        [
            ("0", NAME, 2.0, 1.0, 0.9, 1e-30, 2e-30, 2.25, 0.5),
            ("0", "CD19", -1.0, 1.0, 0.9, 1e-9, 2e-9, 0.2, 0.5),
            ("1", "CD19", 1.0, 1.0, 0.9, 0.009, 0.018, 0.6, 0.5),
        ],
        columns=[
            "cluster",
            "protein",
            "avg_log2FC",
            "pct.1",
            "pct.2",
            "p_val",
            "p_val_adj",
            "mean_clr",
            "mean_clr_rest",
        ],
    )
    write_table(markers, Path(f"{group}.protein_markers.tsv"))
    for kind in ("hashtag", "guide"):
        table = pd.DataFrame(
            {"cluster": ["0", "0", "1"], kind: [NAME, "b", "b"], "n_cells": [30, 20, 10]}
        )
        write_table(table, Path(f"{group}.{kind}s.tsv"))
    write_json(
        {"n_features": {"protein": 2}, "notes": [f"Not measured {HOSTILE}"]},
        Path(f"{group}.modalities.json"),
    )


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    return write(tmp_path, Plan(), monkeypatch, add=add_captured)[1]


def test_samples_have_their_numbers(outputs):
    (row,) = content(outputs, "captured")["data"].values()
    assert row["proteins"] == 2
    assert row["protein_counts"] == 310.5
    assert (row["doublets"], row["negatives"]) == (11, 4)
    assert ": 120, b: 80" in row["singlets"]
    assert (row["guide_none"], row["guide_one"], row["guide_several"]) == (3, 190, 7)


def test_proteins_are_drawn_and_named_by_cluster(outputs):
    picture = content(outputs, "protein_dots")["data"]
    assert picture.count("<circle") == 10
    assert "Not measured" in picture
    rows = content(outputs, "protein_markers")["data"]
    first, second = rows["group_1, cluster 0"], rows["group_1, cluster 1"]
    assert "(2.2)" in first["high"]
    assert "CD19 (0.2)" in first["low"]
    assert "CD19" not in second["high"], "its adjusted p-value is too large"


def test_hashtags_and_guides_are_counted_by_cluster(outputs):
    for section in ("hashtags_by_cluster", "guides_by_cluster"):
        (data,) = content(outputs, section)["data"]
        assert [sum(row.values()) for row in data.values()] == [50, 10]


def test_names_are_harmless(outputs):
    for section in (
        "captured",
        "protein_dots",
        "protein_markers",
        "hashtags_by_cluster",
        "guides_by_cluster",
    ):
        assert "<script" not in (outputs / f"{section}_mqc.json").read_text()


def test_the_methods_say_what_was_done(outputs):
    text = methods_text(outputs)
    for words in (
        "CITE-seq",
        "centered log ratio",
        "Cells of 1 hashed pool",
        "GMM-Demux",
        "at least 20 counts of it",
    ):
        assert words in text
    assert "results were also written" not in text


def test_the_methods_say_which_cells_were_given(tmp_path, monkeypatch):
    paths = simulate(tmp_path / "in", Plan())
    rows = json.loads(paths["samplesheet"].read_text())
    rows[0] |= {"cells": "cells.txt"}
    rows[1] |= {"overrides": {"force_cells": 300}}
    paths["samplesheet"].write_text(json.dumps(rows))
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    write_tables(**paths, methods=METHODS)
    text = methods_text(tmp_path / "out")
    assert "In 1 sample, the barcodes on a given list were taken as cells." in text
    assert (
        "In 1 sample, a given number of barcodes with the highest counts were taken as cells."
        in text
    )


@pytest.mark.parametrize(
    ("asked", "words"),
    [("seurat,sce", "as Seurat objects"), ("sce", "as SingleCellExperiments"), ("h5mu", "")],
)
def test_the_methods_say_what_was_exported(tmp_path, monkeypatch, asked, words):
    def add(folder: Path) -> None:
        params = folder / "params.json"
        write_json(read_json(params) | {"export": asked}, params)

    _, outputs = write(tmp_path, Plan(), monkeypatch, add=add)
    text = content(outputs, "methods")["data"]
    assert ("also written" in text) == bool(words), "MuData is written of groups with proteins only"
    assert f"also written {words}" in text or not words


def test_without_them_nothing_is_said(tmp_path, monkeypatch):
    write(tmp_path, Plan(), monkeypatch)
    assert not list(Path().glob("*captured*"))
    assert not list(Path().glob("*protein*"))
    assert "GMM-Demux" not in methods_text(tmp_path / "out")
