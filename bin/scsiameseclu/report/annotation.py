"""Annotation in the report: markers, cell types with their evidence, scores against a gold standard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from .clustering import MANY_ROWS, MAX_HEATMAPS, METHODS
from .content import Column, Section, heatmap, paragraph, table, text, unique_texts
from .rooms import ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .inputs import Group, Run

_SHOWN, _SHOWN_OF_MANY = 10, 3
_MAX_CONTINGENCY = 60


def sections(run: Run) -> list[Section]:
    """Return the sections of annotation; none if no group has clusters."""
    return [*_markers(run), *_cell_types(run), *_scores(run), *_contingencies(run)]


def _markers(run: Run) -> Iterator[Section]:
    shown = _SHOWN if sum(len(group.cluster_names) for group in run.finished) <= MANY_ROWS else _SHOWN_OF_MANY
    rows = {
        f"{group.label}, cluster {text(cluster)}": _marker_row(group, cluster, genes, shown)
        for group in run.finished
        if group.markers is not None
        for cluster, genes in group.markers.groupby("cluster", sort=False)
    }
    if not rows:
        return
    yield Section(
        "markers",
        "Top markers",
        f"The {shown} strongest markers of each cluster, and the numbers of the first: Wilcoxon rank sum test of the "
        "cluster "
        "against all other cells, as in Seurat. All markers stand in <code>groups/&#42;/markers.tsv</code>.",
        ANNOTATION,
        table(
            rows,
            {
                "cell_type": Column("Cell type", "What the cluster is taken for"),
                "genes": Column("Top markers", "Strongest first"),
                "log2fc": Column("log2 fold change", "Of the first marker", format="{:,.2f}"),
                "pct_1": Column(
                    "In cluster", "Cells of the cluster with the first marker", format="{:,.1f}", suffix="%"
                ),
                "pct_2": Column("Elsewhere", "Other cells with the first marker", format="{:,.1f}", suffix="%"),
                "p_adjusted": Column("Adjusted p", "Of the first marker, Bonferroni over all genes", format="{:.1e}"),
                "count": Column("Markers", "Markers in markers.tsv", format="{:,d}"),
            },
            id="markers",
            title="Top markers",
            first="Cluster",
        ),
    )


def _marker_row(group: Group, cluster: Any, genes: pd.DataFrame, shown: int) -> dict[str, Any]:
    first = genes.iloc[0]
    names = ", ".join(text(gene, length=40) for gene in genes["gene"].head(shown))
    return {
        "cell_type": text(group.cell_types[cluster]) if cluster in group.cell_types else None,
        "genes": f'<span class="wrapped">{names}</span>',
        "log2fc": float(first["avg_log2FC"]),
        "pct_1": 100.0 * float(first["pct.1"]),
        "pct_2": 100.0 * float(first["pct.2"]),
        "p_adjusted": float(first["p_val_adj"]),
        "count": len(genes),
    }


def _cell_types(run: Run) -> Iterator[Section]:
    rows = {
        f"{group.label}, cluster {text(row['cluster'])}": _type_row(row)
        for group in run.finished
        if group.annotation is not None
        for _, row in group.annotation.iterrows()
    }
    if not rows:
        return
    yield Section(
        "cell_types",
        "Cell types",
        "Margin is the lead of the best type over the runner-up: a small one means that the two cannot be told apart "
        "by these "
        "markers. Unknown is meant: the evidence is too thin. From <code>groups/&#42;/annotation.tsv</code>.",
        ANNOTATION,
        table(
            rows,
            {
                "cell_type": Column("Cell type", "Best type", rules={"warn": [{"s_eq": "Unknown"}]}),
                "cells": Column("Cells", "Cells of the cluster", format="{:,d}"),
                "score": Column("Score", "Of the best type", format="{:,.2f}"),
                "margin": Column("Margin", "Lead over the runner-up", format="{:,.2f}"),
                "runner_up": Column("Runner-up", "Second best type"),
                "evidence": Column("Evidence", "Marker genes that speak for the type"),
            },
            id="cell_types",
            title="Cell types",
            first="Cluster",
        ),
    )


def _type_row(row: pd.Series[Any]) -> dict[str, Any]:
    return {
        "cell_type": text(row["cell_type"]),
        "cells": int(row["n_cells"]),
        "score": _number(row["score"]),
        "margin": _number(row["margin"]),
        "runner_up": None if pd.isna(row["runner_up"]) else text(row["runner_up"]),
        "evidence": None if pd.isna(row["evidence"]) else paragraph(row["evidence"]),
    }


def _scores(run: Run) -> Iterator[Section]:
    scored = [group for group in run.finished if group.scored]
    if not scored:
        return
    scale = {"format": "{:,.3f}", "scale": "Blues", "bounds": (0, 1)}
    others = [key for key in METHODS if any(key in (group.metrics.get("comparison") or {}) for group in scored)]
    yield Section(
        "scores",
        "Scores against the gold standard",
        "How well the clusters agree with the labels that were given; the labels are used here only, after the "
        "clustering. "
        "ARI of the other methods beside. From <code>groups/&#42;/metrics.json</code>.",
        ANNOTATION,
        table(
            {group.label: _score_row(group, others) for group in scored},
            {
                "acc": Column("Accuracy", "Share of cells in the right cluster under the best matching", **scale),  # type: ignore[arg-type]
                "nmi": Column("NMI", "Normalized mutual information", **scale),  # type: ignore[arg-type]
                "ari": Column("ARI", "Adjusted Rand index", **scale),  # type: ignore[arg-type]
                **{
                    f"ari_{key}": Column(f"ARI, {METHODS[key]}", "Adjusted Rand index of this method", **scale)  # type: ignore[arg-type]
                    for key in others
                    if key != "scsiameseclu"
                },
            },
            id="scores",
            title="Scores against the gold standard",
            first="Group",
        ),
    )


def _score_row(group: Group, others: list[str]) -> dict[str, Any]:
    comparison = group.metrics.get("comparison") or {}
    own = {key: group.metrics.get(key) for key in ("acc", "nmi", "ari")}
    return own | {f"ari_{key}": comparison.get(key, {}).get("ari") for key in others}


def _contingencies(run: Run) -> Iterator[Section]:
    labelled = [group for group in run.finished if group.contingency is not None and len(group.contingency)]
    if len(labelled) > MAX_HEATMAPS:
        return
    for index, group in enumerate(labelled, start=1):
        assert group.contingency is not None
        counts = group.contingency.set_index(group.contingency.columns[0]).head(_MAX_CONTINGENCY)
        shares = 100.0 * counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
        title = "Labels and clusters" + (f": {group.label}" if len(labelled) > 1 else "")
        yield Section(
            f"contingency_{index}",
            title,
            "Where the cells of each label of the gold standard went: one dark field per row is a label found whole, "
            "one per "
            "column a pure cluster. From <code>groups/&#42;/contingency.tsv</code>.",
            ANNOTATION,
            heatmap(
                shares.round(1).to_numpy().tolist(),
                rows=list(unique_texts(map(str, counts.index)).values()),
                columns=[f"Cluster {text(cluster)}" for cluster in counts.columns],
                id=f"contingency_{index}",
                title=title,
                labels=("Cluster", "Label", "% of the label"),
                decimals=0,
                highest=100,
            ),
        )


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
