"""Count matrices that stay on disk: read, and written, some cells at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem, sparse_dataset, write_elem
from numpy.typing import NDArray
from scipy import sparse

CELLS = 5_000
"""Cells of a block."""
CHUNK = 65_536
"""Values of a matrix that are compressed together."""
GZIP: dict[str, Any] = {"compression": "gzip", "compression_opts": 1}
"""What every reader of HDF5 knows, R's too. Of 12 million values (indices, counts, logarithms)
writing took 1.6 s at level 1, integers shuffled, and 5.2 s at level 4 as anndata has it; lzf 1.9 s
for twice the bytes."""
ROOT = {"encoding-type": "anndata", "encoding-version": "0.1.0"}
TABLES = ("obs", "var", "obsm", "varm", "obsp", "varp", "uns")

Matrix = Any
"""Cells x genes: a sparse matrix or an array, in memory or on disk (h5py, anndata's sparse
dataset)."""


def evenly(cells: NDArray[np.integer[Any]], most: int) -> NDArray[np.integer[Any]]:
    """Return at most `most` of the cells, evenly spaced, the same each time."""
    return cells if len(cells) <= most else cells[np.arange(most) * len(cells) // most]


def some_of_each(groups: pd.Series[Any], most: int) -> NDArray[np.bool_]:
    """Return which cells are used: all of a group, or `most` evenly spaced ones of a larger one."""
    names = groups.astype(str)
    place_ = names.groupby(names).cumcount().to_numpy()
    size = names.groupby(names).transform("size").to_numpy()
    taken = np.minimum(size, most)
    return np.asarray((place_ + 1) * taken // size > place_ * taken // size)


@contextmanager
def opened(path: Path | str) -> Iterator[ad.AnnData]:
    """Open an ``.h5ad``: tables are read, ``X`` and ``layers`` stay on disk until sliced.

    Parameters
    ----------
    path
        File, as :func:`~scsiameseclu.files.write_h5ad` writes it. It is closed at the end.
    """
    with h5py.File(path) as file:
        tables = {name: read_elem(file[name]) for name in TABLES if name in file}
        layers = {name: _on_disk(item) for name, item in file.get("layers", {}).items()}
        yield ad.AnnData(_on_disk(file["X"]) if "X" in file else None, layers=layers, **tables)


def _on_disk(item: h5py.Group | h5py.Dataset) -> Matrix:
    return sparse_dataset(item) if isinstance(item, h5py.Group) else item


def row_blocks(matrix: Matrix, n_cells: int = CELLS) -> Iterator[tuple[slice, sparse.csr_matrix]]:
    """Yield the rows of a matrix, some at a time, each with their places.

    Parameters
    ----------
    matrix
        Cells x genes.
    n_cells
        Cells of a block.
    """
    for start in range(0, matrix.shape[0], n_cells):
        rows = slice(start, min(start + n_cells, matrix.shape[0]))
        yield rows, sparse.csr_matrix(matrix[rows])


def columns_of(matrix: Matrix, kept: np.ndarray | None = None) -> sparse.csc_matrix:
    """Return a matrix by genes (CSC) in hardly more memory than its values.

    Stored zeros are left out.

    Parameters
    ----------
    matrix
        Cells x genes.
    kept
        Mask of the cells to take. Default: all.
    """

    def blocks() -> Iterator[sparse.csr_matrix]:
        for rows, block in row_blocks(matrix):
            # Never the rows themselves: those of a matrix in memory are a view.
            block = block.copy() if kept is None else block[kept[rows]]
            block.sum_duplicates()
            block.eliminate_zeros()
            yield block

    sizes, n_rows, dtype = np.zeros(matrix.shape[1], dtype=np.int64), 0, matrix.dtype
    for block in blocks():
        sizes += block.getnnz(axis=0)
        n_rows += block.shape[0]
    indptr = np.append(0, np.cumsum(sizes))
    of_places = _index_type(indptr[-1])
    data, indices = np.empty(indptr[-1], dtype=dtype), np.empty(indptr[-1], dtype=of_places)
    free, start = indptr[:-1].copy(), 0
    for block in blocks():
        by_gene = block.tocsc()
        counts = np.diff(by_gene.indptr)
        places = np.arange(by_gene.nnz) + np.repeat(free - by_gene.indptr[:-1], counts)
        data[places], indices[places] = by_gene.data, by_gene.indices + start
        free += counts
        start += block.shape[0]
    found = sparse.csc_matrix((n_rows, matrix.shape[1]), dtype=dtype)
    found.data, found.indices, found.indptr = data, indices, indptr.astype(of_places)
    return found


class MatrixWriter:
    """Appends rows to a CSR matrix in a file, as anndata writes it.

    Parameters
    ----------
    file
        File that is open for writing.
    key
        Place of the matrix, such as ``X`` or ``layers/counts``.
    n_genes
        Columns.
    n_values
        Values at most that will be written.
    dtype
        Their type.
    like
        Another matrix with values in the same places, which are stored once.
    """

    def __init__(
        self,
        file: h5py.File,
        key: str,
        *,
        n_genes: int,
        n_values: int,
        dtype: Any,
        like: MatrixWriter | None = None,
    ) -> None:
        self.group = file.create_group(key)
        self.group.attrs.update(
            {"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": (0, n_genes)}
        )
        self.shares = like is not None
        _growing(self.group, "data", dtype)
        for name in ("indices", "indptr"):
            if like is not None:
                self.group[name] = like.group[name]
            else:
                _growing(self.group, name, _index_type(n_values))
        if like is None:
            _append(self.group["indptr"], np.zeros(1, dtype=np.int32))

    def append(self, rows: sparse.csr_matrix) -> None:
        """Write further rows; those of a matrix that another is like come after that one's."""
        n_stored = self.group["data"].shape[0]
        _append(self.group["data"], rows.data)
        if not self.shares:
            _append(self.group["indices"], rows.indices)
            _append(self.group["indptr"], rows.indptr[1:].astype(np.int64) + n_stored)
        n_rows, n_genes = self.group.attrs["shape"]
        self.group.attrs["shape"] = (n_rows + rows.shape[0], n_genes)


