"""Zarr stores, version 2 and 3: copied into HDF5, whose readers know the layouts.

AnnData, MuData and SpatialData write such folders, and Xenium the matrix of its cells, features x
cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np

from ...errors import InputError, quoted
from ..counts import BLOCK, Counts
from ..names import GENE_EXPRESSION, words
from ._bytes import damaged, unpacked_limit

NAME = "zarr"
ENDINGS = ("zarr",)
MARKS = (".zgroup", "zarr.json", ".zmetadata")
_LEFT_OUT = words("uns obsm obsp varm varp images labels points shapes obsmap varmap")
_XENIUM = "cell_features"
_COMPLETE = ("data", "indices", "indptr")


def recognizes(path: Path) -> bool:
    """Return whether `path` is a folder that a zarr group begins in."""
    return path.is_dir() and any((path / mark).is_file() for mark in MARKS)


def read(path: Path) -> Counts:
    """Copy the counts and names into HDF5 and read that."""
    from . import read_matrix

    _check_links(path)
    with TemporaryDirectory(prefix="unpacked_", dir=".") as folder:
        target = Path(folder, "zarr.h5")
        with _errors(path), h5py.File(target, "w") as file:
            missing = _copy_store(path, file)
        try:
            counts = read_matrix(target)
        except InputError as error:
            raise error.renamed({str(target): str(path)}) from error
    counts.format = f"{NAME} ({counts.format})"
    if missing:
        counts.notes.append(
            f"Parts of {', '.join(map(quoted, missing))} are not in the store: zarr leaves out "
            "what is all zeros, but they may have been lost."
        )
    return counts


def _check_links(path: Path) -> None:
    for found in path.rglob("*"):
        if found.is_symlink():
            raise InputError.of(
                what=f"The zarr store holds a link, {quoted(found.relative_to(path))}, "
                "which is not followed.",
                where=path,
                remedy="Give a copy of the store that holds the files themselves (cp -rL).",
            )


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (InputError, MemoryError, ImportError):
        raise
    except Exception as error:  # on damaged stores, zarr and its codecs fail in any way they like
        raise damaged(path, error) from error


def _copy_store(path: Path, file: h5py.File) -> list[str]:
    """Copy the needed parts of a store, and return the dense matrices with missing parts."""
    import zarr

    store = zarr.open_group(path, mode="r")
    if _XENIUM in store:
        _copy_xenium(path, store[_XENIUM], file)
        return []
    is_spatial = "tables" in store and "obs" not in store
    return _copy_group(path, _only_table(path, store["tables"]) if is_spatial else store, file)


def _only_table(path: Path, tables: Any) -> Any:
    names = sorted(tables.group_keys())
    if len(names) != 1:
        raise InputError.of(
            what=f"The SpatialData store holds {len(names)} tables: "
            f"{', '.join(map(quoted, names))}.",
            where=path,
            remedy="Give the path of the one you mean, such as "
            f"tables/{names[0] if names else 'table'} in it.",
        )
    return tables[names[0]]


def _copy_group(path: Path, group: Any, target: h5py.Group) -> list[str]:
    target.attrs.update(
        {name: value for name, value in group.attrs.items() if isinstance(value, str | int | list)}
    )
    missing = []
    for name, item in group.arrays():
        _copy_array(path, item, target, name)
        if item.ndim == 2 and item.nchunks_initialized < item.nchunks:
            missing.append(item.path)
    for name, item in group.groups():
        if name not in _LEFT_OUT:
            missing += _copy_group(path, item, target.create_group(name))
    return missing


def _copy_array(path: Path, array: Any, target: h5py.Group, name: str) -> None:
    is_text = array.dtype.kind in "OUT"
    _check_array(path, array)
    if is_text or name in _COMPLETE:
        _check_complete(path, array)
    if is_text:
        values = np.asarray(array[...]).astype(object)
        dataset = target.create_dataset(name, data=values, dtype=h5py.string_dtype())
    else:
        dataset = target.create_dataset(name, shape=array.shape, dtype=array.dtype)
        for part in _parts(array):
            dataset[part] = array[part]
    dataset.attrs.update(
        {key: value for key, value in array.attrs.items() if isinstance(value, str | int)}
    )


def _check_complete(path: Path, array: Any) -> None:
    """Reject names and sparse counts with missing parts, for which zarr would give zeros."""
    missing = array.nchunks - array.nchunks_initialized
    if array.size and missing > 0:
        raise damaged(path, f"{missing} of {array.nchunks} parts of {array.path} are missing")


def _check_array(path: Path, array: Any) -> None:
    """Refuse an array that cannot be as large as it says, before memory is asked for."""
    claimed = max(math.prod(array.shape), math.prod(array.chunks)) * array.dtype.itemsize
    stored = sum(file.stat().st_size for file in (path / array.path).rglob("*") if file.is_file())
    if claimed > unpacked_limit(stored):
        raise InputError.of(
            what=f"{quoted(array.name)} in the zarr store claims {claimed:,} bytes, which the "
            f"{stored:,} that are there cannot hold.",
            where=path,
            remedy="The store is damaged: copy or download it again and compare sizes.",
        )


def _parts(array: Any) -> Iterator[tuple[slice, ...]]:
    """Yield parts of whole chunks along the first axis."""
    if not array.shape:
        yield ()
        return
    chunk = max(1, array.chunks[0])
    width = max(1, math.prod(array.shape[1:]))
    rows = max(1, BLOCK // (width * chunk)) * chunk
    for start in range(0, array.shape[0], rows):
        yield (slice(start, min(start + rows, array.shape[0])),)


def _copy_xenium(path: Path, features: Any, file: h5py.File) -> None:
    """Write Xenium's features x cells as Cell Ranger does cells x features."""
    from scipy import sparse

    said = dict(features.attrs)
    shape = (int(said["number_features"]), int(said["number_cells"]))
    for name in ("data", "indices", "indptr", "cell_id"):
        _check_array(path, features[name])
        _check_complete(path, features[name])
    parts = (np.asarray(features[name][...]) for name in ("data", "indices", "indptr"))
    matrix = sparse.csr_matrix(tuple(parts), shape=shape).tocsc()
    group = file.create_group("matrix")
    group["data"], group["indices"], group["indptr"] = matrix.data, matrix.indices, matrix.indptr
    group["shape"] = list(shape)
    group["barcodes"] = list(map(_xenium_cell, np.asarray(features["cell_id"][...])))
    names = said["feature_keys"]
    group["features/name"], group["features/id"] = names, said.get("feature_ids", names)
    group["features/feature_type"] = [
        GENE_EXPRESSION if kind.lower() in ("gene", "gene expression") else kind
        for kind in said.get("feature_types", [GENE_EXPRESSION] * len(names))
    ]


def _xenium_cell(identifier: np.ndarray) -> str:
    """Return a cell's name as Xenium writes it: hexadecimal digits as a to p, and a number."""
    prefix, suffix = identifier.tolist() if np.ndim(identifier) else (int(identifier), 1)
    letters = f"{prefix:08x}".translate(str.maketrans("0123456789abcdef", "abcdefghijklmnop"))
    return f"{letters}-{suffix}"
