"""Lists of barcodes or genes of a matrix, with or without further columns and a header."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ...errors import InputError, quoted
from ..gene_ids import GENE_ID
from ..names import BARCODE, CELL_COLUMNS, ID_COLUMNS, SYMBOL_COLUMNS, are_ids, key, words
from ._bytes import damaged, lines

_COLUMNS = 3
"""Id, symbol and type of a feature; its place on the genome, after them, may be missing."""
_TYPES = ("featuretype", "featuretypes", "type")
_HEADERS = {key(name) for name in (*CELL_COLUMNS, *ID_COLUMNS, *SYMBOL_COLUMNS)}
_HEADERS |= {"", *words("x v1 index gene genes name feature features barcodesequence")}
_BLANKS = re.compile(r"\S+ +\S.*")


@dataclass(frozen=True)
class Names:
    """A list of names.

    Parameters
    ----------
    path
        Where it was read.
    rows
        The fields of each line.
    header
        Those of a first line that names the columns, which `rows` lacks then. Default: there is
        none.
    """

    path: Path
    rows: list[list[str]]
    header: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path) -> Names:
        """Read a list; whether it has a header depends on the matrix (:meth:`readings`)."""
        found = lines(path)
        split = _splitter(path, found)
        return cls(path, [[value.strip().strip('"') for value in split(line)] for line in found])

    def __len__(self) -> int:
        return len(self.rows)

    def readings(self) -> Iterator[Names]:
        """Yield the list, and the list without its first line if that differs from the others."""
        yield self
        if len(self.rows) < 2 or not self._has_header():
            return
        header, rows = self.rows[0], self.rows[1:]
        if len(header) == len(rows[0]) - 1:  # R's write.table names no column for the names of rows
            header = ["", *header]
        numbers = list(map(str, range(1, len(rows) + 1)))
        if header[0] == "" and [row[0] for row in rows] == numbers:
            header, rows = header[1:], [row[1:] for row in rows]
        yield Names(self.path, rows, tuple(header))

    def _has_header(self) -> bool:
        first, *others = [row[0] for row in self.rows]
        if key(first) in _HEADERS:
            return True
        return any(
            not kind.fullmatch(first)
            and sum(kind.fullmatch(name) is not None for name in others) > 0.9 * len(others)
            for kind in (BARCODE, GENE_ID)
        )

    def columns(self) -> list[list[str]]:
        """Return the first columns; of symbols some may be missing, but not the last.

        Raises
        ------
        InputError
            If a line ends too early.
        """
        if not self.rows:
            raise InputError.of(
                what="The list of names is empty.",
                where=self.path,
                remedy="Copy or download it again.",
            )
        width = min(max(map(len, self.rows)), max(_COLUMNS, len(self.header)))
        least = min(width, _COLUMNS)
        short = [number for number, row in enumerate(self.rows, start=1) if len(row) < least]
        if short and (width >= _COLUMNS or short == [len(self.rows)]):
            why = f"line {short[0]} has fewer columns than the others, which have {width}"
            raise damaged(self.path, why)
        return [
            [row[column] if column < len(row) else "" for row in self.rows]
            for column in range(width)
        ]

    def by_name(self) -> dict[str, list[str]]:
        """Return the columns by the names in the header."""
        return dict(zip(self.header, self.columns(), strict=False))

    def table(self) -> pd.DataFrame:
        """Return the columns that the header names after the first, one row a name."""
        return pd.DataFrame(dict(list(self.by_name().items())[1:]))

    def types(self) -> Sequence[str]:
        """Return the feature types; () if there are none."""
        if self.header:
            named = self.by_name()
            return next((named[name] for name in named if key(name) in _TYPES), ())
        columns = self.columns()
        return columns[_COLUMNS - 1] if len(columns) >= _COLUMNS else ()

    def note(self) -> str:
        """Return what to note of the way in which the list was read; empty: nothing."""
        if not self.header:
            return ""
        header = quoted(" ".join(self.header))
        return f"The first line of {quoted(self.path.name)} is a header: {header}."


def _splitter(path: Path, found: list[str]) -> Callable[[str], list[str]]:
    """Return how the lines of a list are split into columns."""
    has_tabs = any("\t" in line for line in found)
    if ".csv" in path.name or not (has_tabs or [line for line in found if "," not in line]):
        return lambda line: next(csv.reader([line]), [""])
    with_blanks = not has_tabs and all(map(_BLANKS.fullmatch, found))
    if with_blanks and are_ids([line.split()[0] for line in found]):
        return lambda line: line.split(None, _COLUMNS - 1)
    return lambda line: line.split("\t")
