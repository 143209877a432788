"""Five normalizations of the same counts, each with its principal components (docs/method.md).

No single normalization suits all data; the consensus of :mod:`.consensus` asks all five. Cells come as sparse rows and
are made dense in blocks of `BLOCK` rows only, so memory grows with the counts and never with cells x genes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import eigsh
from sklearn.utils.sparsefuncs import mean_variance_axis

N_PCS = 30
"""Principal components of a view."""
BLOCK = 2000
"""Rows made dense at a time."""
TARGET_SUM = 1e4
"""Counts per cell after the first two normalizations."""
CLIP = 10.0
"""Standard deviations at which scaled expression is clipped."""
THETA = 100.0
"""Overdispersion of the analytic Pearson residuals (Lause, Berens & Kobak 2021)."""
N_PEARSON_GENES = 2000
"""Genes that the Pearson residuals choose for themselves."""
FULL_DECOMPOSITION = 200
"""Genes up to which all eigenvectors are computed; above, Lanczos finds the leading ones faster."""

Blocks = Callable[[], Iterator[NDArray[np.float32]]]
"""A matrix as dense blocks of rows, as often as it is called."""


@dataclass(frozen=True)
class View:
    """One normalization of the expression.

    Parameters
    ----------
    name
        Of the normalization: ``log``, ``log_scaled``, ``median``, ``median_scaled`` or ``pearson``.
    scores
        Principal component scores, float32 of shape (n_cells, n_components), leading component first.
    """

    name: str
    scores: NDArray[np.float32]


def expression_views(
    counts: csr_matrix, *, highly_variable: NDArray[np.bool_], random_state: int = 0, n_pcs: int = N_PCS
) -> list[View]:
    """Return the five views of the expression.

    ``log`` is log1p of counts per 10,000, centered; ``log_scaled`` the same at unit variance, clipped at ±10;
    ``median`` and ``median_scaled`` the same two at the median depth; ``pearson`` the analytic Pearson residuals
    (theta 100, clipped at ± the square root of the number of cells) of the 2000 genes in which they vary most.

    Parameters
    ----------
    counts
        Raw counts, cells x genes, of all genes found in enough cells: they give the depths. A cell without counts is
        allowed; its normalized expression is 0 everywhere.
    highly_variable
        Mask over the genes that the first four views use.
    random_state
        Seed of the first Lanczos vector. The result depends on it by rounding errors only.
    n_pcs
        Components per view; fewer where cells or genes are fewer, at least one.

    Returns
    -------
    Five views; a view in which no gene varies has one component, all zeros.
    """
    counts = csr_matrix(counts)
    depths = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    occupied = depths[depths > 0]
    median_depth = float(np.median(occupied)) if occupied.size else 1.0
    chosen = columns(counts.astype(np.float32, copy=False), np.flatnonzero(highly_variable))
    views = []
    for name, target in (("log", TARGET_SUM), ("median", median_depth)):
        logs = log_normalize(chosen, depths, target=target)
        mean, deviation = column_moments(logs)
        for suffix, blocks in (
            ("", _centered(logs, mean)),
            ("_scaled", _scaled(logs, mean, deviation)),
        ):
            views.append(View(name + suffix, principal_components(blocks, n_pcs=n_pcs, random_state=random_state)))
    residuals = _residuals(counts, pearson_genes(counts))
    views.append(View("pearson", principal_components(residuals, n_pcs=n_pcs, random_state=random_state)))
    return views


def log_normalize(counts: csr_matrix, depths: NDArray[np.float64], *, target: float) -> csr_matrix:
    """Return log1p(counts x target / depth), sparse float32; rows of depth 0 stay 0. Where the counts are is shared."""
    factors = np.divide(target, depths, out=np.zeros_like(depths), where=depths > 0).astype(np.float32)
    data = counts.data * np.repeat(factors, np.diff(counts.indptr))
    return csr_matrix((np.log1p(data, out=data), counts.indices, counts.indptr), shape=counts.shape)


def column_moments(matrix: csr_matrix) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean and the standard deviation (n - 1) of each column; 1 for a column that does not vary."""
    n = matrix.shape[0]
    mean, variance = mean_variance_axis(matrix, axis=0)
    deviation = np.sqrt(variance * (n / max(n - 1, 1)))
    deviation[variance <= 1e-12 * np.maximum(mean**2, 1e-12)] = 1.0
    return mean.astype(np.float32), deviation.astype(np.float32)


def columns(matrix: csr_matrix, chosen: NDArray[np.int64]) -> csr_matrix:
    """Return the chosen columns, in ascending order: the matrix itself, not a copy, where these are all."""
    return matrix if chosen.size == matrix.shape[1] else csr_matrix(matrix[:, chosen])


