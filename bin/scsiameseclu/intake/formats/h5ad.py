"""AnnData's ``.h5ad``, of any version, and AnnData within other files."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem

from ...errors import quoted
from ..counts import Counts
from ..names import are_numbers, cell_names, ids_and_symbols
from ._bytes import damaged
from ._choice import Candidates
from ._hdf5 import check_size, items, members, opened, strings

NAME = "h5ad"
ENDINGS = ("h5ad",)
FEATURE_TYPES = ("feature_types", "feature_type")
_ALEVIN = ("quant_info", "gpl_info", "collate_info")
"""What alevin-fry writes into ``uns``, in addition to the counts."""


def recognizes(path: Path) -> bool:
    """Return whether there are cells (``obs``) and genes (``var``)."""
    found = members(path)
    return {"obs", "var"} <= set(found) and "mod" not in found


def read(path: Path) -> Counts:
    """Read the matrix of raw counts (:class:`Candidates`)."""
    with opened(path) as file:
        return read_group(file, path)


def read_group(group: h5py.Group, path: Path) -> Counts:
    """Read AnnData from a group of a file, or from its top."""
    obs = _frame(group["obs"])
    layers = items(group["layers"]) if "layers" in group else {}
    candidates = Candidates(
        {"raw.X": group.get("raw/X", group.get("raw.X")), "X": group.get("X")},
        layers,
        lambda name: f"layers[{quoted(name)}]",
        is_alevin=any(
            name in _ALEVIN or "simpleaf" in name for name in _names_in(group.get("uns"))
        ),
    )
    matrix, name, notes = candidates.choose(path)
    var = _genes(group, is_raw=name == "raw.X")
    ids, symbols = ids_and_symbols(list(var.index), text_columns(var))
    barcodes = cell_names(list(obs.index), text_columns(obs))
    counts = Counts(matrix, barcodes, ids, symbols, NAME, source=name, columns=obs, notes=notes)
    types = next((column for column in FEATURE_TYPES if column in var), None)
    if types and len(var) == matrix.shape[1]:
        counts.keep_genes([str(kind) for kind in var[types]], path)
    return counts


def text_columns(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return a table's columns of text, missing values empty."""
    return {
        str(name): ["" if pd.isna(value) else str(value) for value in table[name]]
        for name in table.columns
        if not pd.api.types.is_numeric_dtype(table[name].dtype)
    }


def _genes(group: h5py.Group, *, is_raw: bool) -> pd.DataFrame:
    """Return what var and raw.var say of the genes of the matrix, joined by their names.

    raw is as a rule a copy of the object as it was before symbols were looked up, or genes left
    out.
    """
    raw, var = group.get("raw/var", group.get("raw.var")), group.get("var")
    mine, other = (raw, var) if is_raw and raw is not None else (var, raw)
    frame = _frame(mine)
    if other is None:
        return frame
    found = _frame(other)
    # Each table numbers its own genes.
    if are_numbers(list(frame.index)) and len(found) != len(frame):
        return frame
    found = found[~found.index.duplicated()].reindex(frame.index)
    return frame.join(found[[column for column in found if column not in frame]])


def _frame(item: h5py.Group | h5py.Dataset) -> pd.DataFrame:
    if isinstance(item, h5py.Dataset):  # one record per row: versions before 0.7
        check_size(item)
        records = pd.DataFrame.from_records(item[()]).map(_decoded)
        frame = records.set_index(records.columns[0])
    else:
        item.visititems(
            lambda _, inner: check_size(inner) if isinstance(inner, h5py.Dataset) else None
        )
        frame = _table(item)
    frame.index = pd.Index([str(_decoded(value)) for value in frame.index], dtype=object)
    return frame


def _table(group: h5py.Group) -> pd.DataFrame:
    if _decoded(group.attrs.get("encoding-type")) == "dataframe":
        # A column of a kind unknown to anndata; names are read nevertheless.
        with suppress(Exception):
            return pd.DataFrame(read_elem(group))
    return _bare_frame(group)


def _bare_frame(group: h5py.Group) -> pd.DataFrame:
    """Read a table without anndata's marks, as SeuratDisk writes it."""
    found = items(group)
    candidates = (_decoded(group.attrs.get("_index")), "_index", "index")
    index = next((name for name in candidates if name in found), None)
    if index is None:
        raise damaged(Path(group.file.filename), f"{group.name} holds no names")
    names = strings(found.pop(index))
    columns = {name: _column(item) for name, item in found.items() if not name.startswith("__")}
    fitting = {name: values for name, values in columns.items() if len(values) == len(names)}
    return pd.DataFrame(fitting, index=names)


def _column(item: h5py.Group | h5py.Dataset) -> Any:
    """Return the values of a column; of a factor its levels."""
    if isinstance(item, h5py.Dataset):
        if "categories" in item.attrs:
            return _levels(strings(item.file[item.attrs["categories"]]), item[()])
        return item[()] if item.dtype.kind in "iufb" and item.ndim == 1 else strings(item)
    inner = items(item)
    for codes, levels, first in (("codes", "categories", 0), ("values", "levels", 1)):
        if {codes, levels} <= set(inner):
            return _levels(strings(inner[levels]), inner[codes][()].astype(int) - first)
    return ()


def _levels(levels: list[str], codes: np.ndarray) -> list[str]:
    return [levels[code] if 0 <= code < len(levels) else "" for code in codes]


def _names_in(group: Any) -> list[str]:
    return list(group) if isinstance(group, h5py.Group) else []


def _decoded(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
