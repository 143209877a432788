"""The second opinion on cell types in the report: where SingleR or CellTypist disagrees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .content import Section, table_section, text
from .inputs import Group, Run, of_cluster

STEP = "annotation.opinion"
_MOST_ROWS = 100
_DISAGREES = "disagrees"


def sections(run: Run) -> Iterator[Section]:
    """Return the table of second opinions; none where none were asked for."""
    rows = {
        f"{group.row(row['cluster'])}, {text(row['source'])}": row
        for group, found in run.tables("second_opinion").items()
        for row in found.to_dict("records")
    }
    agreements = [row["agreement"] for row in rows.values()]
    against = agreements.count(_DISAGREES)
    # Why a group lacks an opinion that was asked for.
    failed = [
        f" {text(failure.id)}: {text(failure.reason, length=300)}"
        for failure in run.failures
        if failure.step == STEP
    ]
    yield from table_section(
        "opinions",
        rows,
        most=_MOST_ROWS,
        by=lambda row: row["agreement"] != _DISAGREES,
        against=against,
        judged=against + agreements.count("agrees"),
        failed="".join(failed),
    )


def flag(group: Group, cluster: str) -> dict[str, Any]:
    """Return what a cluster's row says of the second opinion: who disagrees, if anyone."""
    if group.table("second_opinion").empty:
        return {}
    own = of_cluster(group.table("second_opinion"), cluster)
    against = own.loc[own["agreement"] == _DISAGREES, "source"]
    return {"second_opinion": f"{', '.join(against)} {_DISAGREES}" if len(against) else None}
