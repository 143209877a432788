"""Annotation in the report: markers, cell types with their evidence, scores against a gold standard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from .chapters import ANNOTATION
from .clustering import MANY_ROWS, MAX_HEATMAPS, METHODS
from .content import Column, Section, gene_list, heatmap, paragraph, table, text, unique_texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .inputs import Group, Run

_SHOWN_OF_MANY = 3
_TOP = 50
_MAX_CONTINGENCY = 60
_SHARE_COLUMNS = {
    "pct_1": Column("In cluster", "Cells of the cluster with the first marker", format="{:,.1f}", suffix="%"),
    "pct_2": Column("Elsewhere", "Other cells with the first marker", format="{:,.1f}", suffix="%"),
}
_EVIDENCE_COLUMNS = {
    "runner_up": Column("Runner-up", "Second best type"),
    "evidence": Column("Evidence", "Marker genes that speak for the type"),
}
_REFERENCE_COLUMNS = {
    "reference": Column("By the reference", "Cell type transferred from the labelled reference"),
    "probability": Column("Probability", "Of the reference's type, mean over the cells", format="{:,.2f}"),
    "agrees": Column("Agree", "Whether markers and reference may name one type", rules={"warn": [{"s_eq": "no"}]}),
}


def sections(run: Run) -> list[Section]:
    """Return the sections of annotation; none if no group has clusters."""
    return [
        *_markers(run),
        *_cell_types(run),
        *_scores(run),
        *_marker_agreement(run),
        *_contingencies(run),
    ]


def _markers(run: Run) -> Iterator[Section]:
    top_n = _SHOWN_OF_MANY if _many_clusters(run) else int(run.parameters.get("top_n_markers", _TOP))
    rows = {
        f"{group.label}, cluster {text(cluster)}": _marker_row(group, cluster, genes, top_n)
        for group in run.finished
        if group.markers is not None
        for cluster, genes in group.markers.groupby("cluster", sort=False)
    }
    if not rows:
        return
    yield Section(
        "markers",
        "Top markers",
        f"The {top_n} strongest markers of each cluster, and the numbers of the first: Wilcoxon rank sum test of the "
        "cluster "
        "against all other cells, as in Seurat. All markers stand in <code>groups/&#42;/markers.tsv</code>.",
        ANNOTATION,
        table(
            rows,
            {
                "cell_type": Column("Cell type", "What the cluster is taken for"),
                "genes": Column("Top markers", "Strongest first"),
                "log2fc": Column("log2 fold change", "Of the first marker", format="{:,.2f}"),
                **({} if _many_clusters(run) else _SHARE_COLUMNS),
                "p_adjusted": Column("Adjusted p", "Of the first marker, Bonferroni over all genes", format="{:.1e}"),
                "count": Column("Markers", "Markers in markers.tsv", format="{:,d}"),
            },
            id="markers",
            title="Top markers",
            first="Cluster",
        ),
    )


def _marker_row(group: Group, cluster: Any, genes: pd.DataFrame, top_n: int) -> dict[str, Any]:
    first = genes.iloc[0]
    return {
        "cell_type": text(group.cell_types[cluster]) if cluster in group.cell_types else None,
        "genes": gene_list(genes["gene"].head(top_n)),
        "log2fc": float(first["avg_log2FC"]),
        "pct_1": 100.0 * float(first["pct.1"]),
        "pct_2": 100.0 * float(first["pct.2"]),
        "p_adjusted": float(first["p_val_adj"]),
        "count": len(genes),
    }


def _many_clusters(run: Run) -> bool:
    """Whether tables with a row a cluster are too long to say everything at sight."""
    return sum(len(group.cluster_names) for group in run.finished) > MANY_ROWS


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
        "Margin is the lead of the best type over the runner-up: a small one means that these markers "
        "do not distinguish the two. Unknown means that the evidence is too thin. "
        "From <code>groups/&#42;/annotation.tsv</code>.",
        ANNOTATION,
        table(
            rows,
            {
                "cell_type": Column("Cell type", "Best type", rules={"warn": [{"s_eq": "Unknown"}]}),
                "cells": Column("Cells", "Cells of the cluster", format="{:,d}"),
                "score": Column("Score", "Of the best type", format="{:,.2f}"),
                "margin": Column("Margin", "Lead over the runner-up", format="{:,.2f}"),
            }
            | ({} if _many_clusters(run) else _EVIDENCE_COLUMNS)
            | (_REFERENCE_COLUMNS if any("reference" in row for row in rows.values()) else {}),
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
    } | (_reference_row(row) if "reference_type" in row else {})


def _reference_row(row: pd.Series[Any]) -> dict[str, Any]:
    return {
        "reference": None if pd.isna(row["reference_type"]) else text(row["reference_type"]),
        "probability": _number(row["reference_score"]),
        "agrees": None if pd.isna(row["reference_agrees"]) else text(row["reference_agrees"]),
    }


def _marker_agreement(run: Run) -> Iterator[Section]:
    found = [(group, group.metrics.get("marker_agreement") or {}) for group in run.finished]
    rows: dict[str, dict[str, Any]] = {}
    for group, agreement in found:
        clusters = agreement.get("clusters", {})
        if not clusters:
            continue
        rows[f"{group.label}, mean"] = {"share": _percent(agreement["mean"])}
        for cluster, about in () if _many_clusters(run) else clusters.items():
            label = None if about["label"] is None else text(about["label"])
            rows[f"{group.label}, cluster {text(cluster)}"] = {"label": label, "share": _percent(about["share"])}
    if not rows:
        return
    top_n = max(agreement["top_n"] for _, agreement in found if agreement)
    yield Section(
        "marker_agreement",
        "Markers against the gold standard",
        f"Share of each cluster's {top_n} strongest markers that are among those of its gold type, the label of most "
        "of its cells. It is low where a type was cut into several clusters, or a cluster holds several types. From "
        "<code>groups/&#42;/metrics.json</code>.",
        ANNOTATION,
        table(
            rows,
            {
                "label": Column("Gold type", "Label of most of the cells"),
                "share": Column(
                    "Shared markers", "With the gold type", format="{:,.0f}", suffix="%", scale="Blues", bounds=(0, 100)
                ),
            },
            id="marker_agreement",
            title="Markers against the gold standard",
            first="Cluster",
        ),
    )


def _percent(share: float | None) -> float | None:
    return None if share is None else 100.0 * share


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