def pearson_genes(counts: csr_matrix, *, n_top: int = N_PEARSON_GENES) -> NDArray[np.int64]:
    """Return, in ascending order, the genes whose Pearson residuals vary most over the cells (at most `n_top`)."""
    n, n_genes = counts.shape
    if n_genes <= n_top:
        return np.arange(n_genes)
    total, squares = np.zeros(n_genes), np.zeros(n_genes)
    for block in _residuals(counts, np.arange(n_genes))():
        total += block.sum(axis=0, dtype=np.float64)
        squares += np.einsum("ij,ij->j", block, block, dtype=np.float64)
    variance = squares / n - (total / n) ** 2
    return np.sort(np.argsort(-variance, kind="stable")[:n_top])


def principal_components(blocks: Blocks, *, n_pcs: int, random_state: int = 0) -> NDArray[np.float32]:
    """Return the scores on the leading principal components of a matrix that comes in dense blocks of rows.

    Two passes: the first sums the genes x genes Gram matrix, whose leading eigenvectors are the loadings; the second
    projects. Columns are centered through the Gram matrix. The sign of a component is such that its largest loading is
    positive.

    Parameters
    ----------
    blocks
        Called for each pass; yields float32 blocks of rows in order.
    n_pcs
        Components wanted; at most min(cells - 1, genes) are possible and those without variance are dropped.
    random_state
        Seed of the first Lanczos vector.
    """
    n, mean, covariance = _covariance(blocks)
    loadings = _leading_eigenvectors(covariance, min(n_pcs, n - 1), random_state)
    if not loadings.shape[1]:
        return np.zeros((n, 1), dtype=np.float32)
    projection = loadings.astype(np.float32)
    offset = (mean @ loadings).astype(np.float32)
    return np.concatenate([block @ projection - offset for block in blocks()])


def _covariance(blocks: Blocks) -> tuple[int, NDArray[np.float64], NDArray[np.float64]]:
    n, total, gram = 0, np.zeros(1), np.zeros((1, 1))
    for block in blocks():
        n += block.shape[0]
        total = total + block.sum(axis=0, dtype=np.float64)
        gram = gram + block.T @ block
    mean = total / n
    return n, mean, gram / n - np.outer(mean, mean)


def _leading_eigenvectors(covariance: NDArray[np.float64], k: int, random_state: int) -> NDArray[np.float64]:
    n_genes = covariance.shape[0]
    k = min(k, n_genes)
    if k < 1 or not np.trace(covariance) > 0:
        return np.zeros((n_genes, 0))
    if n_genes <= max(FULL_DECOMPOSITION, 2 * k):
        values, vectors = eigh(covariance)
    else:
        start = np.random.default_rng(random_state).standard_normal(n_genes)
        values, vectors = eigsh(covariance, k=k, which="LA", v0=start)
    order = np.argsort(-values, kind="stable")[:k]
    order = order[values[order] > 1e-6 * values.max()]
    vectors = vectors[:, order]
    largest = np.argmax(np.abs(vectors), axis=0)
    return np.asarray(vectors * np.sign(vectors[largest, np.arange(order.size)]))


def row_blocks(n: int) -> Iterator[slice]:
    """Yield slices of `BLOCK` rows that cover `n`."""
    for start in range(0, n, BLOCK):
        yield slice(start, min(start + BLOCK, n))


def _centered(logs: csr_matrix, mean: NDArray[np.float32]) -> Blocks:
    def blocks() -> Iterator[NDArray[np.float32]]:
        for rows in row_blocks(logs.shape[0]):
            yield logs[rows].toarray() - mean

    return blocks


def _scaled(logs: csr_matrix, mean: NDArray[np.float32], deviation: NDArray[np.float32]) -> Blocks:
    def blocks() -> Iterator[NDArray[np.float32]]:
        for rows in row_blocks(logs.shape[0]):
            block = (logs[rows].toarray() - mean) / deviation
            yield np.clip(block, -CLIP, CLIP, out=block)

    return blocks


def _residuals(counts: csr_matrix, genes: NDArray[np.int64]) -> Blocks:
    """Analytic Pearson residuals (x - mu) / sqrt(mu + mu^2 / theta), mu = depth x gene total / total, of `genes`."""
    chosen = columns(counts.astype(np.float32, copy=False), genes)
    depths = np.asarray(chosen.sum(axis=1, dtype=np.float64)).ravel()
    totals = np.asarray(chosen.sum(axis=0, dtype=np.float64)).ravel()
    shares = (totals / max(totals.sum(), 1.0)).astype(np.float32)
    clip = np.float32(np.sqrt(counts.shape[0]))

    def blocks() -> Iterator[NDArray[np.float32]]:
        for rows in row_blocks(chosen.shape[0]):
            mu = depths[rows, None].astype(np.float32) * shares
            block = chosen[rows].toarray() - mu
            deviation = np.sqrt(mu + mu**2 / np.float32(THETA))
            np.divide(block, deviation, out=block, where=deviation > 0)
            yield np.clip(block, -clip, clip, out=block)

    return blocks
