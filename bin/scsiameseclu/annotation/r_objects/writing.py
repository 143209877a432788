"""Writes R objects as ``saveRDS`` does, in the format that every R since 2.3 reads.

The format is that of R Internals, section 1.8, version 2, big-endian (XDR), gzipped.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from ...errors import InputError

_LIST, _TEXT, _SYMBOL, _PAIRS, _CHARACTERS, _S4, _END = 19, 16, 1, 2, 9, 25, 254
_LOGICAL, _INTEGER, _REAL = 10, 13, 14
_IS_OBJECT, _HAS_ATTRIBUTES, _HAS_TAG, _S4_BIT = 1 << 8, 1 << 9, 1 << 10, 1 << 16
_UTF8, _ASCII = 1 << 15, 1 << 18
_NA_INTEGER = -(2**31)
_BLOCK = 2**20
"""Numbers that are converted at a time."""
_VERSIONS = struct.pack(">3i", 2, 0x040203, 0x020300)
"""Of the format, of R as its writer, and of the oldest R that reads it."""


@dataclass(frozen=True)
class RValue:
    """An object of R: its type, its content, and its attributes, which are the slots of S4."""

    kind: int
    content: Any = None
    attributes: Mapping[str, RValue] = field(default_factory=dict)


NULL = RValue(_END)
NO_SLOT = RValue(_SYMBOL, b"\1NULL\1")
"""A slot that is NULL."""


def text(values: Iterable[object], **attributes: RValue) -> RValue:
    """Return a character vector; missing values are NA."""
    parts = [_characters(value) for value in values]
    return RValue(_TEXT, (len(parts), b"".join(parts)), attributes)


def numbers(values: Any, **attributes: RValue) -> RValue:
    """Return logical values, integers of 32 bits, or what needs more as double precision."""
    array = np.asarray(values)
    kind = _LOGICAL if array.dtype == bool else _REAL
    if array.dtype.kind in "iu" and (not array.size or abs(array).max() < 2**31):
        kind = _INTEGER
    return RValue(kind, array.ravel(order="F"), attributes)


def factor(values: pd.Categorical, **attributes: RValue) -> RValue:
    """Return a factor with the categories as levels, in their order."""
    codes = np.where(values.codes < 0, _NA_INTEGER, values.codes.astype(np.int64) + 1)
    levels = {"levels": text(values.categories), "class": text(["factor"])}
    return RValue(_INTEGER, codes, {**attributes, **levels})


def plain_list(values: Iterable[RValue], **attributes: RValue) -> RValue:
    """Return a list."""
    return RValue(_LIST, list(values), attributes)


def named_list(values: Mapping[str, RValue], **attributes: RValue) -> RValue:
    """Return a list with names."""
    return plain_list(values.values(), names=text(values), **attributes)


def s4(name: str, package: str, **slots: RValue) -> RValue:
    """Return an S4 object of a class of a package."""
    return RValue(_S4, attributes={**slots, "class": text([name], package=text([package]))})


def dense(values: Any, rows: RValue = NULL, columns: RValue = NULL) -> RValue:
    """Return a matrix with its dimnames."""
    array = np.asarray(values)
    named = rows is not NULL or columns is not NULL
    names = {"dimnames": plain_list([rows, columns])} if named else {}
    return numbers(array, dim=numbers(np.array(array.shape)), **names)


def by_cell(matrix: sparse.csr_matrix, features: RValue, cells: RValue) -> RValue:
    """Return cells x features as R has them, features x cells (``dgCMatrix``).

    Raises
    ------
    InputError
        If there are more values than R's sparse matrices can hold.
    """
    if matrix.nnz >= 2**31:
        raise InputError.of(
            what=f"There are {matrix.nnz:,} values in {matrix.shape[0]:,} cells; a sparse matrix "
            f"in R holds at most {2**31 - 1:,}.",
            where="--export",
            remedy="Make the groups smaller, or open the .h5ad, which has no such limit.",
        )
    if not matrix.has_sorted_indices:
        matrix = matrix.sorted_indices()
    return s4(
        "dgCMatrix",
        "Matrix",
        i=RValue(_INTEGER, matrix.indices),
        p=RValue(_INTEGER, matrix.indptr),
        Dim=numbers(np.array(matrix.shape[::-1])),
        Dimnames=plain_list([features, cells]),
        x=RValue(_REAL, matrix.data),
        factors=plain_list([]),
    )


def column(values: pd.Series) -> RValue:
    """Return a column of a table: a factor of categories, numbers, logical values, else text."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return factor(pd.Categorical(values))
    if values.dtype.kind in "biuf":
        return numbers(values.to_numpy())
    return text(values)


