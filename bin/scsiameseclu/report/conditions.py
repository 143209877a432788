"""Conditions in the report: genes that differ within clusters, and shares of cell types that do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..annotation.shares import cells_by_type
from . import content
from .content import Clouds, Section, gene_list, section, table_section, text
from .inputs import Group, Run
from .palette import FAIL, SAFEST, UNKNOWN

LARGEST_P = 0.05
_MAX_NOTES, _SHOWN, _NAMED_GENES, _TOP_ROWS = 10, 10, 8, 5
_MAX_COMPARISONS, _MAX_TOP_ROWS, _MAX_SHARES = 12, 50, 40
_SMALLEST_P = 1e-300


@dataclass(frozen=True)
class _Comparison:
    """The genes of one cluster, compared between a condition and its baseline."""

    group: Group
    cluster: str
    condition: str
    genes: pd.DataFrame

    @property
    def row(self) -> str:
        return f"{self.group.row(self.cluster)}, {text(self.condition)}"

    @property
    def cell_type(self) -> str | None:
        return self.group.cell_types.get(self.cluster)

    @property
    def baseline(self) -> str:
        return str(self.genes["baseline"].iloc[0])

    @property
    def different(self) -> pd.DataFrame:
        return self.genes[self.genes["p_value_adjusted"] < LARGEST_P]

    @property
    def title(self) -> str:
        kind = f" ({text(self.cell_type, length=30)})" if self.cell_type else ""
        condition, baseline = (text(one, length=20) for one in (self.condition, self.baseline))
        return f"{self.group.label}, {text(self.cluster)}{kind}: {condition} vs {baseline}"


def sections(run: Run) -> Iterator[Section]:
    """Return the sections on conditions; none if none were compared."""
    made = [
        _Comparison(group, str(cluster), str(condition), genes)
        for group, found in run.tables("differential_expression").items()
        for (cluster, condition), genes in found.groupby(["cluster", "condition"], sort=False)
    ]
    yield from _differential(run, made)
    yield from _volcano(made, run.max_points)
    yield from _surest(made)
    yield from _composition(run)


def _differential(run: Run, made: list[_Comparison]) -> Iterator[Section]:
    designs = run.records("differential_expression")
    notes = [
        f"{group.label}: {text(note, length=200)}"
        for group, design in designs.items()
        for note in design.get("notes", [])
    ]
    if not made and not notes:
        return
    formulas = sorted({str(design.get("formula", "")) for design in designs.values()} - {""})
    models = " ".join(f"Model: <code>{text(formula)}</code>." for formula in formulas)
    untested = (
        f" Not tested: {'; '.join(notes[:_MAX_NOTES])}{'; …' if len(notes) > _MAX_NOTES else ''}."
    )
    rows = {comparison.row: _differential_row(comparison) for comparison in made}
    yield from table_section(
        "differential_expression",
        rows or {"Nothing was tested": {"count": 0}},
        models=models,
        untested=untested if notes else "",
    )


def _differential_row(comparison: _Comparison) -> dict[str, Any]:
    differ = comparison.different
    up = differ["log2_fold_change"] > 0
    return {
        "cell_type": comparison.cell_type,
        "baseline": comparison.baseline,
        "up": gene_list(differ.loc[up, "gene"].head(_SHOWN)),
        "down": gene_list(differ.loc[~up, "gene"].head(_SHOWN)),
        "count": len(differ),
    }


def _volcano(made: list[_Comparison], max_points: int) -> Iterator[Section]:
    ordered = sorted(made, key=lambda comparison: -len(comparison.different))
    shown = ordered[:_MAX_COMPARISONS]
    if not shown:
        return
    drawn = min(1.0, max_points / sum(len(comparison.genes) for comparison in shown))
    most = f" Shown: the {len(shown)} of {len(made)} comparisons with the most genes."
    only = most if len(made) > len(shown) else ""
    datasets = {comparison.title: _clouds(comparison, drawn) for comparison in shown}
    body = content.points(datasets, x_label="log2 fold change", y_label="-log10 p-value")
    yield section("volcano", body, largest_p=LARGEST_P, named=_NAMED_GENES, only=only)


def _clouds(comparison: _Comparison, drawn: float) -> Clouds:
    genes = comparison.genes[comparison.genes["p_value"].notna()]
    genes = genes.assign(surety=-np.log10(genes["p_value"].astype(float).clip(lower=_SMALLEST_P)))
    differ = genes.loc[comparison.different.index.intersection(genes.index)]
    others = genes.drop(differ.index).sort_values("log2_fold_change", kind="stable")
    up = differ["log2_fold_change"] > 0
    parts = [("Other genes", UNKNOWN, others.iloc[content.thin(len(others), drawn)])]
    for name, color, chosen in (("Higher", FAIL, differ[up]), ("Lower", SAFEST[0], differ[~up])):
        parts.append((f"{name} ({len(chosen):,})", color, chosen.iloc[_NAMED_GENES:]))
    for place, gene in enumerate(differ["gene"].head(_NAMED_GENES)):
        color = FAIL if up.iloc[place] else SAFEST[0]
        parts.append((text(gene, length=30), color, differ.iloc[[place]]))
    return {
        name: (color, content.pairs(some, "log2_fold_change", "surety"))
        for name, color, some in parts
        if len(some)
    }


def _surest(made: list[_Comparison]) -> Iterator[Section]:
    rows = {
        f"{of.row}: {text(gene['gene'], length=30)}": {**gene, "cell_type": of.cell_type}
        for of in made
        for gene in of.different.head(_TOP_ROWS).to_dict("records")
    }
    yield from table_section("top_differences", rows, most=_MAX_TOP_ROWS, top=_TOP_ROWS)


def _composition(run: Run) -> Iterator[Section]:
    tested = run.tables("composition_test")
    rows = {
        f"{group.label}, {text(row['cell_type'])}, {text(row['condition'])}": row
        | {
            "samples": f"{row['n_samples_condition']} and {row['n_samples_baseline']}",
            "odds": float(np.exp(row["log_odds_ratio"])),
        }
        for group, found in tested.items()
        for row in found.to_dict("records")
    }
    yield from table_section(
        "composition_test",
        rows,
        most=_MAX_SHARES,
        which="surest",
        by=lambda row: None if pd.isna(row["p_val_adj"]) else float(row["p_val_adj"]),
    )
    extras = {sample.id: sample.extra for sample in run.samples}
    datasets = {group.label: boxes for group in tested if (boxes := _boxes(group, extras))}
    if datasets:
        yield section("composition_shares", content.boxes(datasets, label="% of the sample"))


def _boxes(group: Group, extras: dict[str, Any]) -> dict[str, list[float]]:
    """Return a box for each cell type and condition, with the share in each sample."""
    column = str(group.record("differential_expression").get("condition", ""))
    sizes = group.clusters.groupby(["cluster", "sample"]).size().rename("n_cells").reset_index()
    cells = cells_by_type(sizes, group.cell_types)
    percents = 100.0 * cells.div(cells.sum(axis=1), axis=0)
    of_samples = pd.Series(
        {name: str(extras.get(name, {}).get(column) or "") for name in percents.index}, dtype=str
    )
    return {
        f"{text(kind, length=40)}, {text(condition, length=30)}": values.round(2).tolist()
        for kind in percents.mean().sort_values(ascending=False).index
        for condition in sorted(set(of_samples) - {""})
        if len(values := percents.loc[(of_samples == condition).to_numpy(), kind])
    }
