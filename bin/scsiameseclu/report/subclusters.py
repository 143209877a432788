"""Subclusters in the report: the parts of divided clusters, each with its own markers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .content import Section, gene_list, table_section, text
from .inputs import Group, Run

_MOST_ROWS, _TOP = 100, 20


def sections(run: Run) -> Iterator[Section]:
    """Return the table of subclusters; none where none were asked for."""
    asked = [group for group in run.finished if group.division]
    rows = {name: row for group in asked for name, row in _rows(group).items()}
    notes = [
        f" {group.label}: {text(note, length=200)}"
        for group in asked
        for note in group.division["notes"]
    ]
    yield from table_section("subclusters", rows, most=_MOST_ROWS, notes="".join(notes))


def _rows(group: Group) -> dict[str, dict[Any, Any]]:
    """Return a row of each subcluster, and of each cluster that is left whole."""
    markers = {
        str(name): genes.loc[genes["avg_log2FC"] > 0, "gene"].head(_TOP)
        for name, genes in (
            group.submarkers.groupby("cluster", sort=False) if len(group.submarkers) else ()
        )
    }
    return {
        group.row(part): {**row, "genes": gene_list(markers.get(str(part), []))}
        for part, row in group.subclusters.set_index("cluster_sub").to_dict("index").items()
    }
