"""Scores of cells in the report: numbers of their files, colourings, notes, harmless names."""

from __future__ import annotations

from pathlib import Path

import pytest
from scsiameseclu.files import read_json, write_json

from tests.report.simulate import HOSTILE, Plan
from tests.report.test_tables import colouring, content, methods_text, write


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    return write(tmp_path, Plan(scored=True, hostile=True), monkeypatch)[1]


def test_the_table_has_a_row_for_each_cluster(outputs):
    section = content(outputs, "cell_scores")
    rows = {name: row for name, row in section["data"].items() if name.startswith("group_1")}
    first = next(iter(rows.values()))
    assert len(rows) == 5
    assert first["share_S"] == pytest.approx(20)
    assert first["high_dissociation"] == "yes"
    assert first["set_0"] == pytest.approx(0.5)
    titles = [header["title"] for header in section["headers"].values()]
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in titles
    assert "Dissociation stress is high in cluster 0" in section["description"]
    assert "thin (1 of 30)" in section["description"]
    assert "(the nearest name is GENE3)" in section["description"]


def test_the_umap_has_phase_sets_and_genes(outputs):
    phases = colouring(outputs, "Phase")
    assert [cloud["name"] for cloud in phases] == ["G1", "S", "G2M"]
    names = [label["name"] for label in content(outputs, "umap_1")["pconfig"]["data_labels"]]
    start = names.index("Phase")
    assert names[start + 1] == "Dissociation stress (&#37;)"
    assert [name.split()[0] for name in names[start + 2 :]] == ["Set", "Gene", "Gene"]
    gene = colouring(outputs, names[-1])
    assert sum(len(cloud["pairs"]) for cloud in gene) > 100
    assert gene[0]["name"] == "No counts"
    assert gene[1]["name"].startswith("Below ")


def test_genes_are_dots_and_methods_say_what_was_done(outputs):
    text = content(outputs, "gene_dots")["data"]
    assert "<circle" in text
    assert "<script" not in text
    methods = methods_text(outputs)
    assert "from 43 and 54 genes" in methods
    assert "scored for 1 gene set by the ranks" in methods
    for path in outputs.glob("*_mqc.json"):
        assert HOSTILE not in path.read_text()


def test_of_many_groups_there_is_one_plot_for_each_colouring(tmp_path, monkeypatch):
    plan = Plan(n_samples=6, n_groups=6, n_cells=200, failed=(), labelled=False, scored=True)
    _, outputs = write(tmp_path, plan, monkeypatch)
    assert content(outputs, "umap_scores_0")["section_name"] == "UMAP: Phase"
    assert len(content(outputs, "umap_scores_0")["pconfig"]["data_labels"]) == 6


def test_without_it_nothing_is_said(tmp_path, monkeypatch):
    write(tmp_path, Plan(), monkeypatch)
    assert not list(Path().glob("cell_scores*"))
    assert not list(Path().glob("gene_dots*"))
    assert "UCell" not in Path("methods_mqc.json").read_text()


def test_notes_stand_somewhere_even_if_no_gene_is_in_the_data(tmp_path, monkeypatch):
    def add(folder: Path) -> None:
        record = folder / "groups" / "group_1.cell_scores.json"
        write_json({"genes": [{"gene": HOSTILE, "found": None}], "notes": []}, record)

    _, outputs = write(tmp_path, Plan(), monkeypatch, add=add)
    assert (
        "Genes that are not in the data: &lt;script" in content(outputs, "gene_dots")["description"]
    )


def test_names_that_begin_alike_are_colourings_of_their_own(tmp_path, monkeypatch):
    def add(folder: Path) -> None:
        for path in sorted((folder / "groups").glob("*.cell_scores.json")):
            account = read_json(path)
            known = account["gene_sets"][0]
            account["gene_sets"] = [known | {"set": "x" * 40 + end} for end in "ab"]
            write_json(account, path)

    _, outputs = write(tmp_path, Plan(scored=True), monkeypatch, add=add)
    names = [label["name"] for label in content(outputs, "umap_1")["pconfig"]["data_labels"]]
    assert sum(name.startswith("Set ") for name in names) == 2
