"""Thresholds by median absolute deviation, alone and with fixed ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from scsiameseclu.errors import InputError
from scsiameseclu.files import read_json
from scsiameseclu.quality.filter import Options, filter_sample
from scsiameseclu.quality.ledger import read_ledger
from scsiameseclu.quality.mad import mad_bounds

from tests.data.as_intake import as_intake

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.slow

GENES = ["MT-ND1", "HBB", *(f"GENE{index}" for index in range(300))]


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def counts() -> NDArray[np.int64]:
    """Return 200 cells, the first two outliers, with 1 % mitochondrial counts on average."""
    rng = np.random.default_rng(0)
    rates = np.r_[10, 0.0, np.full(300, 3.0)] * rng.lognormal(0, 0.2, (200, 1))
    matrix = rng.poisson(rates)
    matrix[0] *= 30
    matrix[1, 0] = 150
    return matrix


def run(matrix: Any, **options: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    as_intake(matrix, genes=GENES).write_h5ad("s1.counts.h5ad")
    filter_sample(prefix="s1", counts=Path("s1.counts.h5ad"), options=Options(**options))
    return read_ledger("s1.filter_ledger.tsv.gz"), read_json("s1.filter.json")


def test_the_mad_of_normal_values_is_their_standard_deviation() -> None:
    values = pd.Series(np.random.default_rng(0).normal(10, 2, 20_000))
    bounds = mad_bounds(values, 3)
    assert bounds == pytest.approx((4, 16), abs=0.1)


def test_bounds_of_counts_are_measured_on_log1p_and_whole() -> None:
    values = pd.Series([99, 99, 199, 399, 399])
    # log1p: medians log 200; deviations log 2 or 0, median log 2.
    factor = 2**1.482602218505602
    assert mad_bounds(values, 1, log=True) == (
        np.ceil(200 / factor - 1),
        np.floor(200 * factor - 1),
    )


@pytest.mark.parametrize("values", [[5.0, 5.0, 5.0, 9.0], [np.nan, np.nan], []])
def test_an_uninformative_mad_gives_no_bounds(values: list[float]) -> None:
    assert mad_bounds(pd.Series(values, dtype=float), 3) is None


def test_outliers_go_under_the_name_of_the_fixed_rule() -> None:
    ledger, summary = run(counts(), min_genes=0, mad_counts=5, mad_pct_mt=5)
    assert ledger["rule"].iloc[:2].tolist() == ["max_counts", "max_pct_mt"]
    assert ledger["kept"].iloc[2:].all()
    assert ledger["threshold"].iloc[0] == summary["thresholds"]["max_counts"]
    assert ledger["threshold"].iloc[1] == summary["thresholds"]["max_pct_mt"] < 20
    assert any("max_counts is" in note and "5 MADs" in note for note in summary["notes"])


def test_the_stricter_of_fixed_and_mad_applies() -> None:
    matrix = counts()
    _, alone = run(matrix, min_genes=0, mad_counts=5)
    low, high = alone["thresholds"]["min_counts"], alone["thresholds"]["max_counts"]
    assert 0 < low < np.median(matrix.sum(axis=1)) < high
    _, strict = run(matrix, min_genes=0, mad_counts=5, min_counts=low + 1, max_counts=high - 1)
    assert (strict["thresholds"]["min_counts"], strict["thresholds"]["max_counts"]) == (
        low + 1,
        high - 1,
    )
    _, loose = run(matrix, min_genes=0, mad_counts=5, min_counts=low - 1, max_counts=high + 1)
    assert (loose["thresholds"]["min_counts"], loose["thresholds"]["max_counts"]) == (low, high)


def test_empty_barcodes_do_not_shift_the_median() -> None:
    matrix = counts()
    _, alone = run(matrix, mad_genes=4, min_genes=0)
    _, padded = run(np.r_[matrix, np.zeros((500, len(GENES)))], mad_genes=4, min_genes=0)
    assert alone["thresholds"] == padded["thresholds"]


def test_a_mad_of_zero_is_reported_and_removes_no_cell() -> None:
    matrix = counts()
    matrix[5:, 0] = 0
    ledger, summary = run(matrix, min_genes=0, max_pct_mt=100, mad_pct_mt=3)
    assert ledger["kept"].all()
    assert any("--mad_pct_mt is not applied" in note for note in summary["notes"])


def test_the_remedy_names_the_option_that_took_the_most() -> None:
    with pytest.raises(InputError) as caught:
        run(counts(), min_genes=0, mad_counts=0.0001)
    assert "raise --mad_counts" in str(caught.value)


def test_hemoglobin_is_measured_and_only_removed_when_asked() -> None:
    matrix = counts()
    matrix[3, 1] = 2000
    ledger, summary = run(matrix, min_genes=0)
    assert ledger["pct_counts_hb"].iloc[3] > 50
    assert ledger["kept"].iloc[3]
    assert summary["thresholds"]["max_pct_hb"] is None
    ledger, summary = run(matrix, min_genes=0, max_pct_hb=50)
    assert ledger["rule"].iloc[3] == "max_pct_hb"
    assert summary["removed"]["max_pct_hb"] == 1
