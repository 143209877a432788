"""How a table is laid out: remarks, delimiter, header, and what each column holds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ...errors import InputError
from ..names import BARCODE
from . import _vocabulary as vocabulary
from ._bytes import open_text

DELIMITERS = ("\t", ";", ",", " ")
"""In the order of their rarity within names and numbers."""
LOOK = 12
"""Lines from which the layout is found."""
_MISSING = frozenset(("", "na", "n/a", "nan", "none", "null", "-", ".", "?", "true", "false"))
"""Words for a missing count, in lower case: they do not make a column of words."""


@dataclass(frozen=True)
class Layout:
    """The layout of a table.

    Parameters
    ----------
    delimiter
        One of :data:`DELIMITERS`; a blank stands for any white space.
    header
        Header of each column. None: there is no header.
    n_skipped
        Lines before the first row.
    sample
        The fields of the first rows.
    """

    delimiter: str
    header: list[str] | None
    n_skipped: int
    sample: list[list[str]]

    @property
    def n_fields(self) -> int:
        """Number of columns."""
        return len(self.sample[0])

    def name(self, column: int) -> str:
        """Return the name of a column for messages."""
        return self.header[column] if self.header else str(column + 1)


@dataclass(frozen=True)
class Columns:
    """The places of the columns with names of the rows, remarks on them, and counts."""

    names: list[int]
    beside: list[int]
    counts: list[int]


def find_layout(path: Path) -> Layout:
    """Return the layout of a table, found from its first lines."""
    remark, lines = _first_lines(path)
    if not lines:
        raise no_table(path, "it has no line with text")
    delimiter = _delimiter([text for _, text in lines])
    rows = [fields(text, delimiter) for _, text in lines]
    if remark and _is_header(fields(remark.lstrip("#"), delimiter), rows[0]):
        top, n_skipped = fields(remark.lstrip("#"), delimiter), lines[0][0]
    elif _begins_with_header(rows[0], rows[1:]):
        top, rows, n_skipped = rows[0], rows[1:], lines[0][0] + 1
    else:
        return Layout(delimiter, None, lines[0][0], rows)
    return _with_header(path, delimiter, top, rows, n_skipped)


def _with_header(
    path: Path, delimiter: str, top: list[str], rows: list[list[str]], n_skipped: int
) -> Layout:
    if (len(rows[0]) if rows else len(top)) == 1:
        raise no_table(path, "it has only one column")
    if not rows:
        raise no_table(path, "it has only one line")
    if len(top) == len(rows[0]) - 1:  # each row ends in a delimiter; or no corner, as written by R
        top = [*top, ""] if not any(row[-1] for row in rows) else ["", *top]
    if len(top) != len(rows[0]):
        raise no_table(path, f"the first line has {len(top)} fields, the second {len(rows[0])}")
    return Layout(delimiter, top, n_skipped, rows)


def find_columns(layout: Layout) -> Columns:
    """Return what each column holds, by what stands above it and by the first rows."""
    numbered_rows = all(is_number(row[0]) for row in layout.sample)
    if layout.header is None:
        first = [] if numbered_rows else [0]
        return Columns(first, [], list(range(len(first), layout.n_fields)))
    roles = [_role(layout, column) for column in range(layout.n_fields)]
    aside = vocabulary.coordinates(layout.header)
    if roles.count("counts") > 2 + len(aside):  # else they may as well be the names of two cells
        roles = ["beside" if column in aside else role for column, role in enumerate(roles)]
    if "names" not in roles and not numbered_rows:
        roles[0] = "names"
    of_role = {
        role: [column for column, its in enumerate(roles) if its == role]
        for role in ("names", "beside", "counts")
    }
    return Columns(**of_role)


def _role(layout: Layout, column: int) -> str:
    name = layout.name(column)
    if BARCODE.match(name):
        return "counts"
    values = [row[column] for row in layout.sample if len(row) == layout.n_fields]
    if column and not name and not any(values):  # a delimiter at the end
        return "beside"
    if vocabulary.is_unnamed(name, place=column) or (column == 0 and _counts_up(values)):
        return "names"
    if vocabulary.names_genes(name) or vocabulary.names_cells(name):
        return "names"
    if vocabulary.is_principal_component(name) and not all(map(str.isdigit, values)):
        return "beside"  # and no Purkinje cell
    return "beside" if vocabulary.is_beside(name) or _is_text(values) else "counts"


def _is_text(values: Iterable[str]) -> bool:
    """Return whether all values of a column are words, and none a count that was spoilt."""
    return all(
        any(map(str.isalpha, value)) and value.lower() not in _MISSING and not is_number(value)
        for value in values
    )


def _first_lines(path: Path) -> tuple[str, list[tuple[int, str]]]:
    """Return the last leading line that begins with #, and the next ones with places."""
    remark = ""
    with open_text(path) as file:
        filled = ((number, line.rstrip("\n")) for number, line in enumerate(file) if line.strip())
        for number, line in filled:
            if not line.startswith("#"):
                return remark, [(number, line), *islice(filled, LOOK)]
            remark = line
    return "", []


def _delimiter(lines: list[str]) -> str:
    counts = {each: [len(fields(line, each)) for line in lines[:3]] for each in DELIMITERS}
    for delimiter, (first, *others) in counts.items():
        below = others or [first]
        if below[0] > 1 and len(set(below)) == 1 and below[0] - first in (0, 1):
            return delimiter
    return max(counts, key=lambda delimiter: max(counts[delimiter]))


def fields(line: str, delimiter: str) -> list[str]:
    """Return the fields of a line, without the blanks around them."""
    if delimiter == " ":
        line = " ".join(line.split())
    csv.field_size_limit(max(csv.field_size_limit(), len(line)))
    row = next(csv.reader(io.StringIO(line), delimiter=delimiter), [""])
    return [field.strip() for field in row]


def _is_header(remark: list[str], row: list[str]) -> bool:
    """Return whether a line that begins with # is the header of the row below, not a comment."""
    return len(remark) > 1 and len(row) - len(remark) in (0, 1) and any(map(is_number, row[1:]))


def _begins_with_header(top: list[str], rows: list[list[str]]) -> bool:
    if top[0] == "" or vocabulary.names_genes(top[0]) or vocabulary.names_cells(top[0]):
        return True
    if _counts_up(top[1:]):
        return True
    if not rows:
        return not all(map(is_number, top[1:]))
    if len(rows[0]) != len(top):
        return True
    numbers = [n for n in range(1, min(map(len, rows))) if all(is_number(row[n]) for row in rows)]
    return not numbers or not all(is_number(top[n]) for n in numbers)


def _counts_up(values: list[str]) -> bool:
    """Return whether values are consecutive from 0 or 1, as counts are only by chance."""
    start = {"0": 0, "1": 1}.get(values[0] if len(values) > 3 else "")
    return start is not None and values == [str(start + place) for place in range(len(values))]


def is_number(field: str) -> bool:
    """Return whether a field is a number; ``1_0``, which Python accepts, is not."""
    try:
        float(field)
    except ValueError:
        return False
    return "_" not in field


def no_table(path: Path, why: str) -> InputError:
    """Return the error for a file that is not a table."""
    return InputError.of(
        what=f"The file is not a table of counts: {why}.",
        where=path,
        remedy="Give 10x HDF5, a folder of 10x, STARsolo or kb, .h5ad, .loom, HDF5 with X, or a "
        "table as csv or tsv; docs/inputs.md lists the kinds of tables.",
    )
