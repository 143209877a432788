"""HDF5 of no special layout: a matrix ``X`` and, perhaps, one ``Y`` for each cell and names."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ...errors import InputError, quoted
from ..counts import Counts
from ..names import CELL_COLUMNS, first_of, ids_and_symbols, key, rows_are_cells, words
from ._hdf5 import (
    any_matrix,
    is_hdf5,
    is_matrix,
    is_vector,
    items,
    matrix_shape,
    members,
    opened,
    strings,
)

NAME = "HDF5 with X"
ASKED = "general"
ENDINGS = ("h5", "hdf5")
_GENES = words("gene_names var_names genes gene_name gene_symbols features gene_ids gene")
_CELL_KEYS, _GENE_KEYS = frozenset(map(key, CELL_COLUMNS)), frozenset(map(key, _GENES))


def recognizes(path: Path) -> bool:
    """Return whether the file is HDF5 at all; formats with a layout are asked before."""
    return is_hdf5(path)


def read(path: Path) -> Counts:
    """Read ``X``; cells are its rows, unless ``Y`` or the names fit its columns only."""
    found = sorted(members(path))
    with opened(path) as file:
        item = file.get("X")
        if not is_matrix(item):
            raise _no_matrix(path, found)
        n_rows, n_columns = matrix_shape(item)
        vectors = {
            name: strings(value)
            for name, value in items(file).items()
            if name != "X" and is_vector(value) and value.size in (n_rows, n_columns)
        }
        matrix = any_matrix(item)
    upright = _rows_are_cells(vectors, n_rows, n_columns)
    matrix = matrix if upright else matrix.T.tocsr()
    n_cells, n_genes = matrix.shape
    cells = {name: values for name, values in vectors.items() if len(values) == n_cells}
    genes = {name: values for name, values in vectors.items() if len(values) == n_genes}
    names = first_of(_GENES, genes) or []
    ids, symbols = ids_and_symbols(names, genes) if names else ([], [])
    barcodes = first_of(CELL_COLUMNS, cells) or []
    others = [name for name in cells if key(name) not in _CELL_KEYS | _GENE_KEYS]
    columns = pd.DataFrame({name: cells[name] for name in others})
    taken = "cells x genes" if upright else "genes x cells"
    notes = [f"X was taken as {taken}: {n_cells} cells, {n_genes} genes."]
    return Counts(matrix, barcodes, ids, symbols, NAME, source="X", columns=columns, notes=notes)


def _rows_are_cells(vectors: dict[str, list[str]], n_rows: int, n_columns: int) -> bool:
    if n_rows == n_columns:
        return True
    cells = [len(vectors[name]) for name in vectors if name == "Y" or key(name) in _CELL_KEYS]
    genes = [len(vectors[name]) for name in vectors if key(name) in _GENE_KEYS]
    if cells or genes:
        return n_rows in cells or n_columns in genes
    rows = next((values for values in vectors.values() if len(values) == n_rows), [])
    columns = next((values for values in vectors.values() if len(values) == n_columns), [])
    return rows_are_cells(rows, columns) is not False


def _no_matrix(path: Path, found: list[str]) -> InputError:
    listing = ", ".join(quoted(name) for name in found[:20]) or "nothing"
    return InputError.of(
        what="The HDF5 file holds no count matrix in a known place. At its "
        f"top level there is {listing}.",
        where=path,
        remedy="Give 10x HDF5, .h5ad, .loom, or HDF5 with a matrix X (cells x genes).",
    )
