"""AnnData's ``.h5ad``, of any version: raw counts are looked for in layers['counts'], raw.X, X and the other layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import pandas as pd
from anndata.io import read_elem

from ...errors import InputError, quoted
from ..counts import Counts
from ..names import ids_and_symbols
from ._hdf5 import any_matrix, is_matrix, items, members, opened, whole_numbers

NAME = "h5ad"
FEATURE_TYPES = ("feature_types", "feature_type")


def recognizes(path: Path) -> bool:
    """Return whether there are cells (``obs``) and genes (``var``)."""
    return {"obs", "var"} <= set(members(path))


def read(path: Path) -> Counts:
    """Read the first matrix of whole numbers; if none is, the first one, for the check of counts to refuse."""
    with opened(path) as file:
        obs = _frame(file["obs"])
        candidates = _candidates(file)
        if not candidates:
            raise InputError.of(
                what="The h5ad file holds no matrix: no X, raw.X or layer.",
                where=path,
                remedy="Write it again with raw counts in X or in layers['counts'].",
            )
        name, notes = choose(candidates)
        var = _frame(file.get("raw/var", file.get("raw.var")) if name == "raw.X" else file["var"])
        matrix = any_matrix(candidates[name])
    ids, symbols = ids_and_symbols(list(var.index), text_columns(var))
    counts = Counts(matrix, list(obs.index), ids, symbols, NAME, source=name, columns=obs, notes=notes)
    types = next((column for column in FEATURE_TYPES if column in var), None)
    if types and len(var) == matrix.shape[1]:
        counts.keep_genes([str(kind) for kind in var[types]], path)
    return counts


def choose(candidates: dict[str, h5py.Group | h5py.Dataset]) -> tuple[str, list[str]]:
    """Find the matrix of raw counts.

    Parameters
    ----------
    candidates
        Matrices by the names that users know, in order of preference.

    Returns
    -------
    The name of the first that holds non-negative whole numbers only, else the first of all; and notes for the user.
    """
    passed: list[str] = []
    for name, item in candidates.items():
        if whole_numbers(item):
            others = f" ({', '.join(passed)}: no whole numbers)" if passed else ""
            return name, [f"Raw counts were taken from {name}{others}."]
        passed.append(name)
    note = f"No matrix holds whole numbers only ({', '.join(passed)}); {passed[0]} was taken."
    return passed[0], [note]


def text_columns(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return a table's columns of text, missing values empty."""
    return {
        str(name): ["" if pd.isna(value) else str(value) for value in table[name]]
        for name in table.columns
        if not pd.api.types.is_numeric_dtype(table[name].dtype)
    }


def _candidates(file: h5py.File) -> dict[str, Any]:
    layers = items(file["layers"]) if "layers" in file else {}
    found = {"layers['counts']": layers.pop("counts", None)}
    found["raw.X"] = file.get("raw/X", file.get("raw.X"))
    found["X"] = file.get("X")
    found |= {f"layers[{quoted(name)}]": item for name, item in layers.items()}
    return {name: item for name, item in found.items() if is_matrix(item)}


def _frame(item: h5py.Group | h5py.Dataset) -> pd.DataFrame:
    if isinstance(item, h5py.Dataset):  # one record a row: versions before 0.7
        records = pd.DataFrame.from_records(item[()]).map(_decoded)
        frame = records.set_index(records.columns[0])
    else:
        frame = read_elem(item)
    frame.index = pd.Index([str(_decoded(value)) for value in frame.index], dtype=object)
    return frame


def _decoded(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
