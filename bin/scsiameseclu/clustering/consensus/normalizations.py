"""Three normalizations of the same counts, each with its principal components (docs/method.md).

No single normalization suits all data, so the partitions of all three vote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.utils.extmath import randomized_svd
from sklearn.utils.sparsefuncs import mean_variance_axis

from ...depth import log_normalized

N_PCS = 30
"""Principal components of a normalization."""
LOADING_CELLS = 20_000
"""Cells from which the loadings are computed; a random sample if there are more."""
BLOCK = 5_000
"""Cells made dense at a time."""
CLIP = 10.0
"""Standard deviations at which scaled expression is clipped."""
THETA = 100.0
"""Overdispersion of the analytic Pearson residuals (Lause, Berens & Kobak 2021)."""
FEWEST_PERCENT = 0.1
"""Components with a singular value below this percentage of the largest are rounding errors."""

Matrix = NDArray[np.float32]
Rows = Callable[[Any], Matrix]
"""Dense expression of the cells that an index or slice selects."""


@dataclass(frozen=True)
class Normalization:
    """One normalization of the expression.

    Parameters
    ----------
    name
        ``log``, ``log_scaled`` or ``pearson``.
    components
        Principal component scores, float32 of shape (n_cells, n_components), leading one first.
    """

    name: str
    components: Matrix


def normalizations(
    counts: csr_matrix,
    *,
    highly_variable: NDArray[np.bool_],
    random_state: int = 0,
    n_pcs: int = N_PCS,
) -> list[Normalization]:
    """Return the principal components of three normalizations of the highly variable genes.

    ``log`` is log1p of counts at the median depth; ``log_scaled`` the same at unit variance,
    clipped at ±10; ``pearson`` the analytic Pearson residuals (theta 100, clipped at ± the square
    root of the number of cells).

    Parameters
    ----------
    counts
        Raw counts, float32, cells x genes, of all genes found in enough cells: they give the
        depths. A cell without counts is allowed; its log expression is 0 everywhere.
    highly_variable
        Mask over the genes.
    random_state
        Seed of the randomized singular value decomposition, and of the sample of cells that it
        sees if there are more than 20,000.
    n_pcs
        Components per normalization; fewer if cells or genes are fewer, at least one.
    """
    depths = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    chosen = csr_matrix(counts[:, np.flatnonzero(highly_variable)])
    median = float(np.median(depths[depths > 0])) if depths.any() else 1.0
    logs = log_normalized(chosen, depths, target=median)
    found = {
        "log": _dense(logs),
        "log_scaled": _scaled(logs),
        "pearson": _pearson_residuals(chosen),
    }
    n = counts.shape[0]
    return [
        Normalization(name, principal_components(rows, n, n_pcs=n_pcs, random_state=random_state))
        for name, rows in found.items()
    ]


def principal_components(rows: Rows, n_cells: int, *, n_pcs: int, random_state: int = 0) -> Matrix:
    """Return the scores on the leading principal components, float32 of shape (n_cells, n_pcs).

    The loadings come from a randomized singular value decomposition (Halko, Martinsson & Tropp
    2011) of at most 20,000 cells; all cells are projected in blocks. The largest loading of each
    component is positive. Components without variance are dropped; one of zeros is left where
    nothing varies.

    Parameters
    ----------
    rows
        Gives the dense expression of the cells that it is asked for.
    n_cells
        Number of cells.
    n_pcs
        Components wanted.
    random_state
        Seed.
    """
    sample = rows(_loading_cells(n_cells, random_state))
    center = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    sample -= center
    k = min(n_pcs, n_cells - 1, sample.shape[1])
    if k < 1 or not np.abs(sample).max(initial=0) > np.finfo(np.float32).eps * np.abs(center).max():
        return np.zeros((n_cells, 1), dtype=np.float32)
    _, values, loadings = randomized_svd(sample, k, n_iter=4, random_state=random_state)
    loadings = loadings[values > FEWEST_PERCENT / 100 * values[0]]
    largest = np.abs(loadings).argmax(axis=1)
    loadings *= np.sign(loadings[np.arange(len(loadings)), largest])[:, None]
    return np.concatenate([(rows(block) - center) @ loadings.T for block in row_blocks(n_cells)])


def row_blocks(n: int) -> Iterator[slice]:
    """Yield slices of `BLOCK` rows that cover `n`."""
    for start in range(0, n, BLOCK):
        yield slice(start, min(start + BLOCK, n))


def _loading_cells(n: int, random_state: int) -> NDArray[np.int64] | slice:
    if n <= LOADING_CELLS:
        return slice(None)
    return np.sort(np.random.default_rng(random_state).choice(n, LOADING_CELLS, replace=False))


def _dense(logs: csr_matrix) -> Rows:
    def rows(cells: Any) -> Matrix:
        return np.asarray(logs[cells].toarray())

    return rows


def _scaled(logs: csr_matrix) -> Rows:
    mean, variance = mean_variance_axis(logs, axis=0)
    deviation = np.sqrt(variance * (logs.shape[0] / max(logs.shape[0] - 1, 1)))
    deviation[variance <= 1e-12 * np.maximum(mean**2, 1e-12)] = 1.0  # rounding of equal values
    mean, deviation = mean.astype(np.float32), deviation.astype(np.float32)

    def rows(cells: Any) -> Matrix:
        block = (logs[cells].toarray() - mean) / deviation
        return np.asarray(np.clip(block, -CLIP, CLIP, out=block))

    return rows


def _pearson_residuals(counts: csr_matrix) -> Rows:
    """(x - mu) / sqrt(mu + mu^2 / theta), mu = depth x gene total / total, clipped."""
    depths = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel().astype(np.float32)
    totals = np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel()
    shares = (totals / max(totals.sum(), 1.0)).astype(np.float32)
    clip = np.float32(np.sqrt(counts.shape[0]))

    def rows(cells: Any) -> Matrix:
        mu = depths[cells, None] * shares
        block = counts[cells].toarray() - mu
        deviation = np.sqrt(mu + mu**2 / np.float32(THETA))
        np.divide(block, deviation, out=block, where=deviation > 0)
        return np.asarray(np.clip(block, -clip, clip, out=block))

    return rows
