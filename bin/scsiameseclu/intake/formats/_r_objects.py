"""Reads R objects written by ``saveRDS``: a tree of rdata's objects, and their content."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from rdata.parser import RObject

_FORMAT = b"X\n"
STARTS = (_FORMAT + b"\0\0\0\2", _FORMAT + b"\0\0\0\3")
"""First bytes of a file, unpacked."""
_LATIN1 = 1 << 2


def read_rds(file: BinaryIO, *, limit: int) -> RObject:
    """Read the object of a file, unpacked, in which no vector may claim more than `limit` bytes.

    Raises
    ------
    ValueError
        If a vector claims more.
    NotImplementedError
        If there is an object of a type that rdata does not read.
    """
    from ._r_parser import Parser  # here: only who reads a file needs rdata

    file.read(len(_FORMAT))
    return Parser(file, limit).parse_all().object


def class_of(value: RObject | None) -> str:
    """Return the class of an object as by R's ``class``, the first of several."""
    about = attributes(value)
    if value is None or "class" in about:
        return strings(about["class"])[0] if about else "NULL"
    if "dim" in about:
        return "matrix"
    names = {
        "VEC": "list",
        "STR": "character",
        "INT": "integer",
        "REAL": "numeric",
        "LGL": "logical",
    }
    return names.get(_type(value), _type(value).lower())


def is_s4(value: RObject) -> bool:
    """Return whether an object has slots."""
    return _type(value) == "S4"


def attributes(value: RObject | None) -> dict[str, RObject]:
    """Return the attributes of an object, or the slots of S4; those that are NULL are left out."""
    return dict(_pairs(value.attributes)) if value is not None and value.attributes else {}


def _pairs(pairs: RObject | None) -> Iterator[tuple[str, RObject]]:
    while pairs is not None and _type(pairs) == "LIST":
        item, rest = pairs.value
        if _type(_resolved(item)) not in ("SYM", "NILVALUE"):
            yield _resolved(pairs.tag).value.value.decode(), item
        pairs = rest


def _resolved(value: Any) -> RObject:
    found: RObject = value.referenced_object or value
    return found


def strings(value: RObject | None) -> list[str]:
    """Return a character vector, or a factor as text, NA empty; of anything else an empty list."""
    if value is None:
        return []
    if _type(value) == "STR":
        return [_decoded(item) for item in value.value]
    levels = attributes(value).get("levels")
    if levels is None or _type(value) != "INT":
        return []
    names = np.array(["", *strings(levels)], dtype=object)
    codes = np.ma.filled(value.value, 0)
    return list(names[np.where((codes > 0) & (codes < len(names)), codes, 0)])


def _decoded(item: RObject) -> str:
    if item.value is None:
        return ""
    return str(item.value.decode("latin-1" if item.info.gp & _LATIN1 else "utf-8"))


def elements(value: RObject | None) -> dict[str, RObject]:
    """Return the elements of a list by name; {} without names."""
    if value is None or _type(value) != "VEC":
        return {}
    names = strings(attributes(value).get("names"))
    return dict(zip(names, value.value, strict=False))


def numbers(value: RObject | None) -> np.ndarray:
    """Return the values of a vector of numbers; empty of anything else."""
    if value is None or _type(value) not in ("LGL", "INT", "REAL"):
        return np.empty(0)
    return np.asarray(np.ma.filled(value.value, 0))


def table(value: RObject | None) -> pd.DataFrame:
    """Return the columns of a ``data.frame`` or ``DFrame`` that are vectors.

    Its names of rows, if it has some, are the index.
    """
    about = attributes(value)
    rows = about.get("row.names", about.get("rownames"))
    names = strings(rows)
    sizes = numbers(about.get("nrows", rows))  # without names a data.frame has NA and -size
    n_rows = len(names) or int(abs(sizes[-1:]).sum())
    columns = {
        name: content
        for name, item in elements(about.get("listData", value)).items()
        if len(content := strings(item) or numbers(item)) == n_rows
    }
    return pd.DataFrame(columns, index=names or range(n_rows))


def _type(value: RObject) -> str:
    return str(value.info.type.name)
