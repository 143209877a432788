"""Cells that the samplesheet gives, by their number or by a list: none are called then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class GivenCells:
    """Which barcodes of a sample the samplesheet takes for cells.

    Parameters
    ----------
    is_cell
        One value a barcode (bool).
    values
        The deciding value of each barcode, for the ledger (float64); NaN for a list.
    threshold
        Lowest value of a cell; NaN for a list.
    note
        What was done, in words for the report.
    """

    is_cell: np.ndarray
    values: np.ndarray
    threshold: float
    note: str

    def summary(self) -> None:
        """Return no account of a call: there was none."""


def forced_cells(totals: np.ndarray, n_cells: int) -> GivenCells:
    """Return the `n_cells` fullest barcodes as cells, of equally full ones those that come first.

    Parameters
    ----------
    totals
        Counts of each barcode (integers).
    n_cells
        ``force_cells`` of the samplesheet. Where fewer barcodes hold counts, these.
    """
    fullest = np.argsort(-totals, kind="stable")[:n_cells]
    fullest = fullest[totals[fullest] > 0]
    is_cell = np.zeros(len(totals), dtype=bool)
    is_cell[fullest] = True
    least = int(totals[fullest].min()) if len(fullest) else 0
    fewer = f", fewer than the {n_cells:,} asked for" if len(fullest) < n_cells else ""
    note = (
        f"Cells are the {len(fullest):,} barcodes with the most counts (force_cells)"
        f"{fewer}: at least {least:,} each."
    )
    return GivenCells(is_cell, totals.astype(np.float64), float(least), note)


def cells_on_list(on_list: np.ndarray) -> GivenCells:
    """Return the barcodes that are on the sample's list (bool, one a barcode) as cells."""
    note = (
        f"Cells are the {int(on_list.sum()):,} barcodes on the list (cells). "
        "Bounds and the removal of doublets apply only where the samplesheet sets "
        "them for this sample."
    )
    return GivenCells(on_list, np.full(len(on_list), np.nan), float("nan"), note)
