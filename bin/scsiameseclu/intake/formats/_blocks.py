"""The rows of a table, block by block, so that little memory besides the counts is needed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ...errors import InputError, quoted
from ._bytes import open_text
from ._layout import Layout, is_number, no_table

VALUES = 4_000_000
"""Values read at a time."""
_COMMA = re.compile(r"-?[\d.]+(,\d+)+(\.\d+)?")


def blocks(path: Path, layout: Layout, *, words: Sequence[int]) -> Iterator[pd.DataFrame]:
    """Yield the rows of a table, with columns by their places.

    Parameters
    ----------
    path
        The table.
    layout
        Its layout.
    words
        Columns that are read as text; the others are numbers unless a field is not a number.

    Raises
    ------
    InputError
        If a row has more fields than there are columns.
    """
    with open_text(path) as file:
        for _ in range(layout.n_skipped):
            next(file)
        for block in pd.read_csv(
            file,
            sep=r"\s+" if layout.delimiter == " " else layout.delimiter,
            header=None,
            names=range(layout.n_fields),
            dtype=dict.fromkeys(words, str),
            na_filter=False,  # an empty field or NA is reported, not guessed at
            low_memory=False,
            chunksize=max(1, VALUES // layout.n_fields),
        ):
            if not isinstance(block.index, pd.RangeIndex):  # surplus columns become row names
                raise no_table(path, f"its rows have more than {layout.n_fields} fields")
            yield block


def words_of(block: pd.DataFrame, columns: Sequence[int]) -> pd.DataFrame:
    """Return columns of text without the blanks around their fields."""
    words = {column: block[column].astype(str).str.strip() for column in columns}
    return pd.DataFrame(words, index=block.index, dtype=object)


def numbers_of(
    block: pd.DataFrame, columns: Sequence[int], path: Path, layout: Layout
) -> np.ndarray:
    """Return columns of numbers as an array; reject a field that is not a number."""
    numbers = block[list(columns)].copy()
    for column in columns:
        if numbers[column].dtype.kind not in "iuf":
            values = numbers[column].astype(str)
            wrong = [not is_number(value) for value in values]
            if any(wrong):
                raise _no_number(values[wrong], path, layout)
            numbers[column] = values.astype(float)  # whole numbers beyond 64 bits
    return numbers.to_numpy()


def _no_number(values: pd.Series[str], path: Path, layout: Layout) -> InputError:
    column, row = int(str(values.name)), int(str(values.index[0])) + layout.n_skipped + 1
    what = f"A count is not a number: {quoted(values.iloc[0])}."
    remedy = "0 for nothing counted; leave out columns that hold no counts"
    if layout.header is None:
        remedy = "0 for nothing counted; one count per line needs the header gene, cell, count"
    if _COMMA.fullmatch(values.iloc[0]):
        what = f"A count is written with a comma: {quoted(values.iloc[0])}."
        remedy = "neither decimal commas nor marks between thousands"
    return InputError.of(
        what=what,
        where=f"{path}, row {row}, column {quoted(layout.name(column))}",
        remedy="Give whole numbers, with names in the first line and the first "
        f"column, and {remedy}.",
    )
