"""Annotation in the report: clusters and cell types, markers, scores against gold labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from . import cell_scores, content, marker_dots, modalities
from .clustering import MAX_HEATMAPS
from .content import Column, Section, gene_list, section, table_section, text, unique_texts
from .inputs import Group, Run, of_cluster, positive

_MANY_ROWS = 300
"""Tables with more rows do without bars and with shorter lists, or the report would be too large to
mail."""
_MOST_PARTS, _GENES_OF_PART, _MOST_OPINIONS = 100, 20, 100
_SHOWN_OF_MANY, _TOP, _MAX_CONTINGENCY = 3, 50, 60
_DISAGREES = "disagrees"
_LONG = {"runner_up", "evidence", "pct_1", "pct_2"}
"""Columns that tables of many rows do without."""


def sections(run: Run) -> Iterator[Section]:
    """Return the sections of annotation; none if no group has clusters."""
    if run.finished:
        yield from _clusters(run)
        yield from _opinions(run)
        yield from marker_dots.sections(run)
        yield from modalities.sections(run)
        yield from _markers(run)
        yield from _subclusters(run)
        yield from cell_scores.sections(run)
        yield from _scores([group for group in run.finished if group.scored])
        yield from _marker_agreement(run)
        yield from _contingencies(run.tables("contingency"))


def _shorter(run: Run, name: str) -> dict[str, Column]:
    return {
        key: of
        for key, of in content.columns_of(name).items()
        if key not in _LONG or run.n_clusters <= _MANY_ROWS
    }


def _clusters(run: Run) -> Iterator[Section]:
    rows = {
        group.row(name): _cluster_row(group, name)
        for group in run.finished
        for name in group.cluster_names
    }
    placed = any(group.placed for group in run.finished)
    yield from table_section("clusters", rows, _shorter(run, "clusters"), placed=placed)


def _cluster_row(group: Group, cluster: str) -> dict[Any, Any]:
    cells = of_cluster(group.clusters, cluster)
    known = of_cluster(group.table("annotation"), cluster)
    row: dict[Any, Any] = {
        **(known.iloc[0].to_dict() if len(known) else {}),
        "second_opinion": _objection(group, cluster),
        "n_cells": len(cells),
        "share": len(cells) / len(group.clusters),
        "stability": (group.summary.get("cluster_stability") or {}).get(cluster),
        "confidence": float(cells["confidence"].mean()),
    }
    if group.placed:
        unlike = cells["unlike_known"].astype(str) == "True"
        row |= {"unlike": int(unlike.sum()), "unlike_share": float(unlike.mean())}
    return row


def _opinions(run: Run) -> Iterator[Section]:
    rows = {
        f"{group.row(row['cluster'])}, {text(row['source'])}": row
        for group, found in run.tables("second_opinion").items()
        for row in found.to_dict("records")
    }
    agreements = [row["agreement"] for row in rows.values()]
    against = agreements.count(_DISAGREES)
    yield from table_section(
        "opinions",
        rows,
        most=_MOST_OPINIONS,
        by=lambda row: row["agreement"] != _DISAGREES,
        against=against,
        judged=against + agreements.count("agrees"),
    )


def _objection(group: Group, cluster: str) -> str | None:
    """Return who disagrees with a cluster's type in the second opinion, if anyone."""
    own = of_cluster(group.table("second_opinion"), cluster).to_dict("records")
    against = [row["source"] for row in own if row["agreement"] == _DISAGREES]
    return f"{', '.join(against)} {_DISAGREES}" if against else None


def _markers(run: Run) -> Iterator[Section]:
    few = run.n_clusters <= _MANY_ROWS
    top_n = int(run.parameters.get("top_n_markers", _TOP)) if few else _SHOWN_OF_MANY
    rows = {
        group.row(cluster): {
            **genes.iloc[0].rename({"pct.1": "pct_1", "pct.2": "pct_2"}).to_dict(),
            "cell_type": group.cell_types.get(str(cluster)),
            "genes": gene_list(genes["gene"].head(top_n)),
            "count": len(genes),
        }
        for group, found in run.tables("markers").items()
        for cluster, genes in positive(found).groupby("cluster", sort=False)
    }
    yield from table_section("markers", rows, _shorter(run, "markers"), top_n=top_n)


def _subclusters(run: Run) -> Iterator[Section]:
    """Return a row of each subcluster, and of each cluster that is left whole."""
    rows: dict[str, dict[Any, Any]] = {}
    notes = ""
    for group, division in run.records("subclusters").items():
        for row in group.table("subclusters").to_dict("records"):
            own = of_cluster(group.table("submarkers"), row["cluster_sub"])
            genes = positive(own).get("gene", ())[:_GENES_OF_PART]
            rows[group.row(row["cluster_sub"])] = row | {"genes": gene_list(genes)}
        for note in division["notes"]:
            notes += f" {group.label}: {text(note, length=200)}"
    yield from table_section("subclusters", rows, most=_MOST_PARTS, notes=notes)


def _scores(scored: list[Group]) -> Iterator[Section]:
    rows = {}
    for group in scored:
        others = group.metrics.get("comparison") or {}
        rows[group.label] = group.metrics | {
            f"ari_{key}": of.get("ari") for key, of in others.items()
        }
    yield from table_section("scores", rows)


def _marker_agreement(run: Run) -> Iterator[Section]:
    rows: dict[str, dict[str, Any]] = {}
    top_n = 0
    for group in run.finished:
        if found := group.metrics.get("marker_agreement"):
            top_n = max(top_n, found["top_n"])
            rows[f"{group.label}, mean"] = {"share": found["mean"]}
            each = found["clusters"] if run.n_clusters <= _MANY_ROWS else {}
            rows |= {group.row(cluster): dict(about) for cluster, about in each.items()}
    yield from table_section("marker_agreement", rows, top_n=top_n)


def _contingencies(labelled: dict[Group, pd.DataFrame]) -> Iterator[Section]:
    if len(labelled) > MAX_HEATMAPS:
        return
    for number, (group, found) in enumerate(labelled.items(), start=1):
        counts = found.set_index("label").head(_MAX_CONTINGENCY)
        shares = 100.0 * counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
        shares.index = pd.Index(list(unique_texts(counts.index).values()))
        shares.columns = pd.Index([f"Cluster {text(cluster)}" for cluster in counts.columns])
        body = content.heatmap(
            shares.round(1), labels=("Cluster", "Label", "% of the label"), decimals=0, highest=100
        )
        yield section(
            "contingency", body, number=number, of=group.label if len(labelled) > 1 else ""
        )
