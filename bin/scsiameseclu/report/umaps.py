"""UMAP in the report: one plot of a group, with a switch for what colours its cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from .content import Clouds, Section, pairs, points, section, thinned, unique_texts
from .inputs import CELL_METRICS, Group, Run, natural
from .palette import SEQUENTIAL, UNKNOWN, in_order

MAX_PLOTS = 4
"""With more groups than this there is a plot for each colouring, with a switch for the group."""
_CONFIDENCE = (0.3, 0.5, 0.7, 0.9)
_QUINTILES = (0.2, 0.4, 0.6, 0.8)
_LOOK = {
    "Cluster": "clusters that lie apart and hold together are easy; a cluster in several islands "
    "deserves a look. Each has a shade of its cell type's colour, if it has one.",
    "Cell type": "the same colour is the same type in all plots of this report and in all "
    "figures; grey is Unknown.",
    "Sample": "samples should mix within cell types; islands of one sample point to a batch "
    "effect, or to its biology.",
    "Condition": "where conditions do not mix, cells respond, or batches differ with them.",
    "Coarse cluster": "what the clusters become where the tree is cut nearer to its root.",
    "Fine cluster": "what they become where it is cut nearer to its leaves.",
    "Confidence": "doubt about a cell's cluster belongs at the borders between clusters.",
    "Counts per cell": "should vary within clusters rather than between them, or depth may have "
    "made them.",
    "Genes detected per cell": "a cluster of few genes may be debris, one of many may be doublets.",
    "Mitochondrial counts (%)": "an island of high share often is dying cells rather than a cell "
    "type.",
    "Doublet score": "doublets left over gather between the clusters of the types that they are "
    "made of.",
}
"""What colours the cells, in the order of the switch, and what to look for."""
_COLUMNS = {
    "cluster": "Cluster",
    "cell_type": "Cell type",
    "sample": "Sample",
    "condition": "Condition",
    "cluster_coarse": "Coarse cluster",
    "cluster_fine": "Fine cluster",
}


def sections(
    run: Run, further: Mapping[Group, Mapping[str, Clouds]] | None = None
) -> Iterator[Section]:
    """Return the UMAPs: one per group, or, of many groups, one per colouring.

    `further` are the clouds of more colourings, by group and name, which follow the others.

    Each colouring draws `run.max_points` cells, all groups together, or, where it shows a gradient
    and not single cells, a fifth of that.
    """
    cells = {group: _cells(group, run) for group in run.finished if len(group.umap)}
    if not cells:
        return
    drawn, told = thinned(cells, run.max_points)
    fewer, _ = thinned(cells, run.max_points // 5)
    edges = {
        metric: edges_of([of[metric] for of in cells.values() if metric in of])
        for metric in CELL_METRICS
    }
    clouds = {
        group: _named(run, group, drawn[group]) | _graded(fewer[group], edges) for group in cells
    }
    more = list(dict.fromkeys(name for of in (further or {}).values() for name in of))
    for group, found in (further or {}).items():
        clouds[group] |= found
    if len(cells) <= MAX_PLOTS:
        for number, (group, found) in enumerate(clouds.items(), start=1):
            views = {name: found[name] for name in [*_LOOK, *more] if name in found}
            title = "UMAP" + (f": {group.label}" if len(cells) > 1 else "")
            yield _section(number, title, views, told, look=views if number == 1 else ())
        return
    for name in [*_LOOK, *more]:
        datasets = {group.label: found[name] for group, found in clouds.items() if name in found}
        if datasets and name in more:
            yield _section(f"scores_{more.index(name)}", f"UMAP: {name}", datasets, told)
        elif datasets and not name.endswith(" cluster"):
            key = name.lower().removesuffix(" (%)")
            yield _section(key.replace(" ", "_"), f"UMAP by {key}", datasets, told, look=[name])


def _section(
    number: object,
    title: str,
    datasets: Mapping[str, Clouds],
    told: str,
    *,
    look: Iterable[str] = (),
) -> Section:
    looks = "".join(f"<strong>{name}</strong>: {_LOOK[name]} " for name in look if name in _LOOK)
    body = points(datasets, x_label="UMAP 1", y_label="UMAP 2")
    return section("umap", body, number=number, title=title, looks=looks, drawn=told)


def _cells(group: Group, run: Run) -> pd.DataFrame:
    """Return a group's cells with clusters, coordinates, condition and quality metrics."""
    cells = group.clusters.merge(group.umap, on="barcode", validate="one_to_one")
    members = [sample for sample in run.samples if sample.id in group.samples]
    conditions = {
        sample.id: sample.extra.get(str(run.parameters.get("condition"))) for sample in members
    }
    cells["condition"] = cells["sample"].map(conditions)
    ledgers = [sample.ledger.cells for sample in members if sample.ledger]
    return cells.join(pd.concat(ledgers), on="barcode") if ledgers else cells


