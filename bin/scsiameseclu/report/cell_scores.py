"""Scores of cells in the report: a table by cluster, notes, and the genes of interest as dots."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import content, marker_dots
from .content import Column, Html, Section, columns_of, section, table_section, text, unique_texts
from .inputs import Group, Run, of_cluster

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
    shown = unique_texts(titles, length=30)
    columns = columns_of("cell_scores") | {
        key: Column.of(shown[name], f"Mean score of {shown[name]}", kind="bar")
        for name, key in titles.items()
    }
    told = "".join(notes)
    yield from table_section("cell_scores", rows, columns, most=_MOST_ROWS, notes=told)
    yield from _dots(asked, "" if rows else told)


def set_names(groups: list[Group]) -> list[str]:
    """Return the gene sets that are scored in any of some groups."""
    sets = [row for group in groups for row in group.scoring.get("gene_sets", [])]
    return list(dict.fromkeys(str(row["set"]) for row in sets if row["column"]))


def _row(group: Group, cluster: str, titles: dict[str, str]) -> dict[Any, Any]:
    """Return what the table shows of a cluster; empty where nothing was scored."""
    row: dict[Any, Any] = {}
    if len(group.cell_scores):
        row = of_cluster(group.cell_scores, cluster).iloc[0].to_dict()
    for score in of_cluster(group.set_scores, cluster).to_dict("records"):
        if score["set"] in titles:
            row[titles[score["set"]]] = score["mean"]
    return row | {"cell_type": group.cell_types.get(cluster)} if row else {}


def _notes(group: Group) -> Iterator[str]:
    account = group.scoring
    yield from (text(note, length=300) for note in account.get("notes", []))
    if left_out := [
        f"{text(row['set'], length=40)} ({row['n_found']} of {row['n_genes']})"
        for row in account.get("gene_sets", [])
        if not row["column"]
    ]:
        yield f"Not scored, for too few of their genes are in the data: {_listed(left_out)}."
    if missing := [_missing(row) for row in account.get("genes", []) if row["found"] is None]:
        yield f"Genes that are not in the data: {_listed(missing)}."
    if "high_dissociation" in group.cell_scores:
        high = group.cell_scores[group.cell_scores["high_dissociation"] == "yes"]
        for row in high.to_dict("records"):
            yield (
                f"<strong>Dissociation stress is high in cluster {text(row['cluster'])} "
                f"({row['median_dissociation']:.1f} &#37; of the counts).</strong>"
            )


def _missing(row: dict[str, Any]) -> str:
    nearest = row.get("nearest")
    hint = f" (the nearest name is {text(nearest, length=40)})" if nearest else ""
    return f"{text(row['gene'], length=40)}{hint}"


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


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
        body = content.folded(parts or {"None of the genes is in the data": ""})
        yield section("gene_dots", body, shown=shown, notes=Html(notes))
