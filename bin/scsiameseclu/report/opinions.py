"""The second opinion on cell types in the report: where SingleR or CellTypist disagrees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .content import Section, table_section, text
from .inputs import Group, Run, of_cluster

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
    found = [row["agreement"] for row in rows.values()]
    facts: dict[str, Any] = {
        "against": found.count(_DISAGREES),
        "judged": found.count(_DISAGREES) + found.count(_AGREES),
        # Why a group lacks an opinion that was asked for.
        "failed": "".join(
            f" {text(failure.id)}: {text(failure.reason, length=300)}"
            for failure in run.failures
            if failure.step == STEP
        ),
    }
    yield from table_section(
        "opinions", rows, most=_MOST_ROWS, by=lambda row: row["agreement"] != _DISAGREES, **facts
    )


def flag(group: Group, cluster: str) -> dict[str, Any]:
    """Return what a cluster's row says of the second opinion: who disagrees, if anyone."""
    if group.opinions.empty:
        return {}
    own = of_cluster(group.opinions, cluster)
    against = own.loc[own["agreement"] == _DISAGREES, "source"]
    return {"second_opinion": f"{', '.join(against)} {_DISAGREES}" if len(against) else None}