def _growing(group: h5py.Group, name: str, dtype: Any) -> None:
    options: dict[str, Any] = {"maxshape": (None,), "chunks": (CHUNK,), **GZIP}
    # Bytes of the same rank lie together: for integers smaller and faster, for the few logarithms
    # of a cell neither.
    group.create_dataset(name, (0,), dtype, shuffle=np.dtype(dtype).kind in "iu", **options)


def _index_type(n_values: int) -> type[np.signedinteger[Any]]:
    """Return the type of both indices and offsets: scipy takes no two."""
    return np.int32 if n_values <= np.iinfo(np.int32).max else np.int64


def _append(item: h5py.Dataset, values: np.ndarray) -> None:
    n_before = item.shape[0]
    item.resize((n_before + len(values),))
    item[n_before:] = values


def write_matrix(file: h5py.File, key: str, matrix: Matrix, kept: np.ndarray | None = None) -> None:
    """Write a sparse matrix in blocks of rows, or anything anndata can write.

    With `kept`, only these rows.
    """
    if not sparse.issparse(matrix) and not hasattr(matrix, "to_memory"):
        write_elem(file, key, matrix if kept is None else matrix[kept], dataset_kwargs=GZIP)
        return
    n_values = matrix.nnz if sparse.issparse(matrix) else matrix.group["data"].shape[0]
    writer = MatrixWriter(file, key, n_genes=matrix.shape[1], n_values=n_values, dtype=matrix.dtype)
    for cells, rows in row_blocks(matrix):
        writer.append(rows if kept is None else rows[kept[cells]])


def write_tables(file: h5py.File, adata: ad.AnnData) -> None:
    """Write, or write anew, all of an AnnData but its matrices."""
    file.attrs.update(ROOT)
    for name in TABLES:
        if name in file:
            del file[name]
        value = getattr(adata, name)
        write_elem(
            file, name, value if name in ("obs", "var") else dict(value), dataset_kwargs=GZIP
        )
    if adata.raw is not None:
        write_elem(file, "raw", adata.raw, dataset_kwargs=GZIP)
    if "layers" not in file or "encoding-type" not in file["layers"].attrs:
        file.require_group("layers").attrs.update(
            {"encoding-type": "dict", "encoding-version": "0.1.0"}
        )
