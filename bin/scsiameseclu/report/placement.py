"""Cells placed into an earlier result in the report: where they went, how surely, and how many fit nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .chapters import CLUSTERING
from .content import Column, Section, table, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from .inputs import Group, Run

MANY_PERCENT = 20.0
"""Share of cells unlike anything known, in percent, from which on it is worth a look."""


def sections(run: Run) -> Iterator[Section]:
    """Return where cells were placed; none if no group was placed."""
    rows = {name: row for group in run.finished if group.placed for name, row in _rows(group)}
    if not rows:
        return
    yield Section(
        "placement",
        "Placement into the base",
        "The cells were not clustered: each was given the cluster and the cell type of its nearest cells in the "
        "earlier result (<code>--base</code>). Confidence is their share of the vote, the mean over cells. Unlike "
        "known: cells farther from the base than all but 1 % of the cells of their cluster there; about as many are "
        "to be expected without any new type, and many of them in one cluster are a type, a state or a difference "
        "between experiments that the base lacks. From <code>groups/&#42;/clusters.tsv</code>.",
        CLUSTERING,
        table(
            rows,
            {
                "cell_type": Column("Cell type", "That of the cluster in the base"),
                "cells": Column("Cells", "Cells placed there", format="{:,d}"),
                "confidence": Column("Confidence", "Mean share of the vote", format="{:,.2f}"),
                "unlike": Column("Unlike known", "Cells unlike anything known in the base", format="{:,d}"),
                "unlike_percent": Column(
                    "Unlike known",
                    "Their share of the cells",
                    format="{:,.1f}",
                    suffix="%",
                    rules={"warn": [{"gt": MANY_PERCENT}]},
                ),
            },
            id="placement",
            title="Placement into the base",
            first="Cluster",
        ),
    )


def _rows(group: Group) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a row for the group as a whole and one for each cluster."""
    assert group.clusters is not None
    yield f"{group.label}, all", _row(group.clusters)
    for name in group.cluster_names:
        cells = group.clusters[group.clusters["cluster"] == name]
        yield f"{group.label}, cluster {text(name)}", {"cell_type": text(group.cell_types.get(name, "")), **_row(cells)}


def _row(cells: pd.DataFrame) -> dict[str, Any]:
    unlike = cells["unlike_known"].astype(str) == "True"
    return {
        "cells": len(cells),
        "confidence": float(cells["confidence"].mean()),
        "unlike": int(unlike.sum()),
        "unlike_percent": 100.0 * float(unlike.mean()),
    }
