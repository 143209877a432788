"""Loom: genes x cells in ``/matrix``, names in ``/row_attrs`` and ``/col_attrs``."""

from __future__ import annotations

from pathlib import Path

import h5py
import pandas as pd

from ...errors import quoted
from ..counts import Counts
from ..names import ids_and_symbols
from ._bytes import damaged
from ._hdf5 import check_size, dense, items, members, opened, strings
from .h5ad import choose

NAME = "loom"
_CELLS = ("CellID", "obs_names", "cell_id", "CellName", "barcode", "barcodes", "Barcode", "cell", "cell_names")
_GENES = (
    "Gene",
    "var_names",
    "gene_names",
    "gene_name",
    "GeneName",
    "gene",
    "Symbol",
    "Accession",
    "gene_ids",
    "gene_id",
)


def recognizes(path: Path) -> bool:
    """Return whether there is a matrix with attributes of its rows and columns."""
    return {"matrix", "row_attrs", "col_attrs"} <= set(members(path))


def read(path: Path) -> Counts:
    """Read the matrix, or the first layer of whole numbers if the matrix has others."""
    with opened(path) as file:
        candidates = {"the matrix": file["matrix"]}
        layers = items(file["layers"]) if "layers" in file else {}
        candidates |= {f"layer {quoted(name)}": item for name, item in layers.items()}
        name, notes = choose(candidates)
        matrix = dense(candidates[name]).T.tocsr()
        cells = _attributes(path, file["col_attrs"], matrix.shape[0], names=_CELLS)
        genes = _attributes(path, file["row_attrs"], matrix.shape[1], names=_GENES)
    barcodes = next((cells[column] for column in _CELLS if column in cells), [])
    names = next((genes[column] for column in _GENES if column in genes), [])
    ids, symbols = ids_and_symbols(names, genes) if names else ([], [])
    return Counts(matrix, barcodes, ids, symbols, NAME, source=name, columns=pd.DataFrame(cells), notes=notes)


def _attributes(path: Path, group: h5py.Group, size: int, *, names: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the attributes with one value for each row or column; `names` that are not so many are no names."""
    found = {}
    for name, item in items(group).items():
        if isinstance(item, h5py.Dataset) and item.shape == (size,):
            check_size(item)
            found[name] = strings(item)
        elif isinstance(item, h5py.Dataset) and name in names:
            raise damaged(path, f"{item.name} is not as long as the matrix, {size}")
    return found
