"""From single results to the numbers that decide: means over seeds and sets, spreads, gaps; all scores in percent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..files import read_table
from .methods import ABLATIONS, METHODS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SCORES = ("acc", "nmi", "ari")
RIVALS = ("leiden_k", "kmeans")
"""The plain methods of which the better is the measure on each set."""
LARGE = 500
"""Sets with more cells than this are judged apart: on smaller ones a few cells make points."""


def complete(results: pd.DataFrame, wanted: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Return the results of those data sets and seeds for which each (method, k_mode) wanted has one.

    So that every mean over sets is over the same sets, whatever an interrupted run has left.
    """
    expected = pd.MultiIndex.from_tuples(wanted)
    known = results[pd.MultiIndex.from_frame(results[["method", "k_mode"]]).isin(expected)]
    found = known.groupby(["dataset", "seed"])["method"].transform("size")
    return known[found == len(expected)].reset_index(drop=True)


def with_rows(
    path: Path, rows: Sequence[Mapping[str, Any]], *, key: Sequence[str], order: Sequence[str]
) -> pd.DataFrame:
    """Return the table of `path`, if there is one, with further rows in the place of those that have the same `key`.

    Parameters
    ----------
    path
        The table.
    rows
        The further rows, column -> value.
    key
        Columns that tell a row from others.
    order
        Columns to sort by; rows that are equal in them stay in their order.
    """
    new = pd.DataFrame(rows)
    if not path.is_file():
        return new
    kept = pd.concat([read_table(path), new]).drop_duplicates(list(key), keep="last")
    return kept.sort_values(list(order), kind="stable", ignore_index=True)


def comparison_wanted() -> list[tuple[str, str]]:
    """Return each method with each of its modes."""
    return [(name, k_mode) for name, method in METHODS.items() for k_mode in method.modes]


def per_set(results: pd.DataFrame, column: str, *, spread: bool = False) -> pd.DataFrame:
    """Return the mean of a column over the seeds (or its standard deviation), data sets by size x methods.

    Scores in percent. The standard deviation is that of a sample (n - 1), missing for a single seed.
    """
    values = results.assign(value=results[column].astype(float) * (100 if column in SCORES else 1))
    table = values.pivot_table(
        "value", index=["cells", "dataset"], columns="method", aggfunc="std" if spread else "mean", dropna=False
    )
    table = table[table.index.isin(pd.MultiIndex.from_frame(results[["cells", "dataset"]]))].droplevel("cells")
    return table.reindex(columns=[name for name in (*METHODS, *ABLATIONS) if name in set(results["method"])])


def summary(results: pd.DataFrame) -> pd.DataFrame:
    """Return, per method, the means over the sets of ``acc``, ``nmi`` and ``ari``, and how sure the last is.

    ``silhouette``: on the principal components, mean over the sets. ``lowest``: the lowest mean ARI with one data set
    left out. ``spread``: standard deviation of the ARI over the seeds, in the mean over the sets. ``widest``: the
    largest on a set of more than 500 cells.
    """
    means = pd.DataFrame({score: per_set(results, score).mean() for score in SCORES})
    spreads = per_set(results, "ari", spread=True)
    return means.assign(
        silhouette=per_set(results, "silhouette").mean(),
        lowest=leave_one_out(results).min(),
        spread=spreads.mean(),
        widest=spreads.loc[spreads.index.isin(large_sets(results))].max(),
    )


def leave_one_out(results: pd.DataFrame) -> pd.DataFrame:
    """Return the mean ARI over all data sets but one, for each left out (rows) and each method (columns)."""
    ari = per_set(results, "ari")
    if len(ari) < 2:
        return ari.iloc[:0]
    return (ari.sum() - ari) / (len(ari) - 1)


def gaps(results: pd.DataFrame) -> pd.DataFrame:
    """Return, per set and method, ARI points above (below: negative) the better of Leiden matched to k and k-means."""
    ari = per_set(results, "ari")
    return ari.sub(ari[list(RIVALS)].max(axis=1), axis=0)


def large_sets(results: pd.DataFrame) -> list[str]:
    """Return the names of the data sets with more than 500 cells."""
    return [str(name) for name in results.loc[results["cells"] > LARGE, "dataset"].unique()]


def found_to_true(results: pd.DataFrame) -> pd.DataFrame:
    """Return the mean number of clusters found as a multiple of the number of types, data sets x methods."""
    return per_set(results.assign(ratio=results["n_clusters"] / results["types"]), "ratio")


def ablation_summary(ablation: pd.DataFrame) -> pd.DataFrame:
    """Return, per variant, mean scores over the sets, ARI against the full method, and how often training was kept.

    ``difference``: points of mean ARI above the full method, ``difference_large``: over the sets of more than 500
    cells, ``better`` and ``worse``: sets on which the variant's ARI is higher or lower by more than 0.1 points.
    """
    ari = per_set(ablation, "ari")
    against = ari.sub(ari["full"], axis=0)
    return pd.DataFrame({score: per_set(ablation, score).mean() for score in SCORES}).assign(
        difference=against.mean(),
        difference_large=against.loc[against.index.isin(large_sets(ablation))].mean(),
        better=(against > 0.1).sum(),
        worse=(against < -0.1).sum(),
        trained=100 * kept(ablation).groupby(ablation["method"]).mean(),
    )


def kept(results: pd.DataFrame) -> pd.Series[bool]:
    """Return of each fit whether the trained network's labels were taken, not the consensus's."""
    return results["trained"].astype(str) == "True"


def markdown(table: pd.DataFrame, *, first: str) -> str:
    """Return a Markdown table of text; the index becomes the column `first`, numbers get one decimal, gaps a dash."""
    head = [first, *map(str, table.columns)]
    rows = [[str(name), *map(cell, row)] for name, row in zip(table.index, table.to_numpy(dtype=object), strict=True)]
    rule = ["---", *["---:"] * len(table.columns)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows])


def cell(value: object) -> str:
    """Return a value of a table as text."""
    if isinstance(value, float | np.floating):
        return f"{value + 0.0:.1f}" if np.isfinite(value) else "–"
    return str(value)
