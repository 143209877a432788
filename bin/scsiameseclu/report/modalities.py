"""Proteins, hashtags and guides in the report, by sample and between clusters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from . import content, marker_dots
from .content import Body, Section, gene_list, section, table_section, text, unique_texts
from .inputs import Group, Run, Sample, of_cluster
from .palette import in_order

_LARGEST_P = 0.01
_MOST_OF_CLUSTER, _MOST_ROWS = 10, 60


def sections(run: Run) -> Iterator[Section]:
    """Return the sections on what was counted beside genes; none where nothing was."""
    rows = {sample.label: row for sample in run.samples if (row := _row(sample))}
    yield from table_section("captured", rows)
    if profiles := run.tables("protein_profiles"):
        pictures = {group.label: _dots(group, found) for group, found in profiles.items()}
        yield section("protein_dots", content.folded(pictures))
    yield from _markers(run)
    if hashtags := run.tables("hashtags"):
        yield section("hashtags_by_cluster", _by_cluster(hashtags, "hashtag"))
    if guides := run.tables("guides"):
        yield section("guides_by_cluster", _by_cluster(guides, "guide"))


def _row(sample: Sample) -> dict[str, Any]:
    if not (found := sample.quality.get("captured")):
        return {}
    row: dict[str, Any] = {f"{kind}s": numbers["n_features"] for kind, numbers in found.items()}
    row["protein_counts"] = found.get("protein", {}).get("median_counts")
    for many in ("none", "one", "several"):
        row[f"guide_{many}"] = found.get("guide", {}).get(f"n_cells_with_{many}")
    if hashed := sample.quality.get("hashtags"):
        singlets = ", ".join(f"{name}: {count:,}" for name, count in hashed["n_cells"].items())
        row |= {"singlets": singlets, "doublets": hashed["n_doublets"]}
        row["negatives"] = hashed["n_negatives"]
    return row


def _dots(group: Group, profiles: pd.DataFrame) -> str:
    notes = " ".join(map(str, group.record("modalities").get("notes", [])))
    about = f"<p>{text(notes, length=600)}</p>" if notes else ""
    return about + marker_dots.picture(group, profiles.rename(columns={"protein": "gene"}))


def _markers(run: Run) -> Iterator[Section]:
    rows = {
        group.row(cluster): {
            "cell_type": group.cell_types.get(cluster),
            "high": gene_list(_named(markers, cluster, above=True)),
            "low": gene_list(_named(markers, cluster, above=False)),
        }
        for group, markers in run.tables("protein_markers").items()
        for cluster in group.cluster_names
    }
    yield from table_section("protein_markers", rows, most=_MOST_ROWS, largest_p=_LARGEST_P)


def _named(markers: pd.DataFrame, cluster: str, *, above: bool) -> list[str]:
    """Return the strongest proteins of a cluster, higher or lower there, each with its mean."""
    own = of_cluster(markers, cluster)
    wanted = (own["p_val_adj"] < _LARGEST_P) & ((own["avg_log2FC"] > 0) == above)
    kept = own[wanted].head(_MOST_OF_CLUSTER).to_dict("records")
    return [f"{row['protein']} ({row['mean_clr']:.1f})" for row in kept]


def _by_cluster(tables: dict[Group, pd.DataFrame], kind: str) -> Body:
    names = unique_texts([name for found in tables.values() for name in found[kind]])
    datasets = {
        group.label: {
            group.titled(cluster, length=24): {
                names[row[kind]]: int(row["n_cells"]) for row in some.to_dict("records")
            }
            for cluster in group.cluster_names
            if len(some := of_cluster(found, cluster))
        }
        for group, found in tables.items()
    }
    return content.bars(datasets, in_order(names.values()), label="Cells")
