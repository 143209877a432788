"""Cells that the samplesheet gives, by number, by a list, or by about how many there are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pytest
from scsiameseclu.errors import InputError
from scsiameseclu.files import read_json
from scsiameseclu.quality.cells import certain_counts, find_cells
from scsiameseclu.quality.doublets import flag_doublets
from scsiameseclu.quality.given_cells import forced_cells

from tests.data.as_intake import as_intake, demo_sample
from tests.quality.droplets import droplets
from tests.quality.filtering import run

if TYPE_CHECKING:
    import pandas as pd

pytestmark = pytest.mark.usefixtures("in_folder")


def unfiltered(**row: Any) -> ad.AnnData:
    """Return a matrix whose last 100 of 1,100 barcodes are cells."""
    counts, _ = droplets(100, 1000, (10, 60))
    return as_intake(counts, genes=["MT-CO1", *(f"GENE{number}" for number in range(999))], **row)


def test_forced_cells_are_the_fullest_and_the_others_are_in_the_ledger() -> None:
    adata = unfiltered(overrides={"force_cells": 40, "min_genes": 0})
    ledger, account = run(adata)
    totals = ledger["total_counts"].to_numpy()
    fullest = np.sort(np.argsort(-totals, kind="stable")[:40])
    assert np.flatnonzero(ledger["rule"] != "not_a_cell").tolist() == fullest.tolist()
    removed = ledger[ledger["rule"] == "not_a_cell"]
    assert (removed["step"] == "calling").all()
    assert (removed["value"] == removed["total_counts"]).all()
    assert (removed["threshold"] == totals[fullest].min()).all()
    assert account["cell_calling"] is None
    assert "40 barcodes with the most counts (force_cells)" in " ".join(account["notes"])


@pytest.mark.parametrize(("n_cells", "chosen"), [(2, [1, 3]), (3, [1, 3, 0]), (9, [1, 3, 0, 4])])
def test_equally_full_barcodes_count_in_their_order_and_empty_ones_never(
    n_cells: int, chosen: list[int]
) -> None:
    given = forced_cells(np.array([5, 9, 0, 7, 5]), n_cells)
    assert np.flatnonzero(given.is_cell).tolist() == sorted(chosen)
    assert ("fewer than the 9 asked for" in given.note) == (n_cells == 9)


def test_forced_cells_win_over_a_run_that_calls_none() -> None:
    ledger, _ = run(unfiltered(overrides={"force_cells": 40, "min_genes": 0}), cell_calling="none")
    assert ledger["kept"].sum() == 40


def with_list(**row: Any) -> tuple[ad.AnnData, pd.DataFrame]:
    """Return a demo sample whose row names a list of cells, and the truth about its barcodes."""
    adata, truth = demo_sample("blood_1")
    given = as_intake(
        adata.X,
        genes=list(adata.var_names),
        barcodes=adata.obs_names,
        cells="cells.txt",
        **row,
    )
    return given, truth


def test_a_list_of_cells_is_not_filtered() -> None:
    adata, truth = with_list(expected_doublet_rate=0.06)
    adata.obs["listed"] = truth["state"].isin(["dying", "doublet"]).to_numpy() | (
        np.arange(len(truth)) < 100
    )
    ledger, account = run(adata, max_genes=5, mad_genes=1.0)
    assert (ledger["kept"].to_numpy() == adata.obs["listed"]).all(), "no bound of the run applies"
    assert set(ledger.loc[~ledger["kept"], "rule"]) == {"not_a_cell"}
    assert "on the list (cells)" in " ".join(account["notes"])
    paths = {
        "healthy": "s1.healthy.h5ad",
        "ledger": "s1.filter_ledger.tsv.gz",
        "summary": "s1.filter.json",
    }
    flag_doublets(
        prefix="s1", **{name: Path(path) for name, path in paths.items()}, doublet_threshold=0.0
    )
    assert read_json("s1.qc.json")["doublets"]["n_predicted"] > 0
    assert ad.read_h5ad("s1.filtered.h5ad").n_obs == adata.obs["listed"].sum(), (
        "doublets are marked"
    )


def test_a_list_of_empty_barcodes_is_to_be_checked() -> None:
    counts = np.ones((6, 8))
    counts[:3] = 0
    adata = as_intake(counts, cells="cells.txt")
    adata.obs["listed"] = np.arange(6) < 3
    with pytest.raises(InputError, match="check the list of cells: its barcodes have no counts"):
        run(adata)


def test_bounds_of_the_samples_own_row_apply_to_a_list() -> None:
    own, truth = with_list(overrides={"max_pct_mt": 20.0, "doublet_action": "remove"})
    own.obs["listed"] = (truth["state"] != "empty").to_numpy()
    ledger, _ = run(own)
    removed = truth.loc[ledger.loc[ledger["rule"] == "max_pct_mt", "barcode"], "state"]
    assert set(removed) == {"dying"}
    assert set(ledger["rule"].dropna()) == {"not_a_cell", "max_pct_mt"}


def test_expected_cells_stand_in_for_the_knee() -> None:
    totals = np.r_[np.full(20, 50_000), np.full(480, 2_000), np.full(5_000, 20)]
    assert certain_counts(totals, knee=50_000) == 5_000, "the knee is behind the first twenty"
    assert certain_counts(totals, knee=50_000, expected_cells=10) == 5_000
    # Of 3,000 the fullest hundredth is left out.
    assert certain_counts(totals, knee=50_000, expected_cells=3_000) == 200
    calls, doubt = find_cells(unfiltered().X, expected_cells=100)
    assert calls is not None
    assert np.flatnonzero(calls.is_cell).tolist() == list(range(1000, 1100))
    assert "about 100 (expected_cells)" in calls.note
    assert not doubt


def test_expected_cells_without_empty_droplets_give_a_note() -> None:
    adata, _ = demo_sample("blood_1")
    own = as_intake(
        adata.X,
        genes=list(adata.var_names),
        barcodes=adata.obs_names,
        overrides={"expected_cells": 300},
    )
    ledger, account = run(own)
    assert "not_a_cell" not in set(ledger["rule"])
    assert "expected_cells (300) made no difference" in " ".join(account["notes"])


def test_mistakes_in_a_list_are_warnings_in_the_verdict() -> None:
    adata, _ = demo_sample("blood_1")
    own = as_intake(
        adata.X, genes=list(adata.var_names), barcodes=adata.obs_names, cells="cells.txt"
    )
    own.obs["listed"] = True
    own.uns["intake"] = own.uns["intake"].replace(
        '"notes"', '"warnings": ["Not in the counts."], "notes"'
    )
    assert "Not in the counts." in run(own)[1]["warnings"]
