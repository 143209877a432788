"""The page: the template with the available results."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scsiameseclu.benchmark import figures, methods
from scsiameseclu.benchmark.methods import ABLATIONS
from scsiameseclu.benchmark.page import _PLACE, benchmark_page, filled, write_page
from scsiameseclu.benchmark.results import COLUMNS, append
from scsiameseclu.files import write_table

from .conftest import measured

pytestmark = pytest.mark.slow


@pytest.fixture
def output(tmp_path):
    (tmp_path / "bench").mkdir()
    return tmp_path / "bench"


def page_of(output, results):
    write_table(results, output / "results.tsv")
    write_page(output)
    return output.with_name("bench.md").read_text()


def test_the_page_starts_with_the_gain_over_leiden_by_kind_of_data_set(results, output):
    text = page_of(output, results)
    lead = "**+20.0 (+20.0 to +20.0)** on 2 held-out sets (higher on 2)"
    assert text.startswith("# Benchmarks\n\nARI gain of scSiameseClu over Leiden")
    assert lead in text
    assert "**+20.0** on 1 development set (higher on 1)" in text
    assert {path.name for path in output.glob("*.png")} == {"difference.png", "ari.png", "cost.png"}


@pytest.mark.parametrize(
    "line",
    [
        "| k-means | 90.0 | 50.0 | 31.0 | 26.0 | 41.0 | 1.4 | +40.0 (+40.0 to +40.0) | "
        "+40.0 (+40.0 to +40.0) |",
        "| scSiameseClu | 90.0 | 50.0 | 71.0 | 66.0 | 81.0 | 1.4 | – | – |",
        "| large.h5ad | 1000 | 4 | 61.0 (6) | 51.0 (6) | 41.0 (6) | 31.0 (6) |",
        "| kang8.h5ad * | 200 | 4 | 81.0 | 71.0 | 61.0 | 41.0 |",
        "| third.h5ad | 500 | 4 | 2.00 | 2.00 | 2.00 | 2.00 | 2.00 | 1.0 | 1.0 |",
    ],
)
def test_tables_by_hand(results, output, line):
    assert line in page_of(output, results)


def test_failures_are_named_and_count(results, output):
    failed = (
        (results["method"] == "louvain")
        & (results["dataset"] == "large.h5ad")
        & (results["seed"] == 1)
    )
    results = results.astype({"error": object, "n_clusters": float, "peak_rss_mb": float})
    results.loc[failed, ["ari", "acc", "nmi", "seconds", "n_clusters", "peak_rss_mb"]] = np.nan
    results.loc[failed, "error"] = "MemoryError: no"
    text = page_of(output, results)
    assert "**Failed**, scored 0: louvain on large.h5ad, k auto, seed 1 (MemoryError: no)." in text
    assert "| large.h5ad | 1000 | 4 | 61.0 (6) | 51.0 (6) | 41.0 (6) | 15.0 (6) |" in text


def test_twelve_methods_do_not_crash_the_figures(results, output, monkeypatch):
    more = tuple(methods.Ours(f"more{i}", f"More {i}") for i in range(8))
    rows = [results[results["method"] == "leiden"].assign(method=method.name) for method in more]
    monkeypatch.setattr(figures, "COMPARED", (*methods.COMPARED, *more))
    monkeypatch.setattr(
        figures, "METHODS", {method.name: method for method in (*figures.COMPARED, methods.SCANPY)}
    )
    everything = pd.concat([results, *rows], ignore_index=True)
    figures.draw_figures(
        output, results=everything, scaling=everything, timed=everything, beside=everything
    )
    assert len(list(output.glob("*.png"))) == 5
    assert len({tuple(figures.look(name).values()) for name in figures.METHODS}) == len(
        figures.METHODS
    )


def test_a_page_without_results_has_no_empty_sections(output):
    write_page(output)
    text = output.with_name("bench.md").read_text()
    assert re.findall("^## .*", text, flags=re.MULTILINE) == ["## How it is measured"]
    assert "<!--" not in text


def test_notes_in_the_folder_of_tables_are_kept(results, output):
    (output / "notes.md").write_text("Two cores were shared.\n")
    (output / "leaks.md").write_text("- An epoch is chosen by the labels.\n")
    assert "## Labels in published code" in page_of(output, results)
    assert "Two cores were shared." in page_of(output, results)
    assert page_of(output, results) == page_of(output, results)


def test_ablations_are_compared_with_the_full_method(results, output):
    table = output / "results.tsv"
    page_of(output, results)
    for place, method in enumerate(ABLATIONS):
        for dataset, cells, best in (("kang8.h5ad", 200, 0.8), ("large.h5ad", 1000, 0.6)):
            append(measured(dataset, cells, method.name, "true", 0, best - 0.01 * place), table)
    write_page(output)
    text = output.with_name("bench.md").read_text()
    assert "2 data sets, 1 seed." in text
    assert "| full | 70.0 | +0.00 (+0.00 to +0.00) | +0.00 | 0 / 0 | 100.0 |" in text
    assert "| without CRR | 69.0 | -1.00 (-1.00 to -1.00) | -1.00 | 0 / 2 | 0.0 |" in text
    assert "| consensus | 60.0 | -10.00 (-10.00 to -10.00) | -10.00 | 0 / 2 | 0.0 |" in text


def test_a_sketch_is_compared_with_all_cells(results, output):
    table = output / "results.tsv"
    page_of(output, results)
    for dataset, cells, ari in (("kang8.h5ad", 200, 0.7), ("large.h5ad", 1000, 0.5)):
        for method, best in (("scsiameseclu", ari), ("sketch", ari - 0.01)):
            append(measured(dataset, cells, method, "true", 0, best), table)
    write_page(output)
    text = output.with_name("bench.md").read_text()
    assert "With the true number of clusters: -1.0 (-1.0 to -1.0) over 2 data sets, 1 seed." in text
    assert "| large.h5ad | 50.0 | 49.0 |" in text


def test_the_page_of_a_run_is_about_the_run(results, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_table(results[results["dataset"] == "large.h5ad"].assign(dataset="blood"), "blood.tsv")
    benchmark_page(results=[Path("blood.tsv")])
    text = Path("benchmarks.md").read_text()
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert "benchmarks/results.tsv" in links
    assert [link for link in links if not Path(link).exists()] == []
    assert text.count("groups of this run that have labels") == 1
    assert not re.search("make benchmark|<!--|were used to choose", text)


def test_every_place_of_the_template_can_be_filled():
    template = (files("scsiameseclu.benchmark") / "page.md").read_text()
    text = filled(template, {place: f"measured {place}" for place in _PLACE.findall(template)})
    assert text.count("measured ") >= len(_PLACE.findall(template))
    assert set(COLUMNS) >= {"error", "data", "code", "versions"}
