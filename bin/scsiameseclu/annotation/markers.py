"""Marker genes of each cluster, as Seurat's FindAllMarkers finds them.

The test is the Wilcoxon rank-sum test of one cluster against the rest.

Written from the statistics: ranks over all cells per gene, the zeros being one block of ties;
normal approximation with corrections for ties and continuity, as in R's ``wilcox.test``.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import ndtr

from ..blocks import columns_of
from ..depth import exact_logarithm
from ..files import below_each_other, write_table
from ..steps import Step
from ..threads import n_threads
from .clustered import CLUSTER, clustered
from .options import Clustering, Expression, Prefix

COLUMNS = ["cluster", "gene", "avg_log2FC", "pct.1", "pct.2", "p_val", "p_val_adj"]
FEWEST_CELLS = 3
"""Seurat's ``min.cells.group``: a cluster smaller than this, or with a rest smaller than this, is
not tested."""
LARGEST_P_VALUE = 0.01
"""Seurat's ``return.thresh``."""
BLOCK = 100_000
"""Non-zero values that a thread handles at once, which bounds the memory; results do not depend on
the threads."""

_AT_ONCE = 10_000_000  # values that are copied to a wider type by a sum

SeuratVersion = Literal["5", "4"]
Array = np.ndarray[Any, Any]


DEFAULTS: dict[SeuratVersion, tuple[float, float]] = {"5": (0.01, 0.1), "4": (0.1, 0.25)}
"""FindAllMarkers' own ``min.pct`` and ``logfc.threshold``, by Seurat's major version."""


def markers(
    *,
    prefix: Prefix,
    expression: Expression,
    clustering: Clustering,
    min_pct: float | None = None,
    logfc_threshold: float | None = None,
    only_pos: bool = False,
    seurat_compat: SeuratVersion = "5",
) -> None:
    """Write ``<prefix>.markers.tsv`` with Seurat's columns, strongest first within a cluster.

    Parameters
    ----------
    min_pct
        Test only genes found in at least this share of the cells of the cluster or of the rest.
        Default: Seurat's, 0.01 in version 5 and 0.1 in version 4.
    logfc_threshold
        Test only genes whose log2 fold change is at least this. Default: Seurat's, 0.1 in version
        5, 0.25 in version 4.
    only_pos
        Report only genes that are higher in the cluster.
    seurat_compat
        Seurat's major version whose fold change and thresholds are used.
    """
    with clustered(expression, clustering) as adata:
        table = find_markers(
            adata,
            min_pct=min_pct,
            logfc_threshold=logfc_threshold,
            only_pos=only_pos,
            seurat_compat=seurat_compat,
            exact=True,
            threads=n_threads(),
        )
    write_table(table, f"{prefix}.markers.tsv")


def find_markers(
    adata: ad.AnnData,
    *,
    groupby: str = CLUSTER,
    min_pct: float | None = None,
    logfc_threshold: float | None = None,
    only_pos: bool = False,
    seurat_compat: SeuratVersion = "5",
    exact: bool = False,
    threads: int = 1,
) -> pd.DataFrame:
    """Return the marker genes of each cluster.

    Parameters
    ----------
    adata
        Log-normalised expression (natural logarithm, never negative) in ``X``, dense or sparse, in
        memory or on disk.
    groupby
        Column of ``obs`` with the clusters; cells without one are left out.
    min_pct, logfc_threshold, only_pos
        As of :func:`markers`.
    seurat_compat
        ``"5"``: the fold change is of ``(sum(expm1(x)) + 1) / n``; ``"4"``: of ``mean(expm1(x)) +
        1``.
    exact
        True: instead of ``X``, :func:`~scsiameseclu.depth.exact_logarithm` of ``layers['counts']``
        is tested.
    threads
        Threads over blocks of genes; the result does not depend on their number.

    Returns
    -------
    `COLUMNS` of each cluster and gene with a p-value below 0.01 (``pct.1`` in the cluster,
    ``pct.2`` in the rest, 3 decimals; Bonferroni over all genes), by cluster, p-value and falling
    fold change; none of clusters with fewer than 3 cells in them or outside.
    """
    own_pct, own_logfc = DEFAULTS[seurat_compat]
    clusters = pd.Categorical(adata.obs[groupby])
    statistics = _statistics(_genes(adata, clusters.codes >= 0, exact=exact), clusters, threads)
    of_cluster = partial(
        _table,
        statistics,
        genes=adata.var_names,
        min_pct=own_pct if min_pct is None else min_pct,
        logfc_threshold=own_logfc if logfc_threshold is None else logfc_threshold,
        only_pos=only_pos,
        seurat_compat=seurat_compat,
    )
    tested = np.minimum(statistics.sizes, statistics.sizes.sum() - statistics.sizes) >= FEWEST_CELLS
    tables = (
        of_cluster(k).assign(cluster=str(clusters.categories[k]))
        for k in np.flatnonzero(tested).tolist()
    )
    return below_each_other(tables, COLUMNS)


