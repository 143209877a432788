"""Tables of results on disk, one row per measurement, written at once and kept while current."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError
from ..files import read_table, write_table

KEY = ("dataset", "method", "k_mode", "seed")
"""Columns that identify a row."""
PROVENANCE = ("data", "code", "versions")
"""Columns of what a row depends on: digests of data and code, and the libraries' versions."""
ABOUT = (*KEY, "cells", "genes", "types")
SCORES = ("acc", "nmi", "ari", "silhouette", "n_clusters", "seconds", "peak_rss_mb", "trained")
COLUMNS = (*ABOUT, *SCORES, "error", *PROVENANCE)

Row = Mapping[str, Any] | pd.Series


def read_results(table: Path, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """Return the results found so far, sorted by their key; without a file, none.

    Of several results with one key the last is taken. A last line that was cut off by an
    interruption is dropped.
    """
    if not table.is_file():
        return pd.DataFrame(columns=list(columns))
    texts = dict.fromkeys((*KEY, *PROVENANCE, "error"), str)
    found = read_table(table, dtype=texts)
    if list(found) != list(columns):
        raise InputError.of(
            what="the columns of the results table are not those of this version",
            where=table,
            remedy="move the file away; the results are then computed again",
        )
    whole = found[found["versions"].notna()].drop_duplicates(list(KEY), keep="last")
    return whole.astype({"seed": int}).sort_values(["cells", *KEY], ignore_index=True)


def identity(row: Row) -> tuple[Any, ...]:
    """Return what identifies a row: equal values mean the same result."""
    return tuple(row[name] for name in (*KEY, *PROVENANCE))


def identities(found: pd.DataFrame) -> set[tuple[Any, ...]]:
    """Return the identities of all results that did not fail."""
    return {identity(row) for _, row in found[found["error"].isna()].iterrows()}


def append(row: Row, table: Path, columns: Sequence[str] = COLUMNS) -> None:
    """Add a result to the table, on a line of its own even if the line before was cut off."""
    header = not table.is_file()
    text = pd.DataFrame([row], columns=list(columns)).to_csv(
        sep="\t", index=False, header=header, lineterminator="\n"
    )
    if not header and not table.read_bytes().endswith(b"\n"):
        text = "\n" + text
    with table.open("a", encoding="utf-8") as file:
        file.write(text)


def tidy(table: Path, columns: Sequence[str] = COLUMNS) -> None:
    """Sort the table, and leave of several results with one key the last."""
    if table.is_file():
        write_table(read_results(table, columns), table)


def rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return numbers as the tables hold them."""
    return {
        name: round(value, 6) if isinstance(value, float) else value
        for name, value in values.items()
    }


def cost(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the seconds and memory that a process reports, as the tables hold them."""
    return {"seconds": round(found["seconds"], 2), "peak_rss_mb": round(found["peak_rss_mb"])}


def one_line(text: str) -> str:
    """Return the last line of a message, shortened, for a table."""
    return next(
        (line.strip() for line in reversed(text.splitlines()) if line.strip()), "no message"
    )[:200]


def note(text: str) -> None:
    """Print on stderr, at once."""
    print(text, file=sys.stderr, flush=True)
