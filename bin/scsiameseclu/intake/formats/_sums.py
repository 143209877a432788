"""Sums of matrices of counts, never past the largest integer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import sparse

from ...errors import InputError


def total(matrix: sparse.spmatrix) -> int | float:
    """Return the sum of all counts."""
    return np.sum(matrix.data, dtype=np.int64 if matrix.data.dtype.kind in "iu" else float).item()


def add(one: sparse.csr_matrix, other: sparse.csr_matrix, path: Path) -> sparse.csr_matrix:
    """Add two matrices of counts."""
    added = one + other
    if added.data.dtype.kind in "iu" and total(added) != total(one) + total(other):
        raise overflow(path)
    return added


def overflow(path: Path) -> InputError:
    """Return the error for counts that are too large to be added up."""
    return InputError.of(
        what="Counts of one gene and barcode add up to more than 2,147,483,647.",
        where=path,
        remedy="The file is damaged: copy or download it again and compare checksums.",
    )