@dataclass(frozen=True)
class _Statistics:
    """What the test needs, of every gene and cluster.

    ``sizes`` (clusters) cells; ``detected`` (genes x clusters) cells with the gene; ``sums`` (genes
    x clusters) of ``expm1(x)``; ``ranks`` (genes x clusters) rank sums; ``ties`` (genes) sums of
    t**3 - t over blocks of t ties.
    """

    sizes: Array
    detected: Array
    sums: Array
    ranks: Array
    ties: Array


@dataclass(frozen=True)
class _Genes:
    """The genes' values (CSC): expression, or counts from which it is computed on request.

    ``totals`` (cells) are the sums by which counts are divided; None: the values are expression.
    """

    matrix: sparse.csc_matrix
    totals: Array | None = None

    def expression(self, first: int, stop: int) -> sparse.csc_matrix:
        """Return the expression of a range of genes."""
        block = self.matrix[:, first:stop]
        if self.totals is not None:
            block = block.astype(np.float64)
            block.data = exact_logarithm(block.data, self.totals[block.indices])
        return block


def _genes(adata: ad.AnnData, kept: Array, *, exact: bool) -> _Genes:
    """Return the genes of the cells that are `kept`."""
    values = columns_of(adata.layers["counts"] if exact else adata.X, None if kept.all() else kept)
    if values.nnz and values.data.min() < 0:
        raise ValueError("expression must be log-normalised, but has negative values")
    if not exact:
        return _Genes(values)
    totals = np.zeros(values.shape[0])
    for start in range(0, values.nnz, _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        totals += np.bincount(values.indices[some], values.data[some], minlength=len(totals))
    return _Genes(values, totals)


def _statistics(genes: _Genes, clusters: pd.Categorical, threads: int = 1) -> _Statistics:
    """Return the statistics of all genes and clusters in one pass over the genes."""
    codes = clusters.codes[clusters.codes >= 0]
    sizes = np.bincount(codes, minlength=len(clusters.categories)).astype(np.float64)
    of_genes = partial(_block_statistics, genes, codes, sizes)
    with ThreadPoolExecutor(threads) as pool:  # sorting, most of the work, lets other threads run
        blocks = list(pool.map(of_genes, _blocks(genes.matrix.indptr)))
    detected, sums, ranks, ties = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return _Statistics(sizes, detected, sums, ranks, ties)


def _blocks(indptr: Array) -> Iterator[tuple[int, int]]:
    """Yield ranges of genes with about `BLOCK` non-zero values, at least one gene each."""
    start, n_genes = 0, len(indptr) - 1
    while start < n_genes:
        stop = int(np.searchsorted(indptr, indptr[start] + BLOCK, side="right")) - 1
        stop = min(max(stop, start + 1), n_genes)
        yield start, stop
        start = stop


def _block_statistics(
    of_all: _Genes, codes: Array, sizes: Array, block: tuple[int, int]
) -> tuple[Array, Array, Array, Array]:
    """Return detected, sums, ranks and ties of a range of genes."""
    X = of_all.expression(*block)
    n_cells, n_genes = X.shape
    shape = n_genes, len(sizes)
    genes = np.repeat(np.arange(n_genes), np.diff(X.indptr))
    order = np.lexsort((X.data, genes))
    values, cell_codes = X.data[order], codes[X.indices[order]]
    zeros = n_cells - np.diff(X.indptr)
    nonzero_ranks, ties = _ranks(values, genes, zeros, X.indptr)
    cells = genes * shape[1] + cell_codes

    def per_cluster(weights: Array | None = None) -> Array:
        return (
            np.bincount(cells, weights, minlength=n_genes * shape[1])
            .reshape(shape)
            .astype(np.float64)
        )

    detected = per_cluster()
    zero_ranks = (sizes - detected) * ((zeros + 1) / 2)[:, None]
    return (
        detected,
        per_cluster(np.expm1(values.astype(np.float64))),
        per_cluster(nonzero_ranks) + zero_ranks,
        ties,
    )


def _ranks(values: Array, genes: Array, zeros: Array, indptr: Array) -> tuple[Array, Array]:
    """Return mid-ranks of non-zero values, sorted within each gene above its zeros, and ties."""
    if not len(values):
        return values, zeros.astype(np.float64) ** 3 - zeros
    first = np.flatnonzero(np.r_[True, (values[1:] != values[:-1]) | (genes[1:] != genes[:-1])])
    lengths = np.diff(np.r_[first, len(values)])
    tied_genes = genes[first]
    mid_ranks = zeros[tied_genes] + (first - indptr[tied_genes]) + (lengths + 1) / 2
    sizes = lengths.astype(np.float64)
    ties = (
        np.bincount(tied_genes, sizes**3 - sizes, minlength=len(zeros))
        + zeros.astype(np.float64) ** 3
        - zeros
    )
    return np.repeat(mid_ranks, lengths), ties


def _table(
    statistics: _Statistics,
    cluster: int,
    genes: pd.Index,
    *,
    min_pct: float,
    logfc_threshold: float,
    only_pos: bool,
    seurat_compat: SeuratVersion,
) -> pd.DataFrame:
    """Return the rows of one cluster, without its name."""
    size, rest = statistics.sizes[cluster], statistics.sizes.sum() - statistics.sizes[cluster]
    detected = statistics.detected[:, cluster]
    pct_1 = _rounded(detected / size)
    pct_2 = _rounded((statistics.detected.sum(axis=1) - detected) / rest)
    outside = np.delete(statistics.sums, cluster, axis=1).sum(axis=1)
    inside = statistics.sums[:, cluster]
    fold_change = log2_fold_change(inside, outside, size, rest, seurat_compat)
    strong = (fold_change if only_pos else np.abs(fold_change)) >= logfc_threshold
    tested = np.flatnonzero(strong & (np.maximum(pct_1, pct_2) >= min_pct))
    p_values = rank_sum_p_values(
        statistics.ranks[tested, cluster], statistics.ties[tested], size, rest
    )
    table = pd.DataFrame(
        {
            "gene": np.asarray(genes)[tested],
            "avg_log2FC": fold_change[tested],
            "pct.1": pct_1[tested],
            "pct.2": pct_2[tested],
            "p_val": p_values,
            "p_val_adj": np.minimum(p_values * len(genes), 1.0),
        }
    )
    table = table.iloc[np.lexsort((-table["avg_log2FC"], table["p_val"]))]
    return table[(table["p_val"] < LARGEST_P_VALUE) & ((table["avg_log2FC"] > 0) | (not only_pos))]


def _rounded(share: Array) -> Array:
    """Round to 3 decimals as R 4 does: to the nearer, at equal distance to the even digit."""
    digits = np.floor(share * 1000)
    low, high = digits / 1000, np.ceil(share * 1000) / 1000
    up = (high - share < share - low) | ((high - share == share - low) & (digits % 2 == 1))
    return np.asarray(np.where(up, high, low))


def log2_fold_change(
    inside: Array, outside: Array, size: float, rest: float, seurat_compat: SeuratVersion
) -> Array:
    """Return Seurat's log2 fold change of genes.

    Parameters
    ----------
    inside, outside
        Sums of each gene's counts per 10,000 over the cells of a cluster, and over all others.
    size, rest
        Numbers of these cells.
    seurat_compat
        Version of Seurat: ``"5"`` adds 1 to the sums, ``"4"`` to the means.
    """
    if seurat_compat == "5":
        return np.asarray(np.log2((inside + 1) / size) - np.log2((outside + 1) / rest))
    return np.asarray(np.log2(inside / size + 1) - np.log2(outside / rest + 1))


def rank_sum_p_values(ranks: Array, ties: Array, size: float, rest: float) -> Array:
    """Return two-sided p-values of Wilcoxon's rank-sum test by the normal approximation.

    Corrected for ties and continuity as in R's ``wilcox.test(exact = FALSE)``.

    Parameters
    ----------
    ranks
        Rank sums of the cluster.
    ties
        Sums of t**3 - t over the blocks of t tied cells.
    size, rest
        Cells in the cluster and in the rest.

    Returns
    -------
    p-values; 1 where all cells are tied.
    """
    n = size + rest
    deviation = np.abs(ranks - size * (size + 1) / 2 - size * rest / 2)
    sigma = np.sqrt(size * rest / 12 * np.maximum((n + 1) - ties / (n * (n - 1)), 0))
    z = np.divide(deviation - 0.5, sigma, out=np.zeros_like(sigma), where=sigma > 0)
    return np.asarray(np.minimum(2 * ndtr(-z), 1.0))


STEP = Step(markers, isolate=True)
