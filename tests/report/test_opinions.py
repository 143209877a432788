"""The second opinion in the report: its numbers, harmless names, and silence without one."""

from __future__ import annotations

from pathlib import Path

import pytest
from scsiameseclu.files import write_json

from tests.report.simulate import HOSTILE, Plan
from tests.report.test_tables import content, write


def add_failure(folder: Path) -> None:
    problem = {"what": f"no genes {HOSTILE}", "where": "here", "remedy": "another model"}
    record = {"id": "group_1", "step": "annotation.opinion", "problems": [problem]}
    write_json(record, folder / "failures" / "group_1.annotation.opinion.failure.json")


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    return write(tmp_path, Plan(hostile=True), monkeypatch, add=add_failure)[1]


def test_clusters_have_a_row_of_each_source(outputs):
    found = content(outputs, "opinions")
    rows = {name: row for name, row in found["data"].items() if name.startswith("group_1")}
    first, last = rows["group_1, cluster 0, SingleR"], rows["group_1, cluster 0, CellTypist"]
    assert (first["share"], first["mean_score"], first["mean_delta"]) == (75, 0.5, 0.125)
    assert (first["agreement"], last["agreement"]) == ("agrees", "disagrees")
    assert "disagrees on 10 of the 20" in " ".join(found["description"].split())
    failed = content(outputs, "failed_steps")["data"]["group_1, annotation.opinion"]
    assert "no genes &lt;script" in failed["what"]
    assert "<script" not in (outputs / "opinions_mqc.json").read_text()


def test_a_cluster_says_who_disagrees(outputs):
    rows = content(outputs, "clusters")["data"]
    assert {row["second_opinion"] for row in rows.values()} == {"CellTypist disagrees"}


def test_the_methods_cite_both(outputs):
    text = " ".join(content(outputs, "methods")["data"].split())
    assert "SingleR (Aran et al." in text
    assert "CellTypist (Domínguez Conde et al." in text
    assert text.count("the most frequent type of its cells") == 1


def test_without_it_nothing_is_said(tmp_path, monkeypatch):
    _, outputs = write(tmp_path, Plan(labelled=False), monkeypatch)
    assert not Path("opinions_mqc.json").exists()
    assert "second_opinion" not in (outputs / "clusters_mqc.json").read_text()
    assert "SingleR" not in (outputs / "methods_mqc.json").read_text()
