"""UMAP in the report: by cluster, cell type, sample, confidence and the metrics of quality control."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .chapters import CLUSTERING, SAMPLES
from .content import Chapter, Cloud, Section, points, thin, unique_texts
from .inputs import CELL_METRICS, Group, Run, natural
from .palette import SEQUENTIAL, UNKNOWN, in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_CONFIDENCE = (0.3, 0.5, 0.7, 0.9)
_QUINTILES = (0.2, 0.4, 0.6, 0.8)
_METRICS = {
    "total_counts": "Counts should vary within clusters rather than between them, or depth may have made the clusters.",
    "n_genes_by_counts": "A cluster of few genes may be debris, one of many may be doublets.",
    "pct_counts_mt": "An island of high mitochondrial share often is dying cells rather than a cell type.",
    "doublet_score": "Doublets left over gather between the clusters of the two types that they are made of.",
}
"""Metrics of quality control, and what to look for in them."""

_Clouds = dict[str, Cloud]


@dataclass(frozen=True)
class _View:
    """One way to color the cells; `clouds` gives the name, colour and points of each part of a group's cells."""

    id: str
    title: str
    look: str
    clouds: Callable[[Group, pd.DataFrame], _Clouds]
    sources: str = "<code>clusters.tsv</code>"
    fewest_clouds: int = 1
    chapter: Chapter = CLUSTERING


def sections(run: Run, *, max_points: int) -> Iterator[Section]:
    """Return a section per view of the UMAP; `max_points` cells are drawn in each, all groups together.

    Confidence and metrics of quality control are drawn with a fifth of that: they show gradients, not single cells.
    """
    cells = {group: table for group in run.finished if (table := _cells(group, run)) is not None}
    if not cells:
        return
    for views, most in ((_views(run), max_points), (_graded_views(cells), max_points // 5)):
        drawn, note = _thinned(cells, most)
        for view in views:
            section = _section(view, drawn, note)
            if section:
                yield section


def _thinned(cells: Mapping[Group, pd.DataFrame], most: int) -> tuple[dict[Group, pd.DataFrame], str]:
    """Return at most `most` cells, the same share of each group, and how to say so."""
    total = sum(map(len, cells.values()))
    share = min(1.0, most / total)
    drawn = {group: table.iloc[thin(len(table), share)] for group, table in cells.items()}
    if share == 1:
        return drawn, f"All {total:,} cells are drawn."
    return drawn, f"{sum(map(len, drawn.values())):,} of {total:,} cells are drawn, evenly spaced."


def _views(run: Run) -> list[_View]:
    return [
        _View(
            "cluster",
            "UMAP by cluster",
            "Clusters that lie apart and hold together are easy; a cluster in several islands deserves a look. Each "
            "has a shade of its cell type's colour, if it has one; their numbers start anew in each group.",
            lambda group, cells: _named(cells, "cluster", run.cluster_colors[group.id], prefix="Cluster "),
        ),
        _View(
            "cell_type",
            "UMAP by cell type",
            "The same colour is the same cell type in all plots of this report and in all figures; grey is Unknown.",
            lambda _group, cells: _named(cells, "cell_type", run.type_colors),
        ),
        _View(
            "sample",
            "UMAP by sample",
            "Samples should mix within cell types; islands of one sample point to a batch effect, or to its biology.",
            lambda group, cells: _named(cells, "sample", in_order(sorted(group.samples, key=natural))),
            fewest_clouds=2,
            chapter=SAMPLES,
        ),
    ]


def _graded_views(cells: Mapping[Group, pd.DataFrame]) -> Iterator[_View]:
    yield _View(
        "confidence",
        "UMAP by confidence",
        "How sure scSiameseClu is of each cell's cluster; doubt belongs at the borders between clusters.",
        lambda _group, cells: dict(reversed(_graded(cells, "confidence", _CONFIDENCE).items())),
    )
    for metric, look in _METRICS.items():
        values = pd.concat([table[metric] for table in cells.values() if metric in table] or [pd.Series(dtype=float)])
        if values.notna().any():
            edges = _edges(values)
            yield _View(
                metric,
                f"UMAP by {CELL_METRICS[metric][0].lower()}{CELL_METRICS[metric][1:]}",
                f"{look} Each colour is about a fifth of the cells.",
                lambda _group, cells, metric=metric, edges=edges: _graded(cells, metric, edges),  # type: ignore[misc]
                sources="<code>samples/&#42;/&#42;.cell_ledger.tsv.gz</code>",
            )


def _section(view: _View, drawn: Mapping[Group, pd.DataFrame], thinned: str) -> Section | None:
    datasets = {group.label: view.clouds(group, cells) for group, cells in drawn.items()}
    datasets = {name: clouds for name, clouds in datasets.items() if len(clouds) >= view.fewest_clouds}
    if not datasets:
        return None
    return Section(
        f"umap_{view.id}",
        view.title,
        f"{view.look} Distances between islands mean little. {thinned} From <code>groups/&#42;/&#42;.h5ad</code> "
        f"(<code>obsm['X_umap']</code>) and {view.sources}.",
        view.chapter,
        points(
            datasets,
            id=f"umap_{view.id}",
            title=view.title,
            x_label="UMAP 1",
            y_label="UMAP 2",
        ),
    )


def _cells(group: Group, run: Run) -> pd.DataFrame | None:
    """Return the cells of a group with their clusters, coordinates and metrics of quality control."""
    if group.umap is None or group.clusters is None:
        return None
    cells = group.clusters.merge(group.umap, on="barcode", how="inner", validate="one_to_one")
    ledgers = [sample.ledger.cells for sample in run.samples if sample.ledger and sample.id in group.samples]
    return cells.join(pd.concat(ledgers), on="barcode") if ledgers else cells


def _named(cells: pd.DataFrame, by: str, colors: Mapping[str, str], *, prefix: str = "") -> _Clouds:
    """Return a cloud per value of the column `by`."""
    names = sorted(cells[by].dropna().unique(), key=natural)
    shown = unique_texts(names)
    return {prefix + shown[name]: (colors.get(name, UNKNOWN), _places(cells[cells[by] == name])) for name in names}


def _graded(cells: pd.DataFrame, by: str, edges: Sequence[float]) -> _Clouds:
    """Return a cloud per range between `edges`, from low (dark) to high (light); empty ones are left out."""
    if by not in cells:
        return {}
    ranges = np.digitize(cells[by], edges)
    steps = np.linspace(len(SEQUENTIAL) - 1, 0, len(edges) + 1).round().astype(int)
    clouds: _Clouds = {}
    for index, name in enumerate(_range_names(edges)):
        chosen = (ranges == index) & cells[by].notna()
        if chosen.any():
            clouds[name] = (SEQUENTIAL[steps[index]], _places(cells[chosen]))
    return clouds


def _range_names(edges: Sequence[float]) -> list[str]:
    shown = [f"{edge:,g}" for edge in edges]
    if not shown:
        return ["All the same"]
    between = [f"{low} to {high}" for low, high in pairwise(shown)]
    return [f"Below {shown[0]}", *between, f"{shown[-1]} and more"]


def _edges(values: pd.Series[Any]) -> list[float]:
    """Return the quintiles, two digits each, so that each range has a good number of cells."""
    rounded = {float(f"{edge:.2g}") for edge in values.quantile(list(_QUINTILES))}
    return sorted(edge for edge in rounded if edge > values.min())


def _places(cells: pd.DataFrame) -> list[tuple[float, float]]:
    return list(zip(cells["umap_1"].round(2).tolist(), cells["umap_2"].round(2).tolist(), strict=True))
