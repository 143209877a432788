"""Proteins, hashtags and guides in the report, by sample and between clusters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from . import marker_dots
from .content import (
    Section,
    bars,
    first_rows,
    folded,
    gene_list,
    section,
    table_section,
    text,
    unique_texts,
)
from .inputs import Group, Run, Sample
from .palette import cluster_color

_LARGEST_P = 0.01
_MOST_OF_CLUSTER, _MOST_ROWS = 10, 60


def sections(run: Run) -> Iterator[Section]:
    """Return the sections on what was counted beside genes; none where nothing was."""
    if rows := {sample.label: row for sample in run.samples if (row := _row(sample))}:
        yield table_section("captured", rows)
    if pictures := {
        group.label: _dots(group) for group in run.finished if len(group.protein_profiles)
    }:
        yield section("protein_dots", folded(pictures))
    yield from _markers(run)
    if hashtags := {group: group.hashtags for group in run.finished if len(group.hashtags)}:
        yield section("hashtags_by_cluster", _by_cluster(hashtags, "hashtag"))
    if guides := {group: group.guides for group in run.finished if len(group.guides)}:
        yield section("guides_by_cluster", _by_cluster(guides, "guide"))


def _row(sample: Sample) -> dict[str, Any]:
    quality = sample.quality or {}
    found, hashed = quality.get("captured") or {}, quality.get("hashtags")
    row: dict[str, Any] = {f"{kind}s": numbers["n_features"] for kind, numbers in found.items()}
    row["protein_counts"] = found.get("protein", {}).get("median_counts")
    row |= {
        f"guide_{many}": found.get("guide", {}).get(f"n_cells_with_{many}")
        for many in ("none", "one", "several")
    }
    if hashed:
        singlets = ", ".join(f"{name}: {count:,}" for name, count in hashed["n_cells"].items())
        row |= {
            "singlets": singlets,
            "doublets": hashed["n_doublets"],
            "negatives": hashed["n_negatives"],
        }
    return row if found else {}


def _dots(group: Group) -> str:
    notes = " ".join(map(str, group.modalities.get("notes", [])))
    about = f"<p>{text(notes, length=600)}</p>" if notes else ""
    return about + marker_dots.picture(
        group, group.protein_profiles.rename(columns={"protein": "gene"})
    )


def _markers(run: Run) -> Iterator[Section]:
    rows = {
        group.row(cluster): {
            "cell_type": group.cell_types.get(cluster),
            "high": gene_list(_named(group.protein_markers, cluster, above=True)),
            "low": gene_list(_named(group.protein_markers, cluster, above=False)),
        }
        for group in run.finished
        if len(group.protein_markers)
        for cluster in group.cluster_names
    }
    if rows:
        drawn, shown = first_rows(rows, _MOST_ROWS)
        yield table_section("protein_markers", drawn, largest_p=_LARGEST_P, shown=shown)


def _named(markers: pd.DataFrame, cluster: str, *, above: bool) -> list[str]:
    """Return the strongest proteins of a cluster, higher or lower there, each with its mean."""
    of_cluster = markers[(markers["cluster"] == cluster) & (markers["p_val_adj"] < _LARGEST_P)]
    kept = of_cluster[(of_cluster["avg_log2FC"] > 0) == above].head(_MOST_OF_CLUSTER)
    return [
        f"{name} ({mean:.1f})" for name, mean in zip(kept["protein"], kept["mean_clr"], strict=True)
    ]


def _by_cluster(tables: dict[Group, pd.DataFrame], kind: str) -> Any:
    names = unique_texts([name for found in tables.values() for name in found[kind]])
    datasets = {group.label: _bars(group, found, kind, names) for group, found in tables.items()}
    colors: dict[str, str] = {
        label: cluster_color(index) for index, label in enumerate(names.values())
    }
    return bars(datasets, colors, label="Cells")


def _bars(
    group: Group, found: pd.DataFrame, kind: str, names: dict[str, Any]
) -> dict[str, dict[str, int]]:
    return {
        group.titled(cluster, length=24): {
            names[name]: int(count) for name, count in zip(some[kind], some["n_cells"], strict=True)
        }
        for cluster in group.cluster_names
        if len(some := found[found["cluster"] == cluster])
    }
