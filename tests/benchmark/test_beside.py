"""The paper's methods on the page: ranks, failures, missing fits, the paper's figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scsiameseclu.benchmark import page
from scsiameseclu.benchmark.baselines import BASELINES
from scsiameseclu.benchmark.beside import (
    beside_results,
    beside_table,
    mean_ranks,
    paper_table,
    ranking,
)
from scsiameseclu.benchmark.page import write_page
from scsiameseclu.benchmark.results import COLUMNS
from scsiameseclu.files import write_table

from .conftest import GIVEN_K, measured


@pytest.fixture
def found(results):
    """Return results with DEC on three sets (one best, one failed) and scDSC on one only."""
    rows = [measured(name, cells, "dec", "true", 0, ari) for name, cells, ari in SETS]
    failure = {
        "acc": None,
        "nmi": None,
        "ari": None,
        "seconds": None,
        "peak_rss_mb": None,
        "error": "MemoryError: no",
    }
    rows[1] |= failure
    rows.append(measured("kang8.h5ad", 200, "scdsc", "true", 0, 0.5))
    return pd.concat([results, pd.DataFrame(rows, columns=list(COLUMNS))], ignore_index=True)


SETS = (("kang8.h5ad", 200, 0.9), ("large.h5ad", 1000, 0.0), ("third.h5ad", 500, 0.65))


def test_ranks_by_hand(found):
    ranks = mean_ranks(beside_results(found))
    assert ranks.index[0] == "scsiameseclu"
    assert ranks.loc["scsiameseclu", "mean"] == pytest.approx((2 + 1 + 1) / 3)
    assert ranks.loc["dec", "mean"] == pytest.approx((1 + len(GIVEN_K) + 1 + 2) / 3)
    assert (ranks["low"] <= ranks["mean"]).all()
    assert (ranks["mean"] <= ranks["high"]).all()


def test_equal_methods_share_their_rank():
    rows = [
        measured("a", 9, name, "true", 0, ari)
        for name, ari in (("leiden", 0.5), ("dec", 0.5), ("kmeans", 0.1))
    ]
    ranks = mean_ranks(pd.DataFrame(rows, columns=list(COLUMNS)))
    assert ranks["mean"].to_dict() == {"leiden": 1.5, "dec": 1.5, "kmeans": 3.0}
    assert ranks["low"].isna().all()


def _ari(found, method, dataset):
    return found.query(
        "method == @method and dataset == @dataset and k_mode == 'true' and seed == 0"
    )["ari"].mean()


def test_failures_score_0_and_unfinished_methods_are_named(found):
    results = beside_results(found)
    text = beside_table(results, found)
    assert set(results["method"]) == GIVEN_K | {"dec"}
    assert results.loc[
        (results["method"] == "dec") & (results["dataset"] == "large.h5ad"), "ari"
    ].tolist() == [0.0]
    assert "**Failed**, scored 0: dec on large.h5ad, seed 0 (MemoryError: no)." in text
    gain = 100 * (_ari(found, "scsiameseclu", "kang8.h5ad") - 0.5)
    assert (
        "**Not ranked**: scDSC, measured on 1 of 3 data sets. There, the ARI gain of scSiameseClu "
        f"is {gain:+.1f}." in text
    )
    assert f"Not measured: {BASELINES[0].title}" in text
    line = next(line for line in text.splitlines() if line.startswith("| DEC "))
    assert line.split(" | ")[3] == f"{100 * (0.9 + 0 + 0.65) / 3:.1f}"


def test_without_baselines_their_section_is_left_out(results):
    assert not len(beside_results(results))


def test_the_papers_figures_are_compared_with_ours():
    rows = [
        measured("cite_cbmc.h5ad", 9, "scsiameseclu", "true", seed, ari)
        for seed, ari in ((0, 0.6), (1, 0.7))
    ]
    text = paper_table(pd.DataFrame(rows, columns=list(COLUMNS)))
    assert (
        "| cite_cbmc.h5ad | scSiameseClu | 74.7 / 68.7 / 67.6 | 90.0 / 50.0 / 65.0 | -2.6 |" in text
    )
    assert "kidney" not in text
    assert not paper_table(pd.DataFrame(rows, columns=list(COLUMNS)).assign(dataset="other"))


@pytest.mark.slow
@pytest.mark.parametrize("enough", [3, 4])
def test_the_page_starts_with_the_ranks_if_there_are_enough_sets(
    found, tmp_path, monkeypatch, enough
):
    monkeypatch.setattr(page, "LEADING_SETS", enough)
    output = tmp_path / "bench"
    output.mkdir()
    write_table(found, output / "results.tsv")
    write_page(output)
    text = (tmp_path / "bench.md").read_text()
    lead, section = (
        text.split("## ")[0],
        text.split("## Comparison with the methods of the paper")[1],
    )
    reported = ranking(beside_results(found))
    assert reported.startswith("With the true number of clusters given, the mean rank by ARI of 5")
    assert (reported in lead, reported in section) == (
        (True, False) if enough == 3 else (False, True)
    )
    assert text.startswith(f"# Benchmarks\n\n{reported}") == (enough == 3)
    assert "![Mean rank by ARI of each method, with its interval](benchmarks/ranks.png)" in text
    assert "## Comparison with the methods of the paper" in text
    assert (output / "ranks.png").stat().st_size > 0
    assert not np.isnan(mean_ranks(beside_results(found))["mean"]).any()
