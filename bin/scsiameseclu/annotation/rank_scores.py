"""Scores of gene sets by the ranks of genes within a cell.

After UCell (Andreatta and Carmona, Comput Struct Biotechnol J 19, 3796, 2021): a cell's score
depends on no other cell, so that it is the same in every group.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..blocks import Matrix, row_blocks

Floats = NDArray[np.float64]


MAX_RANK = 1500
"""Genes that are further down in a cell count as not expressed there."""


def rank_scores(
    counts: Matrix, sets: Sequence[Sequence[int]], *, max_rank: int = MAX_RANK
) -> NDArray[np.float32]:
    """Return the score of each cell for each set: 1 less the scaled Mann-Whitney U statistic.

    Parameters
    ----------
    counts
        Counts, or any increasing function of them within a cell; cells x genes, never negative, in
        memory or on disk.
    sets
        Columns of the genes of each set.
    max_rank
        Ranks above this are all set to the next one.

    Returns
    -------
    Cells x sets, 0 to 1; 0 where no gene of the set is among the first `max_rank` of the cell.
    """
    n_cells, n_genes = counts.shape
    members = np.zeros((n_genes, len(sets)))
    for column, genes in enumerate(sets):
        members[list(genes), column] = 1
    last = min(max_rank, n_genes)
    scores = np.zeros((n_cells, len(sets)), dtype=np.float32)
    for cells, rows in row_blocks(counts):
        scores[cells] = _of_block(rows, sparse.csr_matrix(members), last)
    return scores


def _of_block(rows: sparse.csr_matrix, members: sparse.csr_matrix, last: int) -> Floats:
    """Return the scores of some cells; `members` is genes x sets."""
    rows = sparse.csr_matrix(rows, copy=True)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    sizes = np.asarray(members.sum(axis=0)).ravel()
    # Genes without counts are one block of ties behind the others.
    of_zero = _cut((np.diff(rows.indptr) + 1 + rows.shape[1]) / 2, last)
    ranks, found = rows.astype(np.float64), rows.astype(np.float64)
    ranks.data = _cut(_ranks(rows), last)
    found.data = np.ones(rows.nnz)
    sums = (ranks @ members).toarray()
    sums += (sizes - (found @ members).toarray()) * of_zero[:, None]
    scores = 1 - (sums - sizes * (sizes + 1) / 2) / (sizes * last)
    scores[sums >= sizes * (last + 1)] = 0
    return np.asarray(scores, dtype=np.float64)


def _cut(ranks: Floats, last: int) -> Floats:
    """Return the ranks, those above `last` as the next one."""
    return np.where(ranks > last, last + 1.0, ranks)


def _ranks(rows: sparse.csr_matrix) -> Floats:
    """Return the rank of each stored value in its row, the highest first, ties sharing the mean."""
    n_values = np.diff(rows.indptr)
    cells = np.repeat(np.arange(rows.shape[0]), n_values)
    order = np.lexsort((-rows.data.astype(np.float64), cells))
    places = np.arange(rows.nnz) - np.repeat(rows.indptr[:-1], n_values) + 1.0
    values = rows.data[order]
    begins = np.ones(rows.nnz, dtype=bool)
    begins[1:] = (values[1:] != values[:-1]) | (cells[1:] != cells[:-1])
    ties = np.cumsum(begins) - 1
    means = np.bincount(ties, weights=places) / np.maximum(np.bincount(ties), 1)
    ranks = np.empty(rows.nnz)
    ranks[order] = means[ties]
    return ranks
