"""The page: measured parts between marks, everything else as people wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest
from scsiameseclu.benchmark.page import NOT_MADE, filled, template, write_page


def test_text_between_the_measured_parts_is_kept(results, tmp_path):
    none = results.iloc[:0]
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench.md").write_text("mine\n<!-- begin coverage -->\nold\n<!-- end coverage -->\nmine, too\n")
    write_page(tmp_path / "bench", results=results, ablation=none, scaling=none)
    text = (tmp_path / "bench.md").read_text()
    assert text.startswith("mine\n<!-- begin coverage -->\n\n2 data sets.")
    assert text.endswith("<!-- end coverage -->\nmine, too\n")
    assert "| small.h5ad | 200 | 50 | 4 | 2 |" in text
    assert "kept the training in 4 of 8 fits" in text


def test_a_page_without_results_says_so(results, tmp_path):
    (tmp_path / "bench").mkdir()
    none = results.iloc[:0]
    write_page(tmp_path / "bench", results=none, ablation=none, scaling=none)
    text = (tmp_path / "bench.md").read_text()
    assert text.count(NOT_MADE) == text.count("<!-- begin ")


def test_filling_twice_changes_nothing():
    once = filled(template(), {"coverage": "all"})
    assert filled(once, {"coverage": "all"}) == once


def test_the_page_of_the_docs_has_all_parts():
    page = Path(__file__).parents[2] / "docs" / "benchmarks.md"
    marks = [line for line in template().splitlines() if line.startswith("<!--")]
    assert [line for line in page.read_text().splitlines() if line.startswith("<!--")] == marks


@pytest.mark.parametrize("block", ["summary_true", "sets_auto", "cost"])
def test_tables_are_in_their_places(results, tmp_path, block):
    (tmp_path / "bench").mkdir()
    none = results.iloc[:0]
    write_page(tmp_path / "bench", results=results, ablation=none, scaling=none)
    text = (tmp_path / "bench.md").read_text()
    part = text.split(f"<!-- begin {block} -->")[1].split("<!-- end")[0]
    expected = {
        "summary_true": "| k-means | 90.0 | 50.0 | 41.0 | 31.0 | 1.4 | 1.4 | 0.200 | -10.0 (small.h5ad) |",
        "sets_auto": "| large.h5ad | 1000 | 4 | 61.0 (6) | 51.0 (6) | 21.0 (6) | 11.0 (6) |",
        "cost": "| small.h5ad | 200 | 4 | 2.0 s, 300 MB |",
    }
    assert expected[block] in part
