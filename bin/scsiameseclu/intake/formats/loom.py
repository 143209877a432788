"""Loom: genes x cells in ``/matrix``, names in ``/row_attrs`` and ``/col_attrs``."""

from __future__ import annotations

from pathlib import Path

import h5py
import pandas as pd

from ...errors import quoted
from ..counts import Counts
from ..names import (
    CELL_COLUMNS,
    ID_COLUMNS,
    SYMBOL_COLUMNS,
    first_of,
    ids_and_symbols,
    key,
    only_unique_text,
)
from ._bytes import damaged
from ._choice import Candidates
from ._hdf5 import check_size, items, members, opened, strings

NAME = "loom"
ENDINGS = ("loom",)
_GENES = ("Gene", "var_names", *SYMBOL_COLUMNS, *ID_COLUMNS)


def recognizes(path: Path) -> bool:
    """Return whether there is a matrix with attributes of its rows and columns."""
    return {"matrix", "row_attrs", "col_attrs"} <= set(members(path))


def read(path: Path) -> Counts:
    """Read the matrix, or the layers that hold the raw counts (:class:`Candidates`)."""
    with opened(path) as file:
        layers = items(file["layers"]) if "layers" in file else {}
        candidates = Candidates(
            {"the matrix": file["matrix"]}, layers, lambda name: f"layer {quoted(name)}"
        )
        stored, name, notes = candidates.choose(path)
        matrix = stored.T.tocsr()
        cells = _attributes(path, file["col_attrs"], matrix.shape[0], names=CELL_COLUMNS)
        genes = _attributes(path, file["row_attrs"], matrix.shape[1], names=_GENES)
    barcodes = first_of(CELL_COLUMNS, cells) or only_unique_text(cells)
    names = first_of(_GENES, genes) or (
        [] if first_of(ID_COLUMNS, genes) else only_unique_text(genes)
    )
    ids, symbols = ids_and_symbols(names, genes) if names else ([], [])
    notes += _unnamed("cells", cells, named=bool(barcodes)) + _unnamed(
        "genes", genes, named=bool(names)
    )
    return Counts(
        matrix, barcodes, ids, symbols, NAME, source=name, columns=pd.DataFrame(cells), notes=notes
    )


def _unnamed(kind: str, attributes: dict[str, list[str]], *, named: bool) -> list[str]:
    if named or not attributes:
        return []
    return [
        f"No attribute of the {kind} is known as their name: {', '.join(map(quoted, attributes))}."
    ]


def _attributes(
    path: Path, group: h5py.Group, size: int, *, names: tuple[str, ...]
) -> dict[str, list[str]]:
    """Return the attributes with `size` values; those called `names` must have that many."""
    known = {key(name) for name in names}
    found = {}
    for name, item in items(group).items():
        if isinstance(item, h5py.Dataset) and item.shape == (size,):
            check_size(item)
            found[name] = strings(item)
        elif isinstance(item, h5py.Dataset) and key(name) in known:
            raise damaged(path, f"{item.name} does not have the length of the matrix, {size}")
    return found
