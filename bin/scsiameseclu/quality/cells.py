"""Tell cells from empty droplets in an unfiltered matrix, after EmptyDrops (Lun et al., Genome Biol 2019)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import gammaln
from scipy.stats import false_discovery_control

STEP = "calling"
RULE = "not_a_cell"
LOWER = 100
"""Barcodes with at most this many counts are taken for empty droplets and give the ambient profile."""
FDR = 0.001
"""Largest false discovery rate of a cell."""
N_SIMULATIONS = 10_000

# An unfiltered matrix has hundreds of empty droplets for a few cells, which hold many times more.
_MIN_BARCODES = 500
_MAX_ABOVE_LOWER = 0.2
_MIN_RATIO = 10
_BATCH = 500
_ROWS = 50_000
_CURVE_POINTS = 200


@dataclass(frozen=True)
class CellCalls:
    """Which barcodes of an unfiltered matrix hold a cell.

    Parameters
    ----------
    totals
        Counts of each barcode (int64).
    fdr
        False discovery rate of each barcode as a cell (float64): 0 from `certain` on, 1 for the barcodes that give the
        ambient profile.
    knee
        Counts at the knee of the barcode-rank curve.
    certain
        Counts from which on every barcode is a cell.
    n_tested
        Barcodes between the ambient ones and the certain cells.
    n_unresolved
        Barcodes that no simulation reached and that were still not called: more simulations might call them.
    """

    totals: np.ndarray
    fdr: np.ndarray
    knee: int
    certain: int
    n_tested: int
    n_unresolved: int = 0

    @property
    def is_cell(self) -> np.ndarray:
        """Which barcodes are called cells (bool)."""
        return np.asarray(self.fdr <= FDR)

    @property
    def note(self) -> str:
        """What was done, in words for the report."""
        n_cells, n_certain = int(self.is_cell.sum()), int((self.totals >= self.certain).sum())
        unresolved = f" {self.n_unresolved:,} more might be cells." if self.n_unresolved else ""
        return (
            f"The matrix looks unfiltered ({(self.totals <= LOWER).sum():,} of {len(self.totals):,} barcodes have at "
            f"most {LOWER} counts): {n_cells:,} cells were called, {n_certain:,} of them for at least {self.certain:,} "
            f"counts (knee at {self.knee:,}), {n_cells - n_certain:,} by a test against the ambient profile "
            f"(FDR {FDR:g}).{unresolved}"
        )

    def summary(self) -> dict[str, Any]:
        """Return the account in ``<sample>.qc.json``."""
        return {
            "status": "called",
            "lower": LOWER,
            "fdr": FDR,
            "knee": self.knee,
            "certain": self.certain,
            "n_tested": self.n_tested,
            "n_cells": int(self.is_cell.sum()),
            "curve": barcode_ranks(self.totals),
        }


def looks_unfiltered(totals: np.ndarray) -> bool:
    """Return whether a matrix holds the empty droplets too, by the counts of its barcodes.

    So it does if, among at least 500 barcodes with counts, at most a fifth have more than 100 counts, and the fullest
    has at least ten times the median. A shallow sample of cells does not spread as far, and a deep one lies higher.
    """
    found = totals[totals > 0]
    if len(found) < _MIN_BARCODES:
        return False
    few_above = 0 < (found > LOWER).mean() <= _MAX_ABOVE_LOWER
    return bool(few_above and found.max() >= _MIN_RATIO * np.median(found))


def call_cells(counts: sparse.csr_matrix, *, n_simulations: int = N_SIMULATIONS, random_state: int = 0) -> CellCalls:
    """Call the cells of an unfiltered matrix (Lun et al. 2019).

    Barcodes with at least a tenth of the counts of the fullest beyond the knee of the barcode-rank curve are cells
    (:func:`certain_counts`). Those with fewer, but more than 100, are compared with the ambient profile: their
    multinomial likelihood against that of `n_simulations` draws of as many counts from the profile gives a p-value, and
    Benjamini and Hochberg's false discovery rate over all barcodes above 100 counts (certain cells with a p-value of 0,
    as in the paper) must be at most 0.001. Unlike in the paper, cells are certain already below the knee, for half of
    them may lie there and some resemble the ambient RNA; and the likelihood allows for no overdispersion of the ambient
    counts.

    Parameters
    ----------
    counts
        Raw counts (barcodes x genes) of an unfiltered matrix (:func:`looks_unfiltered`).
    n_simulations
        Number of draws; the smallest p-value is 1 / (this + 1).
    random_state
        Seed of the draws.

    Returns
    -------
    The calls.

    Raises
    ------
    ValueError
        If all barcodes have more than 100 counts, or none has: there is nothing to compare.
    """
    counts = sparse.csr_matrix(counts)
    totals = barcode_totals(counts)
    above = np.flatnonzero(totals > LOWER)
    if not len(above) or not totals[totals <= LOWER].any():
        raise ValueError(f"cells are called among barcodes with more than {LOWER} counts beside others with fewer")
    knee = knee_point(totals)
    certain = certain_counts(totals, knee)
    tested = above[totals[above] < certain]
    p_values = np.zeros(len(totals))
    if len(tested):
        profile = ambient_profile(counts, totals)
        p_values[tested] = _monte_carlo(counts[tested], profile, n_simulations, random_state)
    fdr = np.ones(len(totals))
    fdr[above] = false_discovery_control(p_values[above], method="bh")
    unresolved = (p_values[tested] < 1.5 / (n_simulations + 1)) & (fdr[tested] > FDR)
    return CellCalls(totals, fdr, knee, certain, len(tested), int(unresolved.sum()))


def barcode_totals(counts: sparse.csr_matrix) -> np.ndarray:
    """Return the counts of each barcode (int64)."""
    parts = [np.asarray(rows.sum(axis=1), dtype=np.int64).ravel() for rows in _parts(counts)]
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])


def knee_point(totals: np.ndarray) -> int:
    """Return the counts at the knee of the barcode-rank curve.

    The knee is the point furthest above the straight line from the fullest barcode to the last one with more than 100
    counts, both axes logarithmic; barcodes with the same counts share their mean rank.
    """
    values, repeats = np.unique(totals[totals > LOWER], return_counts=True)
    values, repeats = values[::-1], repeats[::-1]
    ranks = np.log10(np.cumsum(repeats) - (repeats - 1) / 2)
    heights = np.log10(values)
    width = max(ranks[-1] - ranks[0], np.finfo(float).tiny)
    line = heights[0] + (heights[-1] - heights[0]) * (ranks - ranks[0]) / width
    return int(values[np.argmax(heights - line)])


def certain_counts(totals: np.ndarray, knee: int) -> int:
    """Return the counts from which on a barcode is a cell: a tenth of the 99th percentile of those beyond the knee.

    Cells of a sample span about one order of magnitude (Zheng et al., Nat Commun 2017; so Cell Ranger calls them too).
    """
    tenth = np.quantile(totals[totals >= knee], 0.99) / 10
    return int(min(knee, max(np.ceil(tenth), LOWER + 1)))


def ambient_profile(counts: sparse.csr_matrix, totals: np.ndarray) -> np.ndarray:
    """Return the share of each gene (float64, sum 1) in the ambient RNA, from the barcodes with at most 100 counts.

    Genes that no such barcode holds share, evenly, the probability that Good and Turing give to what was not seen: the
    number of genes seen once over the number of counts.
    """
    ambient, seen = _gene_totals(counts[totals <= LOWER]), _gene_totals(counts) > 0
    unseen = (ambient == 0) & seen
    total = ambient.sum()
    # Where no gene was seen once, as if one had been: a probability of 0 would make any cell with the gene impossible.
    reserved = min(max((ambient == 1).sum(), 1) / total, 0.5) if unseen.any() else 0.0
    profile: np.ndarray = (1 - reserved) * ambient / total
    profile[unseen] = reserved / max(unseen.sum(), 1)
    return profile


def barcode_ranks(totals: np.ndarray) -> dict[str, list[int]]:
    """Return the barcode-rank curve at ranks evenly spaced on a logarithmic axis; barcodes without counts left out."""
    ranked = np.sort(totals[totals > 0])[::-1]
    ranks = np.unique(np.geomspace(1, len(ranked), _CURVE_POINTS).round().astype(np.int64))
    return {"rank": ranks.tolist(), "counts": ranked[ranks - 1].tolist()}


def _parts(counts: sparse.csr_matrix) -> Iterator[sparse.csr_matrix]:
    """Yield some rows at a time: a sum makes a copy of the values in its own, wider type."""
    for start in range(0, counts.shape[0], _ROWS):
        yield counts[start : start + _ROWS]


def _gene_totals(counts: sparse.csr_matrix) -> np.ndarray:
    total = np.zeros(counts.shape[1])
    for rows in _parts(counts):
        total += np.asarray(rows.sum(axis=0), dtype=np.float64).ravel()
    return total


def _monte_carlo(counts: sparse.csr_matrix, profile: np.ndarray, n_simulations: int, seed: int) -> np.ndarray:
    """Return the p-value of each barcode: how often a draw from the profile is at most as likely as it is.

    The draws grow by one count at a time, so that one of them serves the barcodes of every size.
    """
    genes = np.flatnonzero(profile)
    profile, counts = profile[genes], sparse.csr_matrix(counts[:, genes])
    observed, totals = _log_likelihood(counts, profile), np.asarray(counts.sum(axis=1)).ravel().astype(np.int64)
    order = np.argsort(totals, kind="stable")
    by_total = {int(totals[rows[0]]): rows for rows in np.split(order, np.flatnonzero(np.diff(totals[order])) + 1)}
    at_most = np.zeros(len(totals), dtype=np.int64)
    rng = np.random.default_rng(seed)
    for start in range(0, n_simulations, _BATCH):
        size = min(_BATCH, n_simulations - start)
        for total, likelihoods in _growing_draws(profile, size, sorted(by_total), rng):
            rows = by_total[total]
            # Sums of floats in another order: what is equal must count as equal.
            at_most[rows] += np.searchsorted(np.sort(likelihoods), observed[rows] + 1e-6, side="right")
    return np.asarray((at_most + 1) / (n_simulations + 1))


def _log_likelihood(counts: sparse.csr_matrix, profile: np.ndarray) -> np.ndarray:
    """Return the multinomial log-likelihood of each row, without the term that only its total decides."""
    terms = counts.astype(np.float64)
    terms.data = terms.data * np.log(profile)[terms.indices] - gammaln(terms.data + 1)
    return np.asarray(terms.sum(axis=1)).ravel()


def _growing_draws(
    profile: np.ndarray, size: int, stops: list[int], rng: np.random.Generator
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield, at each of the totals in `stops`, that total and the log-likelihoods of `size` draws of so many counts."""
    log_profile, logs = np.log(profile), np.log(np.arange(1, stops[-1] + 2))
    cumulative = np.cumsum(profile / profile.sum())
    drawn = np.zeros((size, len(profile)), dtype=np.int32)
    likelihoods, everyone, total = np.zeros(size), np.arange(size), 0
    for stop in stops:
        for _ in range(stop - total):
            chosen = np.minimum(np.searchsorted(cumulative, rng.random(size), side="right"), len(profile) - 1)
            likelihoods += log_profile[chosen] - logs[drawn[everyone, chosen]]
            drawn[everyone, chosen] += 1
        total = stop
        yield total, likelihoods
