"""The ambient RNA of a sample: its profile, and how far barcodes differ from draws from it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse
from scipy.special import gammaln
from scipy.stats import pearson3

from ..blocks import row_blocks

LOWER = 100
"""Barcodes with at most this many counts count as empty droplets and give the ambient profile,
unless most barcodes have more."""

_BATCH = 500
_ROWS = 50_000
"""Rows at a time: a sum makes a copy of the values in its own, wider type."""


def barcode_totals(counts: sparse.csr_matrix) -> np.ndarray:
    """Return the counts of each barcode (int64)."""
    totals = np.zeros(counts.shape[0], dtype=np.int64)
    for places, rows in row_blocks(counts, _ROWS):
        totals[places] = np.asarray(rows.sum(axis=1), dtype=np.int64).ravel()
    return totals


def ambient_profile(
    counts: sparse.csr_matrix, totals: np.ndarray, lower: int = LOWER
) -> np.ndarray:
    """Return the share of each gene (float64, sum 1) in the ambient RNA.

    It comes from the barcodes with at most `lower` counts. Genes that no such barcode holds share,
    evenly, the Good-Turing probability of unseen genes: the number of genes seen
    once over the number of counts.
    """
    ambient, seen = gene_totals(counts, totals <= lower), gene_totals(counts) > 0
    unseen = (ambient == 0) & seen
    total = ambient.sum()
    # Where no gene was seen once, as if one had been: 0 would make any cell with the gene
    # impossible.
    reserved = min(max((ambient == 1).sum(), 1) / total, 0.5) if unseen.any() else 0.0
    profile: np.ndarray = (1 - reserved) * ambient / total
    profile[unseen] = reserved / max(unseen.sum(), 1)
    return profile


def gene_totals(counts: sparse.csr_matrix, kept: np.ndarray | None = None) -> np.ndarray:
    """Return the counts of each gene (float64) in all barcodes, or those that are `kept` (bool)."""
    total = np.zeros(counts.shape[1])
    for places, rows in row_blocks(counts, _ROWS):
        some = rows if kept is None else rows[kept[places]]
        total += np.asarray(some.sum(axis=0), dtype=np.float64).ravel()
    return total


def monte_carlo(
    counts: sparse.csr_matrix, profile: np.ndarray, n_simulations: int, seed: int
) -> np.ndarray:
    """Return the p-value of each barcode: how often a draw from the profile is at most as likely.

    The draws grow by one count at a time, so that one of them serves the barcodes of every size.
    Where none was as unlikely as the barcode, the tail of a Pearson type III distribution with
    the mean, deviation and skewness of the draws says how far beyond it lies.
    """
    # From the most frequent gene on, so that the order in which the genes came does not matter.
    genes = np.argsort(-profile, kind="stable")[: np.count_nonzero(profile)]
    profile, counts = profile[genes], sparse.csr_matrix(counts[:, genes])
    observed, totals = _log_likelihood(counts, profile), barcode_totals(counts)
    order = np.argsort(totals, kind="stable")
    starts = np.flatnonzero(np.diff(totals[order])) + 1
    by_total = {int(totals[rows[0]]): rows for rows in np.split(order, starts)}
    at_most = np.zeros(len(totals), dtype=np.int64)
    moments = {total: np.zeros(4) for total in by_total}
    rng = np.random.default_rng(seed)
    for start in range(0, n_simulations, _BATCH):
        size = min(_BATCH, n_simulations - start)
        for total, likelihoods in _growing_draws(profile, size, sorted(by_total), rng):
            rows = by_total[total]
            # Sums of floats in another order: equal values must count as equal.
            at_most[rows] += np.searchsorted(
                np.sort(likelihoods), observed[rows] + 1e-6, side="right"
            )
            moments[total] += [size, *(np.sum(likelihoods**power) for power in (1, 2, 3))]
    p_values = (at_most + 1) / (n_simulations + 1)
    for total, rows in by_total.items():
        beyond = rows[at_most[rows] == 0]
        p_values[beyond] = np.minimum(p_values[beyond], _tail(observed[beyond], moments[total]))
    return np.asarray(p_values)


def _tail(observed: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Return the lower tail at `observed`, by number and sums of first to third powers of draws."""
    mean, square, cube = moments[1:] / moments[0]
    variance = square - mean**2
    if variance <= 1e-9 * max(mean**2, 1):
        return np.ones(len(observed))
    skewness = (cube - 3 * mean * square + 2 * mean**3) / variance**1.5
    # A tail to the left, if any: one to the right would end where a draw can still lie.
    p_values: np.ndarray = pearson3.cdf((observed - mean) / np.sqrt(variance), min(skewness, 0.0))
    return p_values


def _log_likelihood(counts: sparse.csr_matrix, profile: np.ndarray) -> np.ndarray:
    """Return each row's multinomial log-likelihood, without the term of its total alone."""
    terms = counts.astype(np.float64)
    terms.data = terms.data * np.log(profile)[terms.indices] - gammaln(terms.data + 1)
    return np.asarray(terms.sum(axis=1)).ravel()


def _growing_draws(
    profile: np.ndarray, size: int, stops: list[int], rng: np.random.Generator
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each total in `stops` and the log-likelihoods of `size` draws of that many counts."""
    log_profile, logs = np.log(profile), np.log(np.arange(1, stops[-1] + 2))
    cumulative = np.cumsum(profile / profile.sum())
    drawn = np.zeros((size, len(profile)), dtype=np.int32)
    likelihoods, everyone, total = np.zeros(size), np.arange(size), 0
    for stop in stops:
        for _ in range(stop - total):
            chosen = np.minimum(
                np.searchsorted(cumulative, rng.random(size), side="right"), len(profile) - 1
            )
            likelihoods += log_profile[chosen] - logs[drawn[everyone, chosen]]
            drawn[everyone, chosen] += 1
        total = stop
        yield total, likelihoods
