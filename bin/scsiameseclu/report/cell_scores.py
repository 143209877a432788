"""Scores of cells in the report: a table by cluster, notes, and the genes of interest as dots."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import content, marker_dots
from .content import Html, Section, columns_of, first_of, section, table_section, text
from .inputs import Group, Run, of_cluster

_MOST_ROWS, _MOST_SETS, _MOST_NAMES, _MOST_DOTS = 300, 20, 10, 12


def sections(run: Run) -> Iterator[Section]:
    """Return the table of scores and the dot plots of genes; none where none were asked for."""
    asked = run.records("cell_scores")
    titles = {name: f"set_{place}" for place, name in enumerate(set_names(run)[:_MOST_SETS])}
    rows = {
        group.row(cluster): row
        for group in asked
        for cluster in group.cluster_names
        if (row := _row(group, cluster, titles))
    }
    notes = "".join(f" {group.label}: {note}" for group in asked for note in _notes(group))
    shown = content.unique_texts(titles, length=30)
    columns = columns_of("cell_scores") | {
        key: content.column(shown[name], f"Mean score of {shown[name]}", kind="bar")
        for name, key in titles.items()
    }
    yield from table_section("cell_scores", rows, columns, most=_MOST_ROWS, notes=notes)
    yield from _dots(run, "" if rows else notes)


def set_names(run: Run) -> list[str]:
    """Return the gene sets that are scored in any group."""
    accounts = run.records("cell_scores").values()
    sets = [row for account in accounts for row in account.get("gene_sets", [])]
    return list(dict.fromkeys(str(row["set"]) for row in sets if row["column"]))


def _row(group: Group, cluster: str, titles: dict[str, str]) -> dict[Any, Any]:
    """Return what the table shows of a cluster; empty where nothing was scored."""
    row: dict[Any, Any] = {}
    if len(scores := group.table("cell_scores")):
        row = of_cluster(scores, cluster).iloc[0].to_dict()
    for score in of_cluster(group.table("gene_set_scores"), cluster).to_dict("records"):
        if score["set"] in titles:
            row[titles[score["set"]]] = score["mean"]
    return row | {"cell_type": group.cell_types.get(cluster)} if row else {}


def _notes(group: Group) -> Iterator[str]:
    account, scores = group.record("cell_scores"), group.table("cell_scores")
    yield from (text(note, length=300) for note in account.get("notes", []))
    if left_out := [
        f"{text(row['set'], length=40)} ({row['n_found']} of {row['n_genes']})"
        for row in account.get("gene_sets", [])
        if not row["column"]
    ]:
        few = "Not scored, for too few of their genes are in the data"
        yield f"{few}: {first_of(left_out, _MOST_NAMES)}."
    if missing := [_missing(row) for row in account.get("genes", []) if row["found"] is None]:
        yield f"Genes that are not in the data: {first_of(missing, _MOST_NAMES)}."
    for row in scores.to_dict("records"):
        if row.get("high_dissociation") == "yes":
            yield (
                f"<strong>Dissociation stress is high in cluster {text(row['cluster'])} "
                f"({row['median_dissociation']:.1f} &#37; of the counts).</strong>"
            )


def _missing(row: dict[str, Any]) -> str:
    nearest = row.get("nearest")
    hint = f" (the nearest name is {text(nearest, length=40)})" if nearest else ""
    return f"{text(row['gene'], length=40)}{hint}"


def _dots(run: Run, notes: str) -> Iterator[Section]:
    """Return the dot plots of the genes of interest; where none is in the data, the notes alone."""
    chosen = [group for group, of in run.records("cell_scores").items() if of.get("genes")]
    profiles = run.tables("genes_of_interest")
    parts = {
        group.label: marker_dots.picture(group, profiles[group])
        for group in chosen[:_MOST_DOTS]
        if group in profiles
    }
    left = len(chosen) - _MOST_DOTS
    shown = f" Shown are {_MOST_DOTS} of {len(chosen)} groups." if left > 0 else ""
    if chosen and (parts or notes):
        body = content.folded(parts or {"None of the genes is in the data": ""})
        yield section("gene_dots", body, shown=shown, notes=Html(notes))