def _named(run: Run, group: Group, cells: pd.DataFrame) -> dict[str, Clouds]:
    """Return the colourings by name, those with something to tell apart."""
    colors = {"cluster": run.cluster_colors[group.id], "cell_type": run.type_colors}
    colors["sample"] = in_order(sorted(group.samples, key=natural))
    views: dict[str, Clouds] = {}
    for column, title in _COLUMNS.items():
        shown = unique_texts(
            sorted(cells[column].dropna().unique(), key=natural) if column in cells else []
        )
        same = title.endswith(" cluster") and len(shown) == len(views["Cluster"])
        if len(shown) > (column in ("sample", "condition")) and not same:
            known = colors.get(column) or in_order(shown)
            views[title] = {
                ("Cluster " if "cluster" in column else "") + label: (
                    known.get(name, UNKNOWN),
                    pairs(cells[cells[column] == name], "umap_1", "umap_2"),
                )
                for name, label in shown.items()
            }
    return views


def _graded(cells: pd.DataFrame, edges: Mapping[str, Sequence[float] | None]) -> dict[str, Clouds]:
    """Return colourings by ranges of a number.

    Of confidence the low range is drawn last, on top.
    """
    confidence = ranges(cells, "confidence", _CONFIDENCE)
    views = {"Confidence": dict(reversed(confidence.items()))}
    for metric, found in edges.items():
        if metric in cells and found is not None:
            views[CELL_METRICS[metric]] = ranges(cells, metric, found)
    return {name: clouds for name, clouds in views.items() if clouds}


def ranges(cells: pd.DataFrame, column: str, edges: Sequence[float]) -> Clouds:
    """Return a cloud per range of `edges`, low (dark) to high (light), without empty ones."""
    known = cells[cells[column].notna()]
    place = np.digitize(known[column], edges)
    steps = np.linspace(len(SEQUENTIAL) - 1, 0, len(edges) + 1).round().astype(int)
    return {
        name: (SEQUENTIAL[steps[index]], pairs(known[place == index], "umap_1", "umap_2"))
        for index, name in enumerate(_range_names(edges))
        if (place == index).any()
    }


def _range_names(edges: Sequence[float]) -> list[str]:
    shown = [f"{edge:,g}" for edge in edges]
    if not shown:
        return ["All the same"]
    between = [f"{low} to {high}" for low, high in pairwise(shown)]
    return [f"Below {shown[0]}", *between, f"{shown[-1]} and more"]


def edges_of(values: list[pd.Series[float]]) -> list[float] | None:
    """Return the quintiles, two digits each, or None without a value.

    Each range has a good number of cells.
    """
    known = pd.concat(values).dropna() if values else pd.Series(dtype=float)
    if known.empty:
        return None
    rounded = {float(f"{edge:.2g}") for edge in known.quantile(list(_QUINTILES))}
    return sorted(edge for edge in rounded if edge > known.min())
