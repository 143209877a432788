"""The numbers of the page, checked by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scsiameseclu.benchmark.methods import ABLATIONS
from scsiameseclu.benchmark.tables import (
    ablation_summary,
    comparison_wanted,
    complete,
    gaps,
    leave_one_out,
    markdown,
    per_set,
    summary,
)


@pytest.fixture
def true(results):
    return results[results["k_mode"] == "true"]


def test_means_over_seeds_then_over_sets(true):
    ari = per_set(true, "ari")
    assert ari.index.tolist() == ["small.h5ad", "large.h5ad"]
    assert ari.columns.tolist() == ["scsiameseclu", "consensus", "leiden_k", "kmeans"]
    assert ari.loc["small.h5ad", "scsiameseclu"] == pytest.approx(81)
    means = summary(true)
    assert means.loc["scsiameseclu", "ari"] == pytest.approx(71)
    assert means.loc["scsiameseclu", "lowest"] == pytest.approx(61)
    assert means.loc["scsiameseclu", ["spread", "widest"]].tolist() == pytest.approx([np.sqrt(2)] * 2)


def test_one_seed_or_one_set_has_no_spread(true):
    one = true[(true["seed"] == 0) & (true["dataset"] == "small.h5ad")]
    means = summary(one)
    assert means.loc["kmeans", "ari"] == pytest.approx(50)
    assert means[["lowest", "spread", "widest"]].isna().all(axis=None)


def test_leave_one_out_is_the_mean_of_the_others(true):
    left = leave_one_out(true)
    assert left.loc["small.h5ad", "consensus"] == pytest.approx(51)


def test_gaps_are_against_the_better_of_the_plain_methods(true):
    assert gaps(true).loc["large.h5ad"].tolist() == pytest.approx([20, 10, 0, -10])


def test_sets_and_seeds_that_lack_a_method_do_not_count(results):
    lacking = (results["dataset"] == "large.h5ad") & (results["seed"] == 1) & (results["method"] == "louvain")
    whole = complete(results[~lacking], comparison_wanted())
    assert set(zip(whole["dataset"], whole["seed"], strict=True)) == {
        ("small.h5ad", 0),
        ("small.h5ad", 1),
        ("large.h5ad", 0),
    }
    assert complete(results.iloc[:0], comparison_wanted()).empty


def test_ablations_are_compared_with_the_full_method(results):
    row = results.iloc[[0]]
    ablation = pd.concat([row.assign(method=name, ari=0.8 - 0.01 * i) for i, name in enumerate(ABLATIONS)])
    means = ablation_summary(ablation.assign(trained=True))
    assert means.loc["without SFM", "difference"] == pytest.approx(-1)
    assert means.loc["without SFM", ["better", "worse"]].tolist() == [0, 1]
    assert np.isnan(means.loc["without SFM", "difference_large"])
    assert means.loc["full", "trained"] == 100


def test_markdown():
    table = pd.DataFrame({"a": [1.26, np.nan], "b": ["x", -0.0]}, index=["r", "s"])
    assert markdown(table, first="row").splitlines() == [
        "| row | a | b |",
        "| --- | ---: | ---: |",
        "| r | 1.3 | x |",
        "| s | – | 0.0 |",
    ]
