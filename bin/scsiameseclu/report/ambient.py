"""Ambient RNA in the report: its share of each sample's counts, and the genes that leak."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from .content import Section, gene_list, table_section
from .inputs import Group, Run, Sample

_NAMED = 10


def sections(run: Run) -> Iterator[Section]:
    """Return the section on ambient RNA; none where no sample came with its empty droplets."""
    groups = {group.id: group for group in run.finished if len(group.ambient)}
    rows = {
        sample.label: {**row, "genes": gene_list(_leaking(groups[sample.group], sample))}
        for sample in run.samples
        if sample.group in groups and (row := _row(groups[sample.group], sample))
    }
    yield from table_section("ambient", rows)


def share_of(group: Group, sample: Sample) -> float | None:
    """Return the estimated ambient share of a sample's counts in percent; None without one."""
    share = _row(group, sample).get("share")
    return None if share is None else float(share)


def _row(group: Group, sample: Sample) -> Mapping[str, Any]:
    own = _of_sample(group.ambient, sample)
    if own.empty:
        return {}
    found = own.iloc[0]
    known = bool(pd.notna(found["contamination"]))
    return {
        "n_droplets": found["n_droplets_in_profile"],
        "share": 100 * found["contamination"] if known else None,
        "range": f"{100 * found['low']:.1f} to {100 * found['high']:.1f} %" if known else None,
        "note": found["note"] if isinstance(found["note"], str) else None,
    }


def _leaking(group: Group, sample: Sample) -> list[str]:
    own = _of_sample(group.ambient_genes, sample).head(_NAMED).to_dict("records")
    return [f"{row['gene']} ({row['share_of_ambient']:.1%})" for row in own]


def _of_sample(table: pd.DataFrame, sample: Sample) -> pd.DataFrame:
    return table[table["sample"] == sample.id] if len(table) else table
