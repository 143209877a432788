"""An order of cells and genes that their counts decide, whatever the order in which they came."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ..blocks import row_blocks

_ROWS = 2_000
# Multipliers of the splitmix64 generator.
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def canonical_order(counts: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of cells and genes in an order independent of names and input order.

    A cell is known by its total; a gene then by its counts and the cells that hold them; a cell at
    last by its counts and the genes that they are of. Sums of whole numbers do not depend on their
    order. Cells (or genes) with the very same counts stay in the order in which they came.

    Parameters
    ----------
    counts
        Raw counts (cells x genes).

    Returns
    -------
    Permutation of the rows and of the columns.
    """
    known_cells = np.asarray(counts.sum(axis=1)).ravel().astype(np.uint64)
    known_genes = _summed(counts, known_cells, by_gene=True)
    known_cells = _summed(counts, known_genes, by_gene=False)
    return np.argsort(known_cells, kind="stable"), np.argsort(known_genes, kind="stable")


def _summed(counts: sparse.csr_matrix, known: np.ndarray, *, by_gene: bool) -> np.ndarray:
    """Return for each gene (or cell) the sum of a hash of its counts and of `known`."""
    n_cells, n_genes = counts.shape
    sums = np.zeros(n_genes if by_gene else n_cells, dtype=np.uint64)
    for rows, part in row_blocks(counts, _ROWS):
        cells = rows.start + np.repeat(np.arange(part.shape[0]), np.diff(part.indptr))
        genes = part.indices
        hashes = _mixed(part.data.astype(np.uint64) + _mixed(known[cells if by_gene else genes]))
        # A stored zero is not a count.
        np.add.at(sums, genes if by_gene else cells, np.where(part.data == 0, np.uint64(0), hashes))
    return sums


def _mixed(values: np.ndarray) -> np.ndarray:
    """Return a hash (uint64) of whole numbers."""
    for factor, shift in zip(_FACTORS, (np.uint64(30), np.uint64(27)), strict=True):
        values = (values ^ (values >> shift)) * factor
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed
