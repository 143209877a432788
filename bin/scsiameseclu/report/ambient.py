"""Ambient RNA in the report: its share of each sample's counts, and the genes that leak."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from .content import Section, gene_list, table_section
from .inputs import Group, Run, Sample

_NAMED = 10


def sections(run: Run) -> Iterator[Section]:
    """Return the section on ambient RNA; none where no sample came with its empty droplets."""
    groups = {group.id: group for group in run.tables("ambient")}
    rows = {
        sample.label: {**row, "genes": gene_list(_leaking(groups[sample.group], sample))}
        for sample in run.samples
        if sample.group in groups and (row := row_of(groups[sample.group], sample))
    }
    yield from table_section("ambient", rows)


def row_of(group: Group, sample: Sample) -> dict[str, Any]:
    """Return what the table shows of a sample, its share in percent; empty if nothing is known."""
    for found in _records(group.table("ambient"), sample):
        known = pd.notna(found["contamination"])
        return {
            "n_droplets": found["n_droplets_in_profile"],
            "share": 100 * found["contamination"] if known else None,
            "range": f"{100 * found['low']:.1f} to {100 * found['high']:.1f} %" if known else None,
            "note": found["note"],
        }
    return {}


def _leaking(group: Group, sample: Sample) -> list[str]:
    genes = _records(group.table("ambient_genes"), sample)[:_NAMED]
    return [f"{row['gene']} ({row['share_of_ambient']:.1%})" for row in genes]


def _records(table: pd.DataFrame, sample: Sample) -> list[dict[Any, Any]]:
    return table[table["sample"] == sample.id].to_dict("records") if len(table) else []
