"""Scores of cells in the report: a table by cluster, notes, and the genes of interest as dots."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from . import marker_dots
from .content import (
    Column,
    Html,
    Section,
    columns_of,
    first_rows,
    folded,
    section,
    table_section,
    text,
    unique_texts,
)
from .inputs import Group, Run

_MOST_ROWS, _MOST_SETS, _MOST_NAMES, _MOST_DOTS = 300, 20, 10, 12


def sections(run: Run) -> Iterator[Section]:
    """Return the table of scores and the dot plots of genes; none where none were asked for."""
    asked = [group for group in run.finished if group.scoring]
    titles = {name: f"set_{place}" for place, name in enumerate(set_names(asked)[:_MOST_SETS])}
    rows = {
        group.row(cluster): row
        for group in asked
        for cluster in group.cluster_names
        if (row := _row(group, cluster, titles))
    }
    notes = [f" {group.label}: {note}" for group in asked for note in _notes(group)]
    if rows:
        drawn, shown = first_rows(rows, _MOST_ROWS)
        columns = columns_of("cell_scores") | _columns(titles)
        yield table_section("cell_scores", drawn, columns, shown=shown, notes="".join(notes))
    yield from _dots(asked, "" if rows else "".join(notes))


def set_names(groups: list[Group]) -> list[str]:
    """Return the gene sets that are scored in any of some groups."""
    return list(
        dict.fromkeys(
            str(row["set"])
            for group in groups
            for row in group.scoring.get("gene_sets", [])
            if row["column"]
        )
    )


def _columns(titles: dict[str, str]) -> dict[str, Column]:
    shown = unique_texts(titles, length=30)
    return {
        key: Column.of(shown[name], f"Mean score of {shown[name]}", kind="bar")
        for name, key in titles.items()
    }


def _row(group: Group, cluster: str, titles: dict[str, str]) -> dict[str, Any]:
    """Return what the table shows of a cluster; empty where nothing was scored."""
    row: dict[str, Any] = {}
    if len(group.cell_scores):
        own = group.cell_scores[group.cell_scores["cluster"] == cluster]
        for name in own.columns.drop(["sample", "cluster"]):
            row[str(name)] = own[name].iloc[0]
    if len(group.set_scores):
        of_cluster = group.set_scores[group.set_scores["cluster"] == cluster]
        means = zip(of_cluster["set"], of_cluster["mean"], strict=True)
        row |= {titles[name]: mean for name, mean in means if name in titles}
    return row | {"cell_type": group.cell_types.get(cluster)} if row else {}


def _notes(group: Group) -> Iterator[str]:
    """Yield what there is to say of a group, as harmless HTML."""
    account = group.scoring
    yield from (text(note, length=300) for note in account.get("notes", []))
    left_out = [row for row in account.get("gene_sets", []) if not row["column"]]
    if left_out:
        names = [
            f"{text(row['set'], length=40)} ({row['n_found']} of {row['n_genes']})"
            for row in left_out
        ]
        yield f"Not scored, for too few of their genes are in the data: {_listed(names)}."
    missing = [row for row in account.get("genes", []) if row["found"] is None]
    if missing:
        names = [_missing(row) for row in missing]
        yield f"Genes that are not in the data: {_listed(names)}."
    yield from _warnings(group)


def _missing(row: dict[str, Any]) -> str:
    nearest = row.get("nearest")
    hint = f" (the nearest name is {text(nearest, length=40)})" if nearest else ""
    return f"{text(row['gene'], length=40)}{hint}"


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _warnings(group: Group) -> Iterator[str]:
    if "high_dissociation" in group.cell_scores:
        high = group.cell_scores[group.cell_scores["high_dissociation"] == "yes"]
        for row in high.to_dict("records"):
            yield (
                f"<strong>Dissociation stress is high in cluster {text(row['cluster'])} "
                f"({row['median_dissociation']:.1f} &#37; of the counts).</strong>"
            )


def _dots(asked: list[Group], notes: str) -> Iterator[Section]:
    """Return the dot plots of the genes of interest; where none is in the data, the notes alone."""
    chosen = [group for group in asked if group.scoring.get("genes")]
    parts = {
        group.label: marker_dots.picture(group, group.chosen_genes)
        for group in chosen[:_MOST_DOTS]
        if len(group.chosen_genes)
    }
    left = len(chosen) - _MOST_DOTS
    shown = f" Shown are {_MOST_DOTS} of {len(chosen)} groups." if left > 0 else ""
    if chosen and (parts or notes):
        body = folded(parts or {"None of the genes is in the data": ""})
        yield section("gene_dots", body, shown=shown, notes=Html(notes))


def drawn_cells(group: Group) -> pd.DataFrame:
    """Return the cells that are drawn by their scores and genes, with their coordinates."""
    if group.drawn.empty or group.umap.empty:
        return pd.DataFrame()
    return group.drawn.merge(group.umap, on="barcode", validate="one_to_one")
