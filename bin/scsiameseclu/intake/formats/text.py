"""Tables of text: one row per gene, cell or count, any usual delimiter, gzipped or not."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from ...errors import InputError, listed, quoted
from ..counts import Counts, compact
from ..gene_ids import share_of_gene_ids
from ..names import rows_are_cells
from . import _vocabulary as vocabulary
from ._accounts import check_accounts, check_repeated
from ._blocks import blocks, numbers_of, words_of
from ._bytes import damaged, head
from ._layout import Columns, Layout, find_columns, find_layout, is_number, no_table
from ._lines import is_long, read_long

NAME = "table"
ASKED = "last"
ENDINGS = ("csv", "tsv", "txt")
_FEWEST_GENES = 3
"""Columns of counts, and others that annotate cells."""
_STAR = frozenset(("N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous"))


@dataclass(frozen=True)
class _Table:
    """Counts, rows x columns, and the content of the other columns."""

    layout: Layout
    columns: Columns
    matrix: sparse.csr_matrix
    words: pd.DataFrame
    """Names of rows and remarks on them, by the places of their columns."""

    @property
    def rows(self) -> list[str]:
        """Names of the rows; the first column of words if there are several."""
        names = sorted(self.columns.names, key=self.is_numeric)
        return list(self.words[names[0]]) if names else []

    @property
    def above(self) -> list[str]:
        """Names of the columns of counts."""
        counts = self.columns.counts if self.layout.header else []
        return [self.layout.name(column) for column in counts]

    def is_numeric(self, column: int) -> bool:
        """Return whether names are numbers, by the first rows."""
        rows = (row for row in self.layout.sample if len(row) == self.layout.n_fields)
        return all(is_number(row[column]) for row in rows)


def recognizes(path: Path) -> bool:
    """Return whether the file, gzipped or not, begins with text."""
    if not path.is_file():
        return False
    start = head(path)
    return b"\0" not in start and not start.startswith(b"\x1f\x8b")


def read(path: Path) -> Counts:
    """Read a table of genes and cells, or of one count per line; all of it is accounted for.

    Whether cells are the rows is decided by names, else by the shape, and noted. What holds no
    counts by its name or for its words is left out and noted (of cells, it is kept as ``columns``);
    what holds none by its values is refused.
    """
    try:
        layout = find_layout(path)
        return read_long(path, layout) if is_long(layout) else _read_wide(path, layout)
    except UnicodeDecodeError as error:
        raise _not_text(path, error) from error
    except (pd.errors.ParserError, csv.Error) as error:
        raise no_table(path, quoted(error, length=200)) from error
    except (OSError, EOFError) as error:
        raise damaged(path, error) from error


def _read_wide(path: Path, layout: Layout) -> Counts:
    columns = find_columns(layout)
    _check_columns(path, layout, columns)
    table = _Table(layout, columns, *_read_rows(path, layout, columns))
    upright, reason = _orientation(table)
    _check_kind(path, table, upright=upright)
    table, left_out = _leave_out_rows(table, upright=upright)
    counts, used = _cells(table) if upright else _genes(table)
    if not upright:
        check_repeated(counts.gene_ids, path)
    counts.leave_out_no_genes(path)
    check_accounts(counts, path, upright=upright)
    others = sorted({*columns.names, *columns.beside} - used)
    _note_left_out(counts, "Columns", [layout.name(column) for column in others])
    _note_left_out(counts, "Rows", left_out)
    size = "{} cells, {} genes".format(*counts.matrix.shape)
    counts.notes.append(f"Rows were taken as {'cells' if upright else 'genes'} ({reason}): {size}.")
    return counts


def _check_kind(path: Path, table: _Table, *, upright: bool) -> None:
    if table.layout.header is None and set(table.rows) >= _STAR:
        raise no_table(path, "it is STAR's ReadsPerGene of one sample, by strandedness")
    if upright and table.columns.beside and len(table.columns.counts) < _FEWEST_GENES:
        shown = listed(table.above)
        raise no_table(path, f"it describes cells, and at most {shown} may hold counts")


def _note_left_out(counts: Counts, word: str, names: Sequence[str]) -> None:
    shown = [name for name in names if name]  # a delimiter at the end of each line is not a column
    if shown:
        counts.notes.append(f"{word} that hold no counts were left out: {listed(shown)}.")


def _check_columns(path: Path, layout: Layout, columns: Columns) -> None:
    names = [layout.name(column) for column in columns.counts]
    if not names:
        shown = listed([layout.name(column) for column in (*columns.names, *columns.beside)])
        why = "none of its columns holds counts: they hold no numbers, or names"
        raise no_table(path, f"{why}: {shown}")
    found = [name for name in names if layout.header and vocabulary.is_normalized(name)]
    if found:
        why = f"column {quoted(found[0])} holds the expression of one sample, not of cells"
        raise no_table(path, why)


def _read_rows(
    path: Path, layout: Layout, columns: Columns
) -> tuple[sparse.csr_matrix, pd.DataFrame]:
    parts, words = [], []
    aside = [*columns.names, *columns.beside]
    for block in blocks(path, layout, words=aside):
        words.append(words_of(block, aside))
        parts.append(compact(sparse.csr_matrix(numbers_of(block, columns.counts, path, layout))))
    if not parts:
        raise no_table(path, "it has nothing after the first line")
    return sparse.vstack(parts, format="csr"), pd.concat(words, ignore_index=True)


def _orientation(table: _Table) -> tuple[bool, str]:
    """Return whether the rows are cells, and by what evidence."""
    by_names = rows_are_cells(table.rows, table.above)
    if by_names is not None:
        return by_names, "by their names"
    for column in (*table.columns.names, *table.columns.beside) if table.layout.header else ():
        name = table.layout.name(column)
        side = vocabulary.side_of(name)
        if side:
            return side == "cells", f"by the word {quoted(name)} above them"
    n_rows, n_columns = table.matrix.shape
    why = "by the shape alone: please check; names of genes and barcodes would show it"
    return n_rows <= n_columns, why


def _leave_out_rows(table: _Table, *, upright: bool) -> tuple[_Table, list[str]]:
    """Return the table without rows other than cells or genes, and the names of these rows."""
    no_counts = vocabulary.is_total if upright else vocabulary.is_beside
    names = [row for row in table.rows if no_counts(row)]
    if not names or len(names) == len(table.rows):
        return table, []
    kept = np.array([not no_counts(row) for row in table.rows])
    return replace(table, matrix=table.matrix[kept], words=table.words[kept]), names


def _cells(table: _Table) -> tuple[Counts, set[int]]:
    """Return the counts of a table with a row for each cell, and the columns that name them."""
    used = _columns_of_cells(table)
    genes = table.above
    counts = Counts(
        table.matrix, _joined(table.words, used), genes, list(genes), NAME, source="the table"
    )
    others = sorted({*table.columns.names, *table.columns.beside} - set(used))
    columns = table.words[others].rename(columns=table.layout.name)
    counts.columns = columns.loc[:, ~columns.columns.duplicated()]
    return counts, set(used)


def _columns_of_cells(table: _Table) -> list[int]:
    """Return the column, or columns together, that name each cell; words before numbers."""
    words = [column for column in table.columns.names if not table.is_numeric(column)]
    numbers = [column for column in table.columns.names if column not in words]
    header = table.layout.name
    unnamed = [column for column in numbers if vocabulary.is_unnamed(header(column), place=column)]
    named = [column for column in numbers if column not in unnamed]
    candidates = [
        *([column] for column in (*words, *named)),
        [*words, *named],
        *([column] for column in unnamed),
    ]
    candidates = [columns for columns in candidates if columns]
    for columns in candidates:
        if len(set(_joined(table.words, columns))) == len(table.words):
            return columns
    return candidates[0] if candidates else []


def _joined(words: pd.DataFrame, columns: Sequence[int]) -> list[str]:
    return ["_".join(parts) for parts in zip(*(words[column] for column in columns), strict=True)]


def _genes(table: _Table) -> tuple[Counts, set[int]]:
    """Return the counts of a table with a row for each gene, and the columns that name them."""
    of_ids, of_symbols = _columns_of_genes(table)
    ids, symbols = ([] if of is None else list(table.words[of]) for of in (of_ids, of_symbols))
    counts = Counts(table.matrix.T.tocsr(), table.above, ids, symbols, NAME, source="the table")
    return counts, {column for column in (of_ids, of_symbols) if column is not None}


def _columns_of_genes(table: _Table) -> tuple[int | None, int | None]:
    """Return the columns with ids and with symbols of genes, which may be the same."""
    names = table.columns.names
    names = [column for column in names if not table.is_numeric(column)] or names[:1]
    half = len(table.words) / 2
    names = [column for column in names if table.words[column].nunique() > half] or names[:1]
    if not names:
        return None, None
    ids = [column for column in names if share_of_gene_ids(list(table.words[column])) > 0.5]
    others = [column for column in names if column not in ids]
    rank = {column: vocabulary.rank_of_symbols(table.layout.name(column)) for column in others}
    symbols = min(rank, key=rank.__getitem__, default=names[0])
    return (ids or names)[0], symbols


def _not_text(path: Path, error: UnicodeDecodeError) -> InputError:
    where = f"{error.reason} at byte {error.start}"
    return InputError.of(
        what=f"The file is neither a known format nor UTF-8 text ({where}).",
        where=path,
        remedy="If it is a table, save it as CSV in UTF-8; else give one of the "
        "formats in docs/inputs.md.",
    )
