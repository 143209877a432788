"""Expression in the report: what samples lost when joined, and the most variable genes."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from .content import Section, pairs, points, section, table_section, thinned
from .inputs import Run
from .palette import UNKNOWN, cluster_color

_GENES_KEPT = {"outer": "all of any sample"}
_CLOUDS = {"Highly variable": (True, cluster_color(0)), "Other genes": (False, UNKNOWN)}


def sections(run: Run) -> Iterator[Section]:
    """Return the sections on genes; a third as many are drawn as points of other plots."""
    rows = {
        group.label: {
            **account,
            "genes": _GENES_KEPT.get(account.get("genes", ""), "those of all samples"),
            "notes": " ".join(map(str, notes)),
        }
        for group, account in run.records("expression").items()
        if (notes := account.get("notes"))
    }
    yield from table_section("group_genes", rows)
    genes = {
        group.label: found.sort_values("mean", kind="stable")
        for group, found in run.tables("genes").items()
    }
    if genes:
        yield _variable_genes(genes, run.max_points // 3)


def _variable_genes(genes: dict[str, pd.DataFrame], most: int) -> Section:
    drawn, how_many = thinned(genes, most)
    datasets = {
        label: {
            name: (color, pairs(some, "mean", "dispersion", decimals=3))
            for name, (variable, color) in _CLOUDS.items()
            if len(some := table[table["highly_variable"] == variable])
        }
        for label, table in drawn.items()
    }
    counts = ", ".join(
        f"{found['highly_variable'].sum():,} of {len(found):,}"
        for found in list(genes.values())[:4]
    )
    body = points(datasets, x_label="Mean expression", y_label="Normalized dispersion")
    of_first = " of the first groups" if len(genes) > 4 else ""
    return section("variable_genes", body, of_first=of_first, counts=counts, drawn=how_many)
