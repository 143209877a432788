"""The second opinion on cell types in the report: where SingleR or CellTypist disagrees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .content import Section, first_rows, table_section, text
from .inputs import Group, Run

STEP = "annotation.opinion"
_MOST_ROWS = 100
_DISAGREES, _AGREES = "disagrees", "agrees"


def sections(run: Run) -> Iterator[Section]:
    """Return the table of second opinions; none where none were asked for."""
    rows = {
        f"{group.row(row['cluster'])}, {text(row['source'])}": row
        for group in run.finished
        for row in group.opinions.to_dict("records")
    }
    if rows:
        against = sum(row["agreement"] == _DISAGREES for row in rows.values())
        judged = against + sum(row["agreement"] == _AGREES for row in rows.values())
        drawn, shown = first_rows(
            rows, _MOST_ROWS, by=lambda row: float(row["agreement"] != _DISAGREES)
        )
        yield table_section(
            "opinions", drawn, against=against, judged=judged, shown=shown, failed=_failed(run)
        )


def _failed(run: Run) -> str:
    """Return why a group lacks an opinion that was asked for, as harmless HTML."""
    return "".join(
        f" {text(failure.id)}: {text(failure.reason, length=300)}"
        for failure in run.failures
        if failure.step == STEP
    )


def flag(group: Group, cluster: str) -> dict[str, Any]:
    """Return what a cluster's row says of the second opinion: who disagrees, if anyone."""
    if group.opinions.empty:
        return {}
    of_cluster = group.opinions[group.opinions["cluster"] == cluster]
    against = of_cluster.loc[of_cluster["agreement"] == _DISAGREES, "source"]
    return {"second_opinion": f"{', '.join(against)} {_DISAGREES}" if len(against) else None}
