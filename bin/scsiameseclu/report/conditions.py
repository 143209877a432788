"""Conditions in the report: genes that differ within clusters, and shares of cell types that do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..annotation.shares import cells_by_type
from .chapters import ANNOTATION
from .content import Column, Section, boxes, gene_list, paragraph, points, table, text, thin
from .palette import FAIL, SAFEST, UNKNOWN

if TYPE_CHECKING:
    from .content import Cloud
    from .inputs import Group, Run

LARGEST_P = 0.05
_MAX_NOTES = 10
_SHOWN = 10
_NAMED_GENES = 8
_MAX_COMPARISONS = 12
_MAX_TOP_ROWS, _MAX_SHARES = 50, 40
_TOP_ROWS = 5
_SMALLEST_P = 1e-300
_HIGHER, _LOWER = FAIL, SAFEST[0]


def sections(run: Run, *, max_points: int) -> list[Section]:
    """Return the sections on conditions; none if none were compared.

    Parameters
    ----------
    run
        Everything that the report is made from.
    max_points
        Genes in the volcano plots, all comparisons together.
    """
    return [*_differential(run), *_volcano(run, max_points), *_top(run), *_composition(run)]


def _comparisons(run: Run) -> Iterator[tuple[Group, str, str, pd.DataFrame]]:
    """Yield group, cluster, condition and genes of every comparison that was made."""
    for group in run.finished:
        if group.differential is not None:
            for (cluster, condition), genes in group.differential.groupby(["cluster", "condition"], sort=False):
                yield group, str(cluster), str(condition), genes


def _name(group: Group, cluster: str, condition: str) -> str:
    return f"{group.label}, cluster {text(cluster)}, {text(condition)}"


def _differential(run: Run) -> Iterator[Section]:
    tested = [group for group in run.finished if group.differential is not None]
    rows = {
        _name(group, cluster, condition): _differential_row(group, cluster, genes)
        for group, cluster, condition, genes in _comparisons(run)
    }
    notes = [
        f"{group.label}: {text(note, length=200)}"
        for group in tested
        for note in group.differential_notes.get("notes", [])
    ]
    if not rows and not notes:
        return
    formulas = {str(group.differential_notes.get("formula", "")) for group in tested} - {""}
    about = (
        "Genes that differ between conditions within a cluster, by DESeq2's test on counts summed by sample: samples, "
        f"not cells, are the replicates. {' '.join(f'Model: <code>{text(name)}</code>.' for name in sorted(formulas))} "
        "All genes stand in <code>groups/&#42;/differential_expression.tsv</code>, the sums in "
        "<code>pseudobulk.h5ad</code>."
    )
    untested = (
        f" Not tested: {'; '.join(notes[:_MAX_NOTES])}{'; …' if len(notes) > _MAX_NOTES else ''}." if notes else ""
    )
    yield Section(
        "differential_expression",
        "Differences between conditions",
        about + untested,
        ANNOTATION,
        table(
            rows or {"Nothing was tested": {"count": 0}},
            {
                "cell_type": Column("Cell type", "What the cluster is taken for"),
                "baseline": Column("Against", "Condition that the fold changes are relative to"),
                "up": Column("Higher", "Strongest genes that are higher in the condition"),
                "down": Column("Lower", "Strongest genes that are lower in the condition"),
                "count": Column("Genes", f"Genes with an adjusted p-value below {LARGEST_P}", format="{:,d}"),
            },
            id="differential_expression",
            title="Differences between conditions",
            first="Cluster and condition",
        ),
    )


def _differential_row(group: Group, cluster: str, genes: pd.DataFrame) -> dict[str, Any]:
    differ = _different(genes)
    up = differ["log2_fold_change"] > 0
    return {
        "cell_type": text(group.cell_types[cluster]) if cluster in group.cell_types else None,
        "baseline": text(genes["baseline"].iloc[0]),
        "up": gene_list(differ.loc[up, "gene"].head(_SHOWN)),
        "down": gene_list(differ.loc[~up, "gene"].head(_SHOWN)),
        "count": len(differ),
    }


def _different(genes: pd.DataFrame) -> pd.DataFrame:
    return genes[genes["p_value_adjusted"] < LARGEST_P]


def _volcano(run: Run, max_points: int) -> Iterator[Section]:
    """Yield the volcano plots of the comparisons that found most genes."""
    made = sorted(_comparisons(run), key=lambda comparison: -len(_different(comparison[3])))
    shown = [comparison for comparison in made[:_MAX_COMPARISONS] if len(comparison[3])]
    if not shown:
        return
    share = min(1.0, max_points / sum(len(genes) for *_, genes in shown))
    datasets = {_titled(*comparison): _clouds(comparison[3], share) for comparison in shown}
    only = f" Shown are the {len(shown)} of {len(made)} comparisons that found most." if len(made) > len(shown) else ""
    yield Section(
        "volcano",
        "Volcano plots",
        f"Each point is a gene: how much it differs, and how surely. Coloured: adjusted p-value below {LARGEST_P}; "
        f"the {_NAMED_GENES} surest stand in the legend by name. Genes far out at the bottom rest on few counts.{only} "
        "From <code>groups/&#42;/differential_expression.tsv</code>.",
        ANNOTATION,
        points(
            datasets,
            id="volcano",
            title="Volcano plots",
            x_label="log2 fold change",
            y_label="-log10 p-value",
        ),
    )


def _titled(group: Group, cluster: str, condition: str, genes: pd.DataFrame) -> str:
    kind = f" ({text(group.cell_types[cluster], length=30)})" if cluster in group.cell_types else ""
    against = f"{text(condition, length=20)} vs {text(genes['baseline'].iloc[0], length=20)}"
    return f"{group.label}, {text(cluster)}{kind}: {against}"


def _clouds(genes: pd.DataFrame, share: float) -> dict[str, Cloud]:
    genes = genes[genes["p_value"].notna()]
    differ = _different(genes)
    others = genes.drop(differ.index).sort_values("log2_fold_change", kind="stable")
    clouds = {"Other genes": (UNKNOWN, _places(others.iloc[thin(len(others), share)]))}
    for name, color, chosen in (
        ("Higher", _HIGHER, differ[differ["log2_fold_change"] > 0]),
        ("Lower", _LOWER, differ[differ["log2_fold_change"] <= 0]),
    ):
        clouds[f"{name} ({len(chosen):,})"] = (color, _places(chosen.iloc[_NAMED_GENES:]))
    for _, gene in differ.head(_NAMED_GENES).iterrows():
        color = _HIGHER if gene["log2_fold_change"] > 0 else _LOWER
        clouds[text(gene["gene"], length=30)] = (color, _places(gene.to_frame().T))
    return {name: cloud for name, cloud in clouds.items() if cloud[1]}


def _places(genes: pd.DataFrame) -> list[tuple[float, float]]:
    heights = -np.log10(genes["p_value"].astype(float).clip(lower=_SMALLEST_P))
    return [(round(float(x), 2), round(float(y), 2)) for x, y in zip(genes["log2_fold_change"], heights, strict=True)]


def _top(run: Run) -> Iterator[Section]:
    rows = {
        f"{_name(group, cluster, condition)}: {text(gene['gene'], length=30)}": _top_row(group, cluster, gene)
        for group, cluster, condition, genes in _comparisons(run)
        for _, gene in _different(genes).head(_TOP_ROWS).iterrows()
    }
    if not rows:
        return
    cut = f" The first {_MAX_TOP_ROWS} of {len(rows)} rows." if len(rows) > _MAX_TOP_ROWS else ""
    yield Section(
        "top_differences",
        "Surest differences",
        f"The {_TOP_ROWS} genes of each comparison with the smallest p-values.{cut} From "
        "<code>groups/&#42;/differential_expression.tsv</code>.",
        ANNOTATION,
        table(
            dict(list(rows.items())[:_MAX_TOP_ROWS]),
            {
                "cell_type": Column("Cell type", "What the cluster is taken for"),
                "log2fc": Column("log2 fold change", "Against the baseline", format="{:,.2f}", bounds=(None, None)),
                "mean": Column("Mean count", "Per sample, after scaling for depth", format="{:,.1f}"),
                "p_adjusted": Column("Adjusted p", "Benjamini-Hochberg within the comparison", format="{:.1e}"),
            },
            id="top_differences",
            title="Surest differences",
            first="Comparison and gene",
        ),
    )


def _top_row(group: Group, cluster: str, gene: pd.Series[Any]) -> dict[str, Any]:
    return {
        "cell_type": text(group.cell_types[cluster]) if cluster in group.cell_types else None,
        "log2fc": float(gene["log2_fold_change"]),
        "mean": float(gene["base_mean"]),
        "p_adjusted": float(gene["p_value_adjusted"]),
    }


def _composition(run: Run) -> Iterator[Section]:
    tested = [group for group in run.finished if group.composition_test is not None and len(group.composition_test)]
    if not tested:
        return
    rows = {
        f"{group.label}, {text(row['cell_type'])}, {text(row['condition'])}": _composition_row(row)
        for group in tested
        if group.composition_test is not None
        for _, row in group.composition_test.iterrows()
    }
    cut = ""
    if len(rows) > _MAX_SHARES:
        cut = f" The {_MAX_SHARES} surest of {len(rows)} rows."
        surest = sorted(rows, key=lambda name: 1.0 if rows[name]["p_adjusted"] is None else rows[name]["p_adjusted"])
        rows = {name: rows[name] for name in surest[:_MAX_SHARES]}
    yield Section(
        "composition_test",
        "Shares of cell types between conditions",
        "Whether the share of a cell type differs between conditions, samples being the replicates: a linear model of "
        "the logit of the shares, with variances shrunk as in limma (propeller's method). Shares of a sample add up to "
        "1: where one type grows, others shrink. Detectable is the ratio of odds that these samples would show in four "
        f"of five cases; smaller changes are mostly missed.{cut} From <code>groups/&#42;/composition_test.tsv</code>.",
        ANNOTATION,
        table(
            rows,
            {
                "baseline": Column("Against", "Condition that is compared with"),
                "share": Column("Share", "Mean over the samples of the condition", format="{:,.1f}", suffix="%"),
                "share_baseline": Column(
                    "Baseline's", "Mean over the samples of the baseline", format="{:,.1f}", suffix="%"
                ),
                "samples": Column("Samples", "Of the condition and of the baseline"),
                "odds": Column("Odds ratio", "Of the condition against the baseline", format="{:,.2f}"),
                "detectable": Column(
                    "Detectable", "Odds ratio found with a power of 80 % at 5 %, before adjustment", format="{:,.2f}"
                ),
                "p_adjusted": Column("Adjusted p", "Benjamini-Hochberg over the cell types", format="{:.1e}"),
                "note": Column("Note", "What was not tested, or where the power is low"),
            },
            id="composition_test",
            title="Shares of cell types between conditions",
            first="Cell type and condition",
        ),
    )
    yield from _shares(run, tested)


def _composition_row(row: pd.Series[Any]) -> dict[str, Any]:
    tested = not pd.isna(row["p_val"])
    return {
        "baseline": text(row["baseline"]),
        "share": 100.0 * float(row["mean_share_condition"]),
        "share_baseline": 100.0 * float(row["mean_share_baseline"]),
        "samples": f"{row['n_samples_condition']} and {row['n_samples_baseline']}",
        "odds": float(np.exp(row["log_odds_ratio"])) if tested else None,
        "detectable": float(row["detectable_odds_ratio"]) if tested else None,
        "p_adjusted": float(row["p_val_adj"]) if tested else None,
        "note": None if pd.isna(row["note"]) else paragraph(row["note"]),
    }


def _shares(run: Run, groups: list[Group]) -> Iterator[Section]:
    """Yield the picture of the shares: a box for each cell type and condition, and a point for each sample."""
    extras = {sample.id: sample.settings.get("extra") or {} for sample in run.samples}
    datasets = {group.label: _boxes(group, extras) for group in groups}
    datasets = {name: summaries for name, summaries in datasets.items() if summaries}
    if datasets:
        yield Section(
            "composition_shares",
            "Shares of cell types by sample",
            "Each point is a sample. From <code>groups/&#42;/composition.tsv</code>.",
            ANNOTATION,
            boxes(datasets, id="composition_shares", title="Shares of cell types by sample", label="% of the sample"),
        )


def _boxes(group: Group, extras: dict[str, Any]) -> dict[str, list[float]]:
    column = str(group.differential_notes.get("condition", ""))
    assert group.clusters is not None
    sizes = group.clusters.groupby(["cluster", "sample"]).size().rename("n_cells").reset_index()
    cells = cells_by_type(sizes, group.cell_types)
    percents = 100.0 * cells.div(cells.sum(axis=1), axis=0)
    of_samples = pd.Series({name: str(extras.get(name, {}).get(column) or "") for name in percents.index}, dtype=str)
    order = percents.mean().sort_values(ascending=False).index
    return {
        f"{text(kind, length=40)}, {text(condition, length=30)}": [round(float(value), 2) for value in values]
        for kind in order
        for condition in sorted(set(of_samples) - {""})
        if len(values := percents.loc[(of_samples == condition).to_numpy(), kind])
    }