def data_frame(table: pd.DataFrame, rows: RValue) -> RValue:
    """Return a ``data.frame`` with these names of rows."""
    columns = {str(name): column(table[name]) for name in table}
    return named_list(columns, **{"row.names": rows, "class": text(["data.frame"])})


def anything(value: Any) -> RValue:
    """Return nested mappings, lists, texts and numbers as R objects."""
    if isinstance(value, Mapping):
        return named_list({str(name): anything(item) for name, item in value.items()})
    array = np.asarray(value)
    if array.dtype.kind in "biuf" and array.ndim <= 2:
        return dense(array) if array.ndim == 2 else numbers(array)
    return text(np.ravel(array))


def package_version(*parts: int) -> RValue:
    """Return a version of a package."""
    classes = text(["package_version", "numeric_version"])
    return plain_list([numbers(np.array(parts))], **{"class": classes})


def write_rds(value: RValue, path: Path | str) -> None:
    """Write an object, gzipped with a fixed time stamp."""
    with (
        Path(path).open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=4, fileobj=raw, mtime=0) as file,
    ):
        file.write(b"X\n" + _VERSIONS)
        _write(file, value)


def _write(file: gzip.GzipFile, value: RValue) -> None:
    if value.kind == _SYMBOL:
        file.write(_symbol(value.content))
        return
    flags = value.kind | (_HAS_ATTRIBUTES if value.attributes else 0)
    flags |= _IS_OBJECT if "class" in value.attributes else 0
    flags |= _S4_BIT if value.kind == _S4 else 0
    file.write(struct.pack(">i", flags))
    _write_content(file, value)
    if value.attributes:
        _write_attributes(file, value.attributes)


def _write_content(file: gzip.GzipFile, value: RValue) -> None:
    if value.kind == _TEXT:
        length, content = value.content
        file.write(struct.pack(">i", length) + content)
    elif value.kind == _LIST:
        file.write(struct.pack(">i", len(value.content)))
        for item in value.content:
            _write(file, item)
    elif value.kind in (_LOGICAL, _INTEGER, _REAL):
        _write_numbers(file, value.content, ">f8" if value.kind == _REAL else ">i4")


def _write_numbers(file: gzip.GzipFile, values: np.ndarray, dtype: str) -> None:
    file.write(_length(len(values)))
    for start in range(0, len(values), _BLOCK):
        file.write(values[start : start + _BLOCK].astype(dtype).tobytes())


def _length(size: int) -> bytes:
    """Return the length of a vector; one of 2**31 and more has -1 before it."""
    return (
        struct.pack(">i", size) if size < 2**31 else struct.pack(">iiI", -1, *divmod(size, 2**32))
    )


def _write_attributes(file: gzip.GzipFile, attributes: Mapping[str, RValue]) -> None:
    for name, value in attributes.items():
        file.write(struct.pack(">i", _PAIRS | _HAS_TAG) + _symbol(name.encode()))
        _write(file, value)
    file.write(struct.pack(">i", _END))


def _symbol(name: bytes) -> bytes:
    return struct.pack(">i", _SYMBOL) + _encoded(name)


def _characters(value: object) -> bytes:
    return _encoded(
        None if value is None or value is pd.NA or value != value else str(value).encode()
    )


def _encoded(name: bytes | None) -> bytes:
    if name is None:
        return struct.pack(">2i", _CHARACTERS, -1)
    coding = _ASCII if name.isascii() else _UTF8
    return struct.pack(">2i", _CHARACTERS | coding, len(name)) + name
