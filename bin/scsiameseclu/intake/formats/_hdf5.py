"""What all formats inside HDF5 need: opening, strings, blocks, and checks of headers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy import sparse

from ...errors import InputError, quoted
from ..counts import BLOCK, compact, inconsistent
from ._bytes import RATIO, ROOM, damaged, incomplete, is_tar, unpacked_limit
from ._probe import missing_filter, other_files, survives

SIGNATURE = b"\x89HDF\r\n\x1a\n"
COMPRESSION = 2000
"""No filter packs a dense matrix, which is read in parts, more densely than this."""
LONGEST = 2**27
"""With more cells or genes than this, the header of a matrix must be damaged."""


def is_hdf5(path: Path) -> bool:
    """Return whether a file is HDF5, even if truncated; an archive of HDF5 is not."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(len(SIGNATURE))
    if start == SIGNATURE or start.startswith(b"PK"):
        return start == SIGNATURE
    # Its signature may lie at byte 512, behind a header of tar.
    return bool(h5py.is_hdf5(path)) and not is_tar(path)


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; one that refers to other files is rejected."""
    if not survives(path):
        what = "The HDF5 file is damaged so badly that reading it crashes or never ends."
        raise incomplete(what, path)
    with ExitStack() as stack:
        try:
            file = stack.enter_context(h5py.File(path, "r"))
            elsewhere = other_files(file)
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            what = f"The HDF5 file is truncated or damaged: {quoted(error, length=200)}."
            raise incomplete(what, path) from error
        if elsewhere:
            raise InputError.of(
                what=f"The HDF5 file takes {quoted(elsewhere[0])} from another file, "
                "which is not followed.",
                where=path,
                remedy="Write it as one file where it was made, such as "
                "anndata.read_h5ad(x).write_h5ad(y).",
            )
        yield file


def members(path: Path) -> dict[str, type]:
    """Return the top-level names of an HDF5 file with their classes; {} if it is not HDF5.

    Classes are h5py.Group or h5py.Dataset.
    """
    if not is_hdf5(path):
        return {}
    with opened(path) as file:
        return {name: type(item) for name, item in items(file).items()}


def items(group: h5py.Group) -> dict[str, h5py.Group | h5py.Dataset]:
    """Return the content of a group, without broken links."""
    found = {name: group.get(name) for name in group}
    return {name: item for name, item in found.items() if item is not None}


def strings(dataset: h5py.Dataset) -> list[str]:
    """Read names: text or bytes, or numbers used as names."""
    check_size(dataset)
    if dataset.shape is None:  # HDF5's way to write that there are none
        return []
    _check_written(dataset)
    values = np.ravel(dataset[()])
    if values.dtype.names:  # one record a name, as in early h5ad
        values = values[values.dtype.names[0]]
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values.tolist()]


def is_vector(item: Any) -> bool:
    """Return whether `item` is a list, or a matrix of one row or column, as MATLAB stores lists."""
    shape = item.shape if isinstance(item, h5py.Dataset) else None
    return shape is not None and (len(shape) == 1 or (len(shape) == 2 and 1 in shape))


def columns_of_text(path: Path, size: int) -> list[list[str]]:
    """Return every dataset of a file with `size` strings, such as the names of its genes."""
    found: list[h5py.Dataset] = []

    def keep(_name: str, item: Any) -> None:
        if is_vector(item) and item.size == size and item.dtype.kind in "OSV":
            found.append(item)

    with opened(path) as file:
        file.visititems(keep)
        return [strings(dataset) for dataset in found]


def check_size(*datasets: h5py.Dataset, ratio: int = RATIO) -> None:
    """Refuse datasets that cannot be read or cannot be as large as they say.

    Parameters
    ----------
    datasets
        What belongs together: the three of a sparse matrix are of very different density.
    ratio
        How many bytes can be packed into one. Default: as many as in any packed file.
    """
    for dataset in datasets:
        _check_kind(dataset)
    claimed = sum(int(dataset.nbytes) for dataset in datasets if dataset.shape is not None)
    stored = sum(dataset.id.get_storage_size() for dataset in datasets)
    chunks = max((_chunk(dataset) for dataset in datasets), default=0)
    if claimed > max(ratio * stored, ROOM) or chunks > unpacked_limit(stored):
        what = (
            f"{quoted(datasets[0].name)} in the HDF5 file claims {max(claimed, chunks):,} bytes, "
            f"which the {stored:,} that are there cannot hold."
        )
        raise inconsistent(what, datasets[0].file.filename)


def _check_kind(dataset: Any) -> None:
    if not isinstance(dataset, h5py.Dataset):
        raise InputError.of(
            what=f"{quoted(dataset.name)} in the HDF5 file is a group where a dataset is expected.",
            where=dataset.file.filename,
            remedy="Write the file again with the program that it comes from.",
        )
    missing = missing_filter(dataset)
    if missing:
        raise InputError.of(
            what=f"{quoted(dataset.name)} in the HDF5 file is compressed with a filter that is "
            f"not available: {missing}.",
            where=dataset.file.filename,
            remedy="Write it again with compression='gzip' (h5repack -f GZIP=4 x y, or "
            "write_h5ad of anndata).",
        )


def _check_written(dataset: h5py.Dataset) -> None:
    """Reject names and sparse counts with parts never written, for which HDF5 gives zeros."""
    if not dataset.size:
        return
    expected, written = 1, dataset.id.get_storage_size()
    if dataset.chunks:
        sizes = zip(dataset.shape, dataset.chunks, strict=True)
        expected = math.prod(-(-size // chunk) for size, chunk in sizes)
        written = dataset.id.get_num_chunks()
    if written < expected:
        raise damaged(Path(dataset.file.filename), f"parts of {dataset.name} were never written")


def _chunk(dataset: h5py.Dataset) -> int:
    return math.prod(dataset.chunks) * dataset.dtype.itemsize if dataset.chunks else 0


def vector(dataset: h5py.Dataset) -> np.ndarray:
    """Read a one-dimensional dataset of numbers, checked before (:func:`check_size`)."""
    return _usable(dataset[:] if dataset.shape is not None else np.zeros(0, dataset.dtype))


def compressed(
    group: h5py.Group | Mapping[str, h5py.Dataset], shape: tuple[int, int]
) -> sparse.csr_matrix:
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
    check_size(group["indices"], group["data"], group["indptr"])
    for name in ("indices", "data", "indptr"):
        _check_written(group[name])
    check_shape(shape, group["indices"].file.filename)
    stored = group["indices"]
    wide = np.int32 if max(*shape, stored.size or 0) < np.iinfo(np.int32).max else np.int64
    # Out of range becomes the limit, which the check finds.
    indices = np.asarray(stored.astype(wide)[:]) if stored.shape is not None else np.zeros(0, wide)
    try:
        matrix = sparse.csr_matrix(
            (vector(group["data"]), indices, vector(group["indptr"])), shape=shape
        )
        matrix.check_format(full_check=True)
    except ValueError as error:
        what = f"The sparse matrix is inconsistent: {error}."
        raise inconsistent(what, stored.file.filename) from error
    return compact(matrix)


def check_shape(shape: tuple[int, int], where: object) -> None:
    """Refuse a matrix of more cells or genes than there can be, before memory is asked for."""
    if not all(0 <= size <= LONGEST for size in shape):
        what = f"The matrix declares {shape[0]} x {shape[1]} cells and genes, which is impossible."
        raise inconsistent(what, where)


def dense_blocks(dataset: h5py.Dataset) -> Iterator[np.ndarray]:
    """Yield a two-dimensional dataset in parts of whole rows that fill whole chunks."""
    check_size(dataset, ratio=COMPRESSION)
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
            what=f"{quoted(dataset.name)} is not a matrix of numbers but "
            f"{dataset.ndim}-dimensional {dataset.dtype}.",
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
    """Return the shape of a matrix (see :func:`is_matrix`), stored separately for a sparse one."""
    if isinstance(item, h5py.Dataset):
        return item.shape[0], item.shape[1]
    names = (name for name in ("shape", "h5sparse_shape") if name in item.attrs)
    attribute = item.attrs[next(names)] if "shape" not in item else item["shape"][:]
    return int(attribute[0]), int(attribute[1])


def any_matrix(item: h5py.Group | h5py.Dataset) -> sparse.csr_matrix:
    """Read a matrix as stored: a dataset, or a group in anndata's CSR or CSC layout."""
    if isinstance(item, h5py.Dataset):
        return dense(item)
    n_rows, n_columns = matrix_shape(item)
    layout = item.attrs.get("encoding-type", item.attrs.get("h5sparse_format", "csr"))
    layout = layout.decode() if isinstance(layout, bytes) else str(layout)
    if layout.startswith("csc"):
        return compressed(item, (n_columns, n_rows)).T.tocsr()
    return compressed(item, (n_rows, n_columns))


def largest_count(item: h5py.Group | h5py.Dataset) -> float | None:
    """Return the largest value of a matrix; None if not all are non-negative whole numbers."""
    if isinstance(item, h5py.Dataset):
        values, parts = item, dense_blocks(item)
    else:
        values = item["data"]
        check_size(values, item["indices"])
        parts = (values[start : start + BLOCK] for start in range(0, values.size or 0, BLOCK))
    if values.dtype.kind not in "iufb":
        return None
    largest = 0.0
    for block in parts:
        if not _whole(block):
            return None
        largest = max(largest, float(block.max(initial=0)))
    return largest


def _usable(values: np.ndarray) -> np.ndarray:
    """Return numbers in native byte order and of a width that scipy's sparse types hold."""
    if values.dtype == np.float16:
        return values.astype(np.float32)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _whole(block: np.ndarray) -> bool:
    return bool(((block >= 0) & (block == np.rint(block))).all())
