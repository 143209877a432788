"""The numbers of the page, checked by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scsiameseclu.benchmark.page import WANTED
from scsiameseclu.benchmark.tables import (
    complete,
    interval,
    is_development,
    markdown,
    per_set,
    with_interval,
)

from .conftest import GIVEN_K


@pytest.fixture
def true(results):
    return results[results["k_mode"] == "true"]


def test_means_over_seeds_sets_by_size(true):
    ari = per_set(true)
    assert ari.index.tolist() == ["kang8.h5ad", "third.h5ad", "large.h5ad"]
    assert set(ari) == GIVEN_K
    assert ari.loc["kang8.h5ad", "scsiameseclu"] == pytest.approx(81)
    assert per_set(true, spread=True).to_numpy() == pytest.approx(np.sqrt(2))


def test_one_seed_has_no_spread(true):
    assert per_set(true[true["seed"] == 0], spread=True).isna().all(axis=None)


def test_a_failed_fit_scores_0_and_is_not_missing(results):
    failed = (results["method"] == "kmeans") & (results["dataset"] == "large.h5ad")
    results.loc[failed, ["ari", "seconds"]] = np.nan
    whole = complete(results.assign(error=np.where(failed, "lost", None)), WANTED)
    whole = whole[whole["k_mode"] == "true"]
    assert per_set(whole).loc["large.h5ad", "kmeans"] == 0
    assert np.isnan(per_set(whole, "seconds").loc["large.h5ad", "kmeans"])


def test_sets_and_seeds_that_lack_a_method_do_not_count(results):
    lacking = (
        (results["dataset"] == "large.h5ad")
        & (results["seed"] == 1)
        & (results["method"] == "louvain")
    )
    whole = complete(results[~lacking], WANTED)
    found = set(zip(whole["dataset"], whole["seed"], strict=True))
    assert found == {
        ("kang8.h5ad", 0),
        ("kang8.h5ad", 1),
        ("third.h5ad", 0),
        ("third.h5ad", 1),
        ("large.h5ad", 0),
    }
    assert complete(results.iloc[:0], WANTED).empty


def test_intervals_come_from_resampled_sets():
    differences = pd.Series(np.random.default_rng(1).normal(2, 3, 40))
    mean, low, high = interval(differences)
    assert mean == pytest.approx(differences.mean())
    error = differences.std() / np.sqrt(40)
    assert (low, high) == pytest.approx((mean - 1.96 * error, mean + 1.96 * error), abs=0.15)
    assert interval(differences) == (mean, low, high)
    assert with_interval(pd.Series([1.0, 1.0])) == "+1.0 (+1.0 to +1.0)"
    assert [with_interval(pd.Series(values, dtype=float)) for values in ([1.26], [])] == [
        "+1.3",
        "–",
    ]


def test_development_sets_are_known_by_their_file_names():
    names = pd.Index(["kang8.h5ad", "10X_PBMC_top2000.h5", "kang9.h5ad", "blood"])
    assert is_development(names).tolist() == [True, True, False, False]


def test_markdown():
    table = pd.DataFrame({"a": [1.26, np.nan], "b": ["x", -0.0]}, index=["r", "s"])
    assert markdown(table, first="row").splitlines() == [
        "| row | a | b |",
        "| --- | ---: | ---: |",
        "| r | 1.3 | x |",
        "| s | – | 0.0 |",
    ]
