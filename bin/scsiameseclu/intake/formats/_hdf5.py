"""What all formats inside HDF5 need: opening, strings, matrices in parts, and sense checks on damaged headers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy import sparse

from ...errors import InputError, quoted
from ..counts import BLOCK, compact
from ._probe import survives

SIGNATURE = b"\x89HDF\r\n\x1a\n"
COMPRESSION = 2000
"""No filter packs counts more densely than this: a dataset that claims more has a damaged header."""


def is_hdf5(path: Path) -> bool:
    """Return whether a file is HDF5, even a truncated one."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE or bool(h5py.is_hdf5(path))


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading."""
    if not survives(path):
        raise InputError.of(
            what="The HDF5 file is damaged so badly that reading it crashes or never ends.",
            where=path,
            remedy="Copy or download it again and compare sizes and checksums with the original's.",
        )
    try:
        file = h5py.File(path, "r")
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise InputError.of(
            what=f"The HDF5 file is truncated or damaged: {quoted(error, length=200)}.",
            where=path,
            remedy="Copy or download it again and compare sizes and checksums with the original's.",
        ) from error
    with file:
        yield file


def members(path: Path) -> dict[str, type]:
    """Return the names at the top of an HDF5 file with their classes (h5py.Group or h5py.Dataset); {} if it is none."""
    if not is_hdf5(path):
        return {}
    with opened(path) as file:
        return {name: type(item) for name, item in items(file).items()}


def items(group: h5py.Group) -> dict[str, h5py.Group | h5py.Dataset]:
    """Return what is in a group, without the links that lead to nothing."""
    found = {name: group.get(name) for name in group}
    return {name: item for name, item in found.items() if item is not None}


def strings(dataset: h5py.Dataset) -> list[str]:
    """Read names: text or bytes, or numbers used as names."""
    check_size(dataset)
    values = np.atleast_1d(dataset[()])
    if values.dtype.names:  # one record a name, as in early h5ad
        values = values[values.dtype.names[0]]
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values.tolist()]


def columns_of_text(path: Path, size: int) -> list[list[str]]:
    """Return every dataset of a file that holds `size` pieces of text, such as the names of its genes."""
    found: list[h5py.Dataset] = []

    def keep(_name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape == (size,) and item.dtype.kind in "OSV":
            found.append(item)

    with opened(path) as file:
        file.visititems(keep)
        return [strings(dataset) for dataset in found]


def check_size(dataset: h5py.Dataset) -> None:
    """Refuse a dataset that cannot be as large as its header says, before memory is asked for."""
    if not isinstance(dataset, h5py.Dataset):
        raise InputError.of(
            what=f"{quoted(dataset.name)} in the HDF5 file is a group where a dataset is expected.",
            where=dataset.file.filename,
            remedy="Write the file again with the program that it comes from.",
        )
    if dataset.nbytes > max(COMPRESSION * dataset.file.id.get_filesize(), BLOCK):
        raise InputError.of(
            what=f"{quoted(dataset.name)} in the HDF5 file claims {dataset.nbytes} bytes, which the file cannot hold.",
            where=dataset.file.filename,
            remedy="The file is damaged: copy or download it again and compare checksums.",
        )


def vector(dataset: h5py.Dataset) -> np.ndarray:
    """Read a one-dimensional dataset of numbers."""
    check_size(dataset)
    return _usable(dataset[:])


def compressed(group: h5py.Group | Mapping[str, h5py.Dataset], shape: tuple[int, int]) -> sparse.csr_matrix:
    """Read ``data``, ``indices`` and ``indptr`` as CSR, checked to be one.

    Parameters
    ----------
    group
        Where the three datasets are.
    shape
        Along ``indptr``, then across.

    Raises
    ------
    InputError
        If the three do not make a matrix of this shape.
    """
    check_size(group["indices"])
    wide = np.int32 if max(*shape, group["indices"].shape[0]) < np.iinfo(np.int32).max else np.int64
    indices = np.asarray(group["indices"].astype(wide)[:])  # out of range becomes the limit, which the check finds
    indptr = vector(group["indptr"])
    try:
        matrix = sparse.csr_matrix((vector(group["data"]), indices, indptr), shape=shape)
        matrix.check_format(full_check=True)
    except ValueError as error:
        raise InputError.of(
            what=f"The sparse matrix is inconsistent: {error}.",
            where=group["indices"].file.filename,
            remedy="The file is damaged: copy or download it again and compare checksums.",
        ) from error
    return compact(matrix)


def dense_blocks(dataset: h5py.Dataset) -> Iterator[np.ndarray]:
    """Yield a two-dimensional dataset in parts of whole rows that fill whole chunks."""
    check_size(dataset)
    width = max(1, dataset.shape[1])
    rows = max(1, BLOCK // width)
    if dataset.chunks and dataset.chunks[0] * width <= 16 * BLOCK:
        rows = max(rows // dataset.chunks[0], 1) * dataset.chunks[0]
    for start in range(0, dataset.shape[0], rows):
        yield _usable(dataset[start : start + rows])


def dense(dataset: h5py.Dataset) -> sparse.csr_matrix:
    """Read a two-dimensional dataset of numbers as CSR, a part at a time."""
    if dataset.ndim != 2 or dataset.dtype.kind not in "iufb":
        raise InputError.of(
            what=f"{quoted(dataset.name)} is no matrix of numbers but {dataset.ndim}-dimensional {dataset.dtype}.",
            where=dataset.file.filename,
            remedy="Give a two-dimensional matrix of raw counts.",
        )
    parts = [compact(sparse.csr_matrix(block)) for block in dense_blocks(dataset)]
    return sparse.vstack(parts, format="csr") if parts else sparse.csr_matrix(dataset.shape)


def is_matrix(item: Any) -> bool:
    """Return whether `item` is a two-dimensional dataset or a group that holds a sparse matrix."""
    if isinstance(item, h5py.Group):
        return {"data", "indices", "indptr"} <= set(item)
    return isinstance(item, h5py.Dataset) and item.shape is not None and len(item.shape) == 2


def matrix_shape(item: h5py.Group | h5py.Dataset) -> tuple[int, int]:
    """Return the shape of a matrix (see :func:`is_matrix`); that of a sparse one is written down beside it."""
    if isinstance(item, h5py.Dataset):
        return item.shape[0], item.shape[1]
    names = (name for name in ("shape", "h5sparse_shape") if name in item.attrs)
    attribute = item.attrs[next(names)] if "shape" not in item else item["shape"][:]
    return int(attribute[0]), int(attribute[1])


def any_matrix(item: h5py.Group | h5py.Dataset) -> sparse.csr_matrix:
    """Read a matrix in the orientation in which it is stored: a dataset, or a group in anndata's CSR or CSC layout."""
    if isinstance(item, h5py.Dataset):
        return dense(item)
    n_rows, n_columns = matrix_shape(item)
    layout = item.attrs.get("encoding-type", item.attrs.get("h5sparse_format", "csr"))
    layout = layout.decode() if isinstance(layout, bytes) else str(layout)
    if layout.startswith("csc"):
        return compressed(item, (n_columns, n_rows)).T.tocsr()
    return compressed(item, (n_rows, n_columns))


def whole_numbers(item: h5py.Group | h5py.Dataset) -> bool:
    """Return whether a matrix holds nothing but non-negative whole numbers; reads until the first that is not."""
    if isinstance(item, h5py.Dataset):
        return item.dtype.kind in "iufb" and all(_whole(block) for block in dense_blocks(item))
    data = item["data"]
    check_size(data)
    return data.dtype.kind in "iufb" and all(
        _whole(data[start : start + BLOCK]) for start in range(0, data.shape[0], BLOCK)
    )


def _usable(values: np.ndarray) -> np.ndarray:
    """Return numbers in this machine's byte order and of a width that scipy's sparse matrices can hold."""
    if values.dtype == np.float16:
        return values.astype(np.float32)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _whole(block: np.ndarray) -> bool:
    return bool(((block >= 0) & (block == np.rint(block))).all())
