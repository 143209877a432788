"""What empty droplets hold: kept where the matrix is unfiltered, and only there."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pytest
from scsiameseclu.files import read_json
from scsiameseclu.quality.ambient import barcode_totals

from tests.data.as_intake import as_intake

from .droplets import droplets
from .filtering import run


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_profile_is_that_of_droplets_with_fewer_than_100_counts() -> None:
    counts, is_cell = droplets(60, 1500, (20, 120), n_genes=300)
    ledger, _ = run(as_intake(counts), min_genes=1)
    soup = ad.read_h5ad("s1.soup.h5ad")
    totals = barcode_totals(counts)
    inside = ~is_cell & (totals > 0) & (totals < 100)
    assert int(soup.obs["n_droplets"].iloc[0]) == inside.sum()
    assert read_json("s1.size.json")["n_droplets"] == inside.sum()
    expected = np.asarray(counts[inside].sum(axis=0)).ravel()
    assert (soup.var["soup_counts"].to_numpy() == expected).all()
    assert ledger["kept"].sum() >= 50


@pytest.mark.parametrize("option", [{"ambient_profile": False}, {}])
def test_no_profile_if_not_requested_or_if_all_barcodes_are_cells(option: dict) -> None:
    counts, is_cell = droplets(60, 1500, (20, 80), n_genes=300)
    run(as_intake(counts if option else counts[is_cell]), min_genes=1, **option)
    assert not Path("s1.soup.h5ad").exists()
    assert "n_droplets" not in read_json("s1.size.json")


def test_droplets_count_if_cells_are_not_called() -> None:
    counts, is_cell = droplets(60, 1500, (20, 80), n_genes=300)
    run(as_intake(counts), min_genes=100, cell_calling="none")
    n_droplets = int(ad.read_h5ad("s1.soup.h5ad").obs["n_droplets"].iloc[0])
    assert 1400 < n_droplets <= (~is_cell).sum()


@pytest.mark.parametrize("filtered", [True, False])
def test_cells_not_on_a_list_are_not_empty_droplets(filtered: bool) -> None:
    counts, is_cell = droplets(400, 1500, (20, 80), n_genes=300)
    counts, is_cell = (counts[is_cell], is_cell[is_cell]) if filtered else (counts, is_cell)
    adata = as_intake(counts)
    adata.obs["listed"] = is_cell & (np.cumsum(is_cell) % 2 == 0)
    run(adata)
    assert Path("s1.soup.h5ad").exists() != filtered
