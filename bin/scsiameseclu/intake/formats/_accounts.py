"""Rows and columns of a table that hold no counts, by their values or unlike names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy import sparse

from ...errors import InputError, listed, quoted
from ..counts import Counts
from ..gene_ids import share_of_gene_ids
from ..names import BARCODE, is_known_gene

_FEWEST = 5
"""Fewest values and lines for which these patterns are not chance."""
_FEWEST_RISING = 15
_FEWEST_GENES = 100
_MOST_ODD = 10


def check_accounts(counts: Counts, path: Path, *, upright: bool) -> None:
    """Reject a table with a row or column that is neither a gene nor a cell.

    Parameters
    ----------
    counts
        As read, cells x genes; names may be missing.
    path
        The table, for messages.
    upright
        Whether cells are the table's rows.
    """
    words = ("Row", "Column") if upright else ("Column", "Row")
    for word, names, found in (
        (words[0], counts.barcodes, _odd_cells(counts.barcodes)),
        (words[1], counts.gene_symbols, _odd_genes(counts.gene_ids) if upright else []),
    ):
        if found:
            raise _no_counts(
                word, [names[place] for place in found], "named unlike the others", path
            )
    for axis, word, names, is_known in (
        (0, words[0], counts.barcodes, BARCODE.match),
        (1, words[1], counts.gene_symbols, is_known_gene),
    ):
        for place, why in _suspects(counts.matrix, axis):
            if names and is_known(names[place]):
                continue
            raise _no_counts(word, [names[place] if names else str(place + 1)], why, path)


def check_repeated(ids: Sequence[str], path: Path) -> None:
    """Reject a table if most rows name a gene that another row also names."""
    n_genes = len(set(ids))
    if len(ids) >= 2 * _FEWEST and 2 * n_genes < len(ids):
        raise InputError.of(
            what=f"The {len(ids)} rows name only {n_genes} genes, such as {quoted(ids[0])}.",
            where=path,
            remedy="Of a table with one count per line, give the columns gene, "
            "cell and count only.",
        )


def _odd_cells(names: Sequence[str]) -> list[int]:
    """Return the few names before or after the barcodes that are not barcodes."""
    barcodes = [place for place, name in enumerate(names) if BARCODE.match(name)]
    if len(barcodes) < max(_FEWEST, len(names) / 2) or len(names) - len(barcodes) > _MOST_ODD:
        return []
    return [*range(barcodes[0]), *range(barcodes[-1] + 1, len(names))]


def _odd_genes(ids: Sequence[str]) -> list[int]:
    """Return the few names before the first gene id, where the others are ids."""
    first = next((place for place, name in enumerate(ids) if share_of_gene_ids([name])), 0)
    return list(range(first)) if first <= _MOST_ODD and share_of_gene_ids(ids) > 0.5 else []


def _suspects(matrix: sparse.csr_matrix, axis: int) -> Iterator[tuple[int, str]]:
    """Yield the cells (`axis` 0) or genes (1) whose values are not counts, and why."""
    lines = sparse.csr_matrix(matrix if axis == 0 else matrix.T)
    n_lines, n_values = lines.shape
    if min(n_lines, n_values) < _FEWEST:
        return
    n_filled = lines.getnnz(axis=1)
    yield from _sums(lines)
    yield from _giants(lines, n_filled)
    if n_values >= _FEWEST_RISING:
        yield from _rising(lines, n_filled)
    yield from _fractions(lines)
    if axis == 0 and n_values >= _FEWEST_GENES and np.median(n_filled) < n_values / 2:
        for place in np.flatnonzero(n_filled == n_values):
            yield int(place), "above 0 for every gene"


def _sums(lines: sparse.csr_matrix) -> Iterator[tuple[int, str]]:
    totals, sums = np.asarray(lines.sum(axis=0)).ravel(), np.asarray(lines.sum(axis=1)).ravel()
    for place in np.flatnonzero((2 * sums == sums.sum()) & (sums > 0)):
        if (2 * lines[place].toarray().ravel() == totals).all():
            yield int(place), "the sum of all others"


def _giants(lines: sparse.csr_matrix, n_filled: np.ndarray) -> Iterator[tuple[int, str]]:
    largest = lines.max(axis=1).toarray().ravel()
    place = int(np.argmax(largest))
    others = np.delete(largest, place)
    if n_filled[place] == lines.shape[1] and lines[place].data.min() > others.max():
        yield place, "each value larger than any of the others"


def _rising(lines: sparse.csr_matrix, n_filled: np.ndarray) -> Iterator[tuple[int, str]]:
    for place in np.flatnonzero(n_filled >= lines.shape[1] - 1):
        if (np.diff(lines[place].toarray().ravel()) > 0).all():
            yield int(place), "rising from first to last"


def _fractions(lines: sparse.csr_matrix) -> Iterator[tuple[int, str]]:
    """Yield the few lines with fractions; of counts that are estimated, most have them."""
    if lines.data.dtype.kind != "f":
        return
    rows = np.repeat(np.arange(lines.shape[0]), np.diff(lines.indptr))
    places = np.unique(rows[lines.data != np.rint(lines.data)])
    if len(places) <= lines.shape[0] / 20:
        yield from ((int(place), "alone with fractions") for place in places)


def _no_counts(word: str, names: Sequence[str], why: str, path: Path) -> InputError:
    which = f"{word} {quoted(names[0])} holds"
    if len(names) > 1:
        which = f"{word}s {listed(names)} hold"
    return InputError.of(
        what=f"{which} values that do not look like counts ({why}).",
        where=path,
        remedy="Leave it out of the table; docs/inputs.md lists names that are skipped.",
    )
