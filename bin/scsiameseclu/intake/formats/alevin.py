"""Alevin's binary matrix, ``quants_mat.gz``.

Per cell it has a bit for each gene, then a number for each bit that is set.

As salmon documents it (since 0.14): ceil(genes / 8) bytes, the highest bit first, then one
little-endian float32 for each gene found; the barcodes stand in ``quants_mat_rows.txt``, the genes
in ``quants_mat_cols.txt``.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from scipy import sparse

from ...errors import InputError
from ..counts import Counts
from ..names import ids_and_symbols
from ._bytes import damaged, lines, open_bytes, packing

NAME = "alevin"
FILE = "quants_mat.gz"


def recognizes(path: Path) -> bool:
    """Return whether `path` is alevin's matrix, by name: its content has no mark."""
    if path.name != FILE or not path.is_file():
        return False
    with path.open("rb") as file:
        return packing(file.read(8)) is not None


def read(path: Path) -> Counts:
    """Read the matrix with its files of names."""
    barcodes, genes = names(path)
    try:
        with open_bytes(path) as stream:
            matrix = _read_cells(stream, len(barcodes), len(genes))
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise damaged(path, error) from error
    ids, symbols = ids_and_symbols(genes, {})
    return Counts(matrix, barcodes, ids, symbols, NAME, source=path.name)


def names(path: Path) -> tuple[list[str], list[str]]:
    """Return barcodes and genes, without reading the matrix."""
    return lines(_beside(path, "rows")), lines(_beside(path, "cols"))


def _beside(path: Path, axis: str) -> Path:
    name = f"quants_mat_{axis}.txt"
    for folder in (path.parent, path.resolve().parent):
        if (folder / name).is_file():
            return folder / name
    raise InputError.of(
        what=f"There is no {name} beside alevin's matrix.",
        where=path,
        remedy=f"Give the folder with {FILE}, quants_mat_rows.txt and quants_mat_cols.txt "
        "as alevin wrote them.",
    )


def _read_cells(stream: BinaryIO, n_cells: int, n_genes: int) -> sparse.csr_matrix:
    """Read cell after cell; ValueError if the stream holds more or fewer."""
    indices, values = [], []
    for _ in range(n_cells):
        bits = np.frombuffer(_exactly(stream, -(-n_genes // 8)), dtype=np.uint8)
        found = np.flatnonzero(np.unpackbits(bits))
        if len(found) and found[-1] >= n_genes:
            raise ValueError("a cell has counts of more genes than quants_mat_cols.txt lists")
        indices.append(found.astype(np.int32))
        values.append(np.frombuffer(_exactly(stream, 4 * len(found)), dtype="<f4"))
    if stream.read(1):
        raise ValueError("it holds more than the cells in quants_mat_rows.txt")
    ends = np.cumsum([0, *(len(found) for found in indices)])
    parts = (
        np.concatenate([np.zeros(0, np.float32), *values]),
        np.concatenate([np.zeros(0, np.int32), *indices]),
        ends,
    )
    return sparse.csr_matrix(parts, shape=(n_cells, n_genes))


def _exactly(stream: BinaryIO, size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise ValueError("it ends before the last cell in quants_mat_rows.txt")
    return content
