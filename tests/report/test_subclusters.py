"""Subclusters in the report: the numbers of their files, and harmless names."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from scsiameseclu.files import write_json, write_table

from tests.report.simulate import HOSTILE, Plan
from tests.report.test_tables import content, write


def add_subclusters(folder: Path) -> None:
    """Write the tables of a group with one cluster divided and one left whole."""
    group = folder / "groups" / "group_1"
    columns = ["cluster", "cell_type", "cluster_sub", "n_cells", "stability", "n_markers", "note"]
    rows = [
        ("0", f"T {HOSTILE}", "0.1", 60, 0.81, 2, None),
        ("0", f"T {HOSTILE}", "0.2", 20, 0.44, 0, None),
        ("3", "B cell", "3", 12, None, None, "not divided: fewer than 50 cells"),
    ]
    write_table(pd.DataFrame(rows, columns=columns), Path(f"{group}.subclusters.tsv"))
    markers = pd.DataFrame(
        [("0.1", f"GENE{HOSTILE}", 2.0), ("0.1", "CCR7", 1.0), ("0.1", "LOW", -1.0)],
        columns=["cluster", "gene", "avg_log2FC"],
    )
    write_table(markers.assign(p_val=1e-9, p_val_adj=1e-8), Path(f"{group}.submarkers.tsv"))
    notes = [f"No cluster or cell type of this group is called '{HOSTILE}'."]
    write_json({"subcluster": "0,3", "notes": notes}, Path(f"{group}.subclusters.json"))


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    return write(tmp_path, Plan(), monkeypatch, add=add_subclusters)[1]


def test_each_part_has_a_row_with_its_markers(outputs):
    rows = content(outputs, "subclusters")["data"]
    first, second, whole = rows.values()
    assert next(iter(rows)).endswith("cluster 0.1")
    assert (first["n_cells"], first["stability"], first["n_markers"]) == (60, 0.81, 2)
    assert "CCR7" in first["genes"]
    assert "LOW" not in first["genes"]
    assert second["n_markers"] == 0
    assert "fewer than 50 cells" in whole["note"]
    assert "stability" not in whole


def test_names_that_no_cluster_has_are_said_and_harmless(outputs):
    text = (outputs / "subclusters_mqc.json").read_text()
    assert "No cluster or cell type of this group is called" in text
    assert "<script" not in text


def test_the_methods_say_what_was_done(outputs):
    text = content(outputs, "methods")["data"]
    assert "In 1 of 2 clusters that were chosen" in text
    assert "2 parts" in text


def test_without_it_nothing_is_said(tmp_path, monkeypatch):
    write(tmp_path, Plan(), monkeypatch)
    assert not Path("subclusters_mqc.json").exists()
    assert "were clustered again" not in Path("methods_mqc.json").read_text()
