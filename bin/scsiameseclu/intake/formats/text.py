"""Tables of text: one row a gene or a cell, any usual delimiter, with names or without, gzipped or not."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd
from scipy import sparse

from ...errors import InputError, quoted
from ..counts import Counts, compact
from ..names import rows_are_cells
from ._bytes import damaged, head, open_text

NAME = "table"
DELIMITERS = ("\t", ",", ";", " ")
VALUES = 4_000_000
"""Values read at a time."""
_GENE_CORNER = re.compile(
    r"(gene[_ .-]?(id|name|symbol)?|symbol|feature[_ .-]?(id|name)?|ensembl[_ .-]?(id)?|id|name)s?", re.I
)
_CELL_CORNER = re.compile(r"(cell[_ .-]?(id|name|barcode)?|barcode|obs[_ .-]?(name)?)s?|index", re.I)


@dataclass(frozen=True)
class _Layout:
    delimiter: str
    header: list[str] | None
    """Names of the columns of numbers."""
    corner: str
    named_rows: bool
    n_fields: int


def recognizes(path: Path) -> bool:
    """Return whether the file, gzipped or not, begins with text."""
    if not path.is_file():
        return False
    start = head(path)
    return b"\0" not in start and not start.startswith(b"\x1f\x8b")


def read(path: Path) -> Counts:
    """Read a table; whether cells are its rows is told by its names, else by its shape, and noted."""
    try:
        layout = _layout(path)
        matrix, rows = _read_rows(path, layout)
    except UnicodeDecodeError as error:
        raise _not_text(path, error) from error
    except (pd.errors.ParserError, csv.Error) as error:
        raise _no_table(path, quoted(error, length=200)) from error
    except (OSError, EOFError) as error:
        raise damaged(path, error) from error
    upright, reason = _orientation(rows, layout, matrix.shape)
    columns = layout.header or []
    barcodes, genes = (rows, columns) if upright else (columns, rows)
    counts = Counts(matrix if upright else matrix.T.tocsr(), barcodes, genes, list(genes), NAME, source="the table")
    n_cells, n_genes = counts.matrix.shape
    side = "cells" if upright else "genes"
    counts.notes.append(f"Rows were taken as {side} ({reason}): {n_cells} cells, {n_genes} genes.")
    return counts


def _orientation(rows: list[str], layout: _Layout, shape: tuple[int, int]) -> tuple[bool, str]:
    told = rows_are_cells(rows, layout.header or [])
    if told is not None:
        return told, "by their names"
    if _GENE_CORNER.fullmatch(layout.corner) or _CELL_CORNER.fullmatch(layout.corner):
        return bool(_CELL_CORNER.fullmatch(layout.corner)), f"by the word {quoted(layout.corner)} in the corner"
    return shape[0] <= shape[1], "by the shape alone: please check; names of genes and barcodes would tell"


def _layout(path: Path) -> _Layout:
    first, second = _first_lines(path)
    delimiter = max(DELIMITERS, key=lambda candidate: len(_fields(second or first, candidate)))
    top, below = _fields(first, delimiter), _fields(second or first, delimiter)
    if len(below) == 1:
        raise _no_table(path, "it has one column only")
    has_header = top[0] == "" or not all(_is_number(field) for field in top[1:]) or _is_corner(top[0])
    if not has_header:
        return _Layout(delimiter, None, "", not _is_number(top[0]), len(top))
    if not second:
        raise _no_table(path, "there is one line only")
    if len(below) == len(top) + 1:  # as R's write.table has it
        return _Layout(delimiter, top, "", True, len(below))
    if len(below) != len(top):
        raise _no_table(path, f"the first line has {len(top)} fields, the second {len(below)}")
    named_rows = top[0] == "" or _is_corner(top[0]) or not _is_number(below[0])
    return _Layout(delimiter, top[1:] if named_rows else top, top[0] if named_rows else "", named_rows, len(below))


def _first_lines(path: Path) -> tuple[str, str]:
    with open_text(path) as file:
        filled = (line.rstrip("\n") for line in file if line.strip())
        first, second = next(filled, ""), next(filled, "")
    if not first:
        raise _no_table(path, "it has no line with text")
    return first, second


def _fields(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        line = " ".join(line.split())
    csv.field_size_limit(max(csv.field_size_limit(), len(line)))
    return [field.strip() for field in next(csv.reader(io.StringIO(line), delimiter=delimiter), [""])]


def _is_corner(field: str) -> bool:
    return bool(_GENE_CORNER.fullmatch(field) or _CELL_CORNER.fullmatch(field))


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return "_" not in field


def _read_rows(path: Path, layout: _Layout) -> tuple[sparse.csr_matrix, list[str]]:
    parts: list[sparse.csr_matrix] = []
    names: list[str] = []
    with open_text(path) as file:
        if layout.header is not None:
            next(line for line in file if line.strip())
        for block in _blocks(file, layout):
            if not isinstance(block.index, pd.RangeIndex):  # pandas takes what is too much in a row for names of rows
                raise _no_table(path, f"its rows have more than {layout.n_fields} fields")
            if layout.named_rows:
                names += [str(name).strip() for name in block[0]]
                block = block.drop(columns=0)
            parts.append(compact(sparse.csr_matrix(_numbers(block, path, layout))))
    if not parts:
        raise _no_table(path, "there is a first line only")
    return sparse.vstack(parts, format="csr"), names


def _blocks(file: TextIO, layout: _Layout) -> Iterator[pd.DataFrame]:
    blocks = pd.read_csv(
        file,
        sep=r"\s+" if layout.delimiter == " " else layout.delimiter,
        header=None,
        names=range(layout.n_fields),
        dtype={0: str} if layout.named_rows else None,
        na_filter=False,  # an empty field or NA is told, not guessed at
        low_memory=False,
        chunksize=max(1, VALUES // layout.n_fields),
    )
    return iter(blocks)


def _numbers(block: pd.DataFrame, path: Path, layout: _Layout) -> np.ndarray:
    for column in block.columns:
        if block[column].dtype.kind not in "iuf":
            values = block[column].astype(str)
            wrong = [not _is_number(value) for value in values]
            if any(wrong):
                raise _no_number(values[wrong], path, layout)
            block[column] = values.astype(float)  # whole numbers beyond 64 bits
    return block.to_numpy()


def _no_number(values: pd.Series[str], path: Path, layout: _Layout) -> InputError:
    column = int(str(values.name))
    name = layout.header[column - int(layout.named_rows)] if layout.header else str(column + 1)
    row = int(str(values.index[0])) + 1 + (layout.header is not None)
    return InputError.of(
        what=f"A count is no number: {quoted(values.iloc[0])}.",
        where=f"{path}, row {row}, column {quoted(name)}",
        remedy="Give whole numbers, with names in the first line and the first column, and 0 for nothing counted.",
    )


def _no_table(path: Path, why: str) -> InputError:
    return InputError.of(
        what=f"The file is no table of counts: {why}.",
        where=path,
        remedy="Give 10x HDF5, a folder of 10x, STARsolo or kb, .h5ad, .loom, HDF5 with X, or a table as csv or tsv.",
    )


def _not_text(path: Path, error: UnicodeDecodeError) -> InputError:
    return InputError.of(
        what=f"The file is neither a known format nor UTF-8 text ({error.reason} at byte {error.start}).",
        where=path,
        remedy="If it is a table, save it as CSV in UTF-8; else give one of the formats in docs/usage.md.",
    )
