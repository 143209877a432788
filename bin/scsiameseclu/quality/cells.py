"""Call cells in an unfiltered matrix, after EmptyDrops.

Source: Lun et al., Genome Biol 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.stats import false_discovery_control, median_abs_deviation

from .ambient import LOWER, ambient_profile, barcode_totals, monte_carlo

if TYPE_CHECKING:
    from ..contracts import CellCalling

LEDGER_STEP = "calling"
RULE = "not_a_cell"
FDR = 0.001
"""Largest false discovery rate of a cell."""
N_SIMULATIONS = 10_000

# By counts alone: hundreds of empty droplets for a few cells, which hold many times more.
_MIN_BARCODES = 500
_MAX_ABOVE_LOWER = 0.2
_MIN_RATIO = 10
# By genes: where droplets are fewer or fuller than that, their genes must be those of one profile.
_MIN_ALIKE = 100
_MAX_DIFFERENT = 0.15
_MAX_MEDIAN = 2000
_N_ALIKE_SIMULATIONS = 500
_MIN_CELLS = 10
_MIN_STANDING_OUT = 4
# Fewer counts than these are mostly errors of reading a barcode, not droplets.
_MAX_ERRORS = 10
_REACH = 4
_HIGH_AMBIENT = 0.1
_CURVE_POINTS = 200


@dataclass(frozen=True)
class CellCalls:
    """Which barcodes of an unfiltered matrix hold a cell.

    Parameters
    ----------
    totals
        Counts of each barcode (int64).
    fdr
        False discovery rate of each barcode as a cell (float64): 0 from `certain` up, 1 for the
        barcodes that give the ambient profile.
    knee
        Counts at the knee of the barcode-rank curve.
    certain
        Fewest counts with which every barcode is a cell.
    n_tested
        Barcodes between the ambient ones and the certain cells.
    lower
        Most counts of the barcodes that give the ambient profile.
    expected
        Cells that the samplesheet expects. None: it does not say.
    """

    totals: np.ndarray
    fdr: np.ndarray
    knee: int
    certain: int
    n_tested: int
    lower: int = LOWER
    expected: int | None = None

    @property
    def values(self) -> np.ndarray:
        """What decided about each barcode, for the ledger."""
        return self.fdr

    @property
    def threshold(self) -> float:
        """Largest value of a cell."""
        return FDR

    @property
    def is_cell(self) -> np.ndarray:
        """Which barcodes are called cells (bool)."""
        return np.asarray(self.fdr <= FDR)

    @property
    def note(self) -> str:
        """What was done, in words for the report."""
        n_cells, n_certain = int(self.is_cell.sum()), int((self.totals >= self.certain).sum())
        n_below = (self.totals <= self.lower).sum()
        expected = ""
        if self.expected:
            expected = f" They were expected to be about {self.expected:,} (expected_cells)."
        return (
            f"The matrix looks unfiltered ({n_below:,} of {len(self.totals):,} barcodes have at "
            f"most {self.lower:,} counts): {n_cells:,} cells were called, {n_certain:,} of them "
            f"for at least {self.certain:,} counts (knee at {self.knee:,}), "
            f"{n_cells - n_certain:,} by a test against the ambient profile (FDR {FDR:g})."
            f"{expected}"
        )

    @property
    def ambient_counts(self) -> float:
        """Median counts of the empty droplets."""
        empty = self.totals[~self.is_cell & (self.totals > _MAX_ERRORS)]
        return float(np.median(empty)) if len(empty) else 0.0

    @property
    def cell_counts(self) -> float:
        """Median counts of the cells; 0 without any."""
        return float(np.median(self.totals[self.is_cell])) if self.is_cell.any() else 0.0

    @property
    def stand_out(self) -> bool:
        """Whether there are cells, fewer than the other barcodes and fuller by several times."""
        n_cells = self.is_cell.sum()
        is_few = _MIN_CELLS <= n_cells < (self.totals > 0).sum() / 2
        return bool(is_few and self.cell_counts >= _MIN_STANDING_OUT * self.ambient_counts)

    @property
    def doubt(self) -> str:
        """What makes the calls doubtful, in words for the verdict; empty if nothing does."""
        if not self.is_cell.any() or self.ambient_counts <= _HIGH_AMBIENT * self.cell_counts:
            return ""
        return (
            f"Ambient RNA is high: a cell has {self.cell_counts:,.0f} counts (median), an "
            f"empty droplet {self.ambient_counts:,.0f}. Cells may be missing, and the "
            "called cells contain ambient RNA."
        )

    def summary(self) -> CellCalling:
        """Return the account in ``<sample>.qc.json``."""
        return {
            "status": "called",
            "lower": self.lower,
            "fdr": FDR,
            "knee": self.knee,
            "certain": self.certain,
            "n_tested": self.n_tested,
            "n_cells": int(self.is_cell.sum()),
            "curve": barcode_ranks(self.totals),
        }


def looks_unfiltered(totals: np.ndarray) -> bool:
    """Return whether a matrix holds the empty droplets too, by the counts of its barcodes.

    So it does if, among at least 500 barcodes with counts, at most a fifth have more than 100
    counts, and the fullest has at least ten times the median. A shallow sample of cells does not
    spread as far, and a deep one lies higher.
    """
    found = totals[totals > 0]
    if len(found) < _MIN_BARCODES:
        return False
    few_above = 0 < (found > LOWER).mean() <= _MAX_ABOVE_LOWER
    return bool(few_above and found.max() >= _MIN_RATIO * np.median(found))


def find_cells(
    counts: sparse.csr_matrix, *, expected_cells: int | None = None, random_state: int = 0
) -> tuple[CellCalls | None, str]:
    """Call the cells of a matrix if its counts or genes show that it holds empty droplets.

    Either the counts of the barcodes do (:func:`looks_unfiltered`), or most barcodes are alike
    (:func:`are_alike`) and the few that differ hold at least four times their counts.

    Parameters
    ----------
    counts
        Raw counts (barcodes x genes).
    expected_cells
        Approximate number of cells, if known (:func:`certain_counts`).
    random_state
        Seed of the draws.

    Returns
    -------
    The calls, None if all barcodes are taken for cells; and doubts about that, in
    words for the verdict, empty if nothing is.
    """
    counts = sparse.csr_matrix(counts)
    totals = barcode_totals(counts)
    if looks_unfiltered(totals):
        calls = call_cells(counts, expected_cells=expected_cells, random_state=random_state)
        return calls, calls.doubt
    if not are_alike(counts, totals, random_state=random_state):
        return None, ""
    if (totals > lower_counts(totals)).any():
        calls = call_cells(counts, expected_cells=expected_cells, random_state=random_state)
        if calls.stand_out:
            return calls, calls.doubt
    n_barcodes = int((totals > 0).sum())
    return None, (
        f"Most of the {n_barcodes:,} barcodes differ from one another no more than empty "
        "droplets of one ambient RNA would. Either the sample holds no cells, or they cannot be "
        "separated from the droplets, or nearly all are of one type. No cells were called: all "
        "barcodes count as cells."
    )


def lower_counts(totals: np.ndarray) -> int:
    """Return the most counts of the barcodes that give the ambient profile: 100, or the median."""
    found = totals[totals > 0]
    return max(LOWER, int(np.median(found))) if len(found) else LOWER


def are_alike(counts: sparse.csr_matrix, totals: np.ndarray, *, random_state: int = 0) -> bool:
    """Return whether most barcodes differ no more than draws from one profile, like ambient RNA.

    At least 100 barcodes are needed. Of the half with fewer counts, the upper half is tested,
    where a difference shows better: at most 15 % of them may have a p-value of 0.05 or less.
    """
    found = totals[totals > 0]
    if len(found) < _MIN_ALIKE or np.median(found) > _MAX_MEDIAN:
        return False
    low, high = np.quantile(found, [0.25, 0.5])
    looked_at = (totals >= low) & (totals <= high)
    profile = ambient_profile(counts, totals, lower_counts(totals))
    p_values = monte_carlo(counts[looked_at], profile, _N_ALIKE_SIMULATIONS, random_state)
    return bool((p_values <= 0.05).mean() <= _MAX_DIFFERENT)


def call_cells(
    counts: sparse.csr_matrix,
    *,
    n_simulations: int = N_SIMULATIONS,
    expected_cells: int | None = None,
    random_state: int = 0,
) -> CellCalls:
    """Call the cells of an unfiltered matrix (Lun et al. 2019).

    Barcodes with at least as many counts as :func:`certain_counts` says are cells. Those with
    fewer, but more than :func:`lower_counts`, are compared with the ambient profile: their
    multinomial likelihood against that of `n_simulations` draws of as many counts gives a p-value,
    and Benjamini and Hochberg's false discovery rate over all barcodes above that bound (certain
    cells with a p-value of 0, as in the paper) must be at most 0.001. Unlike in the paper, cells
    are certain already below the knee, since half of them may lie there; p-values smaller than the
    draws can show are read off the tail of a distribution fitted to them; and the likelihood allows
    for no overdispersion of the ambient counts.

    Parameters
    ----------
    counts
        Raw counts (barcodes x genes) of an unfiltered matrix (:func:`find_cells`).
    n_simulations
        Number of draws.
    expected_cells
        About how many cells there are; it takes the place of the knee (:func:`certain_counts`).
    random_state
        Seed of the draws.

    Raises
    ------
    ValueError
        If no barcode has more counts than that bound, or none of the others has any.
    """
    counts = sparse.csr_matrix(counts)
    totals = barcode_totals(counts)
    lower = lower_counts(totals)
    above = np.flatnonzero(totals > lower)
    if not len(above) or not totals[totals <= lower].any():
        raise ValueError(
            f"to call cells, some barcodes must have more than {LOWER} counts and others fewer"
        )
    knee = knee_point(totals, lower)
    certain = certain_counts(totals, knee, lower, expected_cells=expected_cells)
    tested = above[totals[above] < certain]
    p_values = np.zeros(len(totals))
    if len(tested):
        profile = ambient_profile(counts, totals, lower)
        p_values[tested] = monte_carlo(counts[tested], profile, n_simulations, random_state)
    fdr = np.ones(len(totals))
    fdr[above] = false_discovery_control(p_values[above], method="bh")
    return CellCalls(totals, fdr, knee, certain, len(tested), lower, expected_cells)


def knee_point(totals: np.ndarray, lower: int = LOWER) -> int:
    """Return the counts at the knee of the barcode-rank curve.

    The knee is the point furthest above the straight line from the fullest barcode to the last one
    with more than `lower` counts, both axes logarithmic; barcodes with the same counts share their
    mean rank.
    """
    values, repeats = np.unique(totals[totals > lower], return_counts=True)
    values, repeats = values[::-1], repeats[::-1]
    ranks = np.log10(np.cumsum(repeats) - (repeats - 1) / 2)
    heights = np.log10(values)
    width = max(ranks[-1] - ranks[0], np.finfo(float).tiny)
    line = heights[0] + (heights[-1] - heights[0]) * (ranks - ranks[0]) / width
    return int(values[np.argmax(heights - line)])


def certain_counts(
    totals: np.ndarray, knee: int, lower: int = LOWER, *, expected_cells: int | None = None
) -> int:
    """Return the fewest counts with which a barcode is certainly a cell.

    A tenth of the 99th percentile of those beyond the knee, for cells of a sample span about one
    order of magnitude (Zheng et al., Nat Commun 2017; so Cell Ranger calls them too); more, where
    empty droplets reach further. If the number of cells is known, of that many of the largest in
    place of those beyond the knee, as Cell Ranger's ``--expect-cells``.
    """
    beyond = np.sort(totals)[::-1][:expected_cells] if expected_cells else totals[totals >= knee]
    tenth = max(np.ceil(np.quantile(beyond, 0.99) / 10), lower + 1)
    certain = int(tenth if expected_cells else min(knee, tenth))
    return max(certain, ambient_reach(totals, certain) + 1)


def ambient_reach(totals: np.ndarray, start: int) -> int:
    """Return the counts that hardly an empty droplet exceeds.

    Four MADs above the median of their counts, on a logarithmic scale, and at most ten times the
    median. They are taken to be the barcodes with more than 10 counts, and fewer than `start`; then
    with fewer than this reach, until it no longer grows.
    """
    reach = start - 1
    while True:
        logs = np.log(totals[(totals > _MAX_ERRORS) & (totals <= reach)])
        if not len(logs):
            return _MAX_ERRORS
        spread = median_abs_deviation(logs, scale="normal")
        found = int(np.exp(np.median(logs) + min(_REACH * spread, np.log(_MIN_RATIO))))
        if found <= reach:
            return found
        reach = found


def barcode_ranks(totals: np.ndarray) -> dict[str, list[int]]:
    """Return the barcode-rank curve at log-spaced ranks, without barcodes that have no counts."""
    ranked = np.sort(totals[totals > 0])[::-1]
    ranks = np.unique(np.geomspace(1, len(ranked), _CURVE_POINTS).round().astype(np.int64))
    return {"rank": ranks.tolist(), "counts": ranked[ranks - 1].tolist()}
