"""Means over seeds and sets, and intervals, from single results; scores in percent.

Every mean is over the same data sets and seeds for all methods. A fit that failed scores 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..files import read_table
from .datasets import DEVELOPMENT

SCORES = ["acc", "nmi", "ari"]
PERCENT = {
    *SCORES,
    *("placed_ari", "calibration_error", "sure", "sure_right"),
    *("purity", "silhouette", "accuracy", "macro_f1"),
}
RESAMPLES = 10_000
"""Of the data sets, for an interval."""


def complete(results: pd.DataFrame, wanted: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Return results of the data sets and seeds that have every wanted (method, k_mode).

    Every mean over sets is then over the same sets, even after an interrupted run; for
    that same reason the scores of a fit that failed become 0.
    """
    expected = pd.MultiIndex.from_tuples(wanted)
    known = results[pd.MultiIndex.from_frame(results[["method", "k_mode"]]).isin(expected)]
    found = known.groupby(["dataset", "seed"])["method"].transform("size")
    whole = known[found == len(expected)].reset_index(drop=True)
    whole.loc[whole["error"].notna(), SCORES] = 0.0
    return whole


def with_rows(
    path: Path, rows: Sequence[Mapping[str, Any]], *, key: Sequence[str], order: Sequence[str]
) -> pd.DataFrame:
    """Return the table of `path`, if any, with `rows` replacing those of the same `key`.

    Parameters
    ----------
    path
        The table.
    rows
        The further rows, column -> value.
    key
        Columns that identify a row.
    order
        Columns to sort by; rows that are equal in them stay in their order.
    """
    new = pd.DataFrame(rows)
    if not path.is_file():
        return new
    kept = pd.concat([read_table(path), new]).drop_duplicates(list(key), keep="last")
    return kept.sort_values(list(order), kind="stable", ignore_index=True)


def per_set(results: pd.DataFrame, column: str = "ari", *, spread: bool = False) -> pd.DataFrame:
    """Return a column's mean (or SD) over the seeds: data sets by size x methods.

    Scores are in percent. The standard deviation is that of a sample (n - 1), missing for a single
    seed.
    """
    values = results[column].astype(float) * (100 if column in PERCENT else 1)
    grouped = results.assign(value=values).groupby(["cells", "dataset", "method"])["value"]
    table = (grouped.std() if spread else grouped.mean()).unstack("method")  # noqa: PD010
    return table.droplevel("cells").rename_axis(columns=None)


def is_development(names: pd.Index) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell which data sets shaped the defaults."""
    return np.array([name.partition(".")[0] in DEVELOPMENT for name in names], dtype=bool)


def interval(differences: pd.Series[float]) -> tuple[float, float, float]:
    """Return the mean over data sets and its 95 % bootstrap interval.

    The data sets are drawn with replacement.

    One difference a set: pairs are drawn together. Missing for a single set.
    """
    values = differences.to_numpy(dtype=float)
    if len(values) < 2:
        return float(values.mean()) if len(values) else np.nan, np.nan, np.nan
    drawn = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def with_interval(differences: pd.Series[float], digits: int = 1) -> str:
    """Return the mean difference and its interval as text."""
    mean, low, high = (
        f"{round(value, digits) + 0.0:+.{digits}f}" for value in interval(differences)
    )
    if "nan" in low:
        return "–" if "nan" in mean else mean
    return f"{mean} ({low} to {high})"


def markdown(
    table: pd.DataFrame | dict[str, dict[str, object]],
    *,
    first: str,
    names: pd.Series[str] | None = None,
) -> str:
    """Return a Markdown table.

    Rows are given by their names, or have `names` instead of the index, which becomes the column
    `first`; numbers get one decimal, gaps a dash.
    """
    if not isinstance(table, pd.DataFrame):
        table = pd.DataFrame.from_dict(table, orient="index").astype(object)
    if names is not None:
        table = table.set_axis(names)
    head = [first, *map(str, table.columns)]
    rows = [
        [str(name), *map(cell, row)]
        for name, row in zip(table.index, table.to_numpy(dtype=object), strict=True)
    ]
    rule = ["---", *["---:"] * len(table.columns)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows])


def text_table(columns: Mapping[str, Any], *, first: str, names: pd.Series[str]) -> str:
    """Return a Markdown table of columns whose rows are called `names`."""
    return markdown(pd.DataFrame(columns, dtype=object), first=first, names=names)


def cell(value: object) -> str:
    """Return a value of a table as text."""
    if isinstance(value, float | np.floating):
        return f"{value + 0.0:.1f}" if np.isfinite(value) else "–"
    return str(value)
