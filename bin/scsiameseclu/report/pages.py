"""A group on two pages, for people who print: what was found, and the table of its clusters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import anndata as ad
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from .._version import __version__
from .drawing import UNDATED, draw_umap, names_of, short
from .palette import UNKNOWN

A4 = (8.27, 11.69)
"""Inches."""
MOST_CLUSTERS, MOST_SAMPLES = 30, 20
"""Clusters in the table and samples in the bars; the report has all."""
N_MARKERS = 5
LEGEND_ROWS = 40
_WIDTHS = {
    "Cluster": 0.08,
    "Cell type": 0.24,
    "Cells": 0.08,
    "Share": 0.08,
    "Stability": 0.09,
    "Confidence": 0.1,
    "Strongest markers": 0.33,
}
"""Columns of the table, and their shares of the page."""


@dataclass(frozen=True)
class Pages:
    """What the pages, and the figures, show of a group.

    `name` is its id, `cells` its assembled AnnData (obs cluster, cluster_confidence, cell_type and
    sample, obsm X_umap), `summary` its ``clustering.json`` or empty, `types` the cell type of each
    cluster. Markers are strongest first, colours those of the report.
    """

    name: str
    cells: ad.AnnData
    markers: pd.DataFrame
    summary: Mapping[str, Any]
    types: Mapping[str, str]
    cluster_colors: Mapping[str, str]
    type_colors: Mapping[str, str]

    @cached_property
    def clusters(self) -> pd.Series[int]:
        """Cells by cluster, in natural order of the clusters."""
        sizes = self.cells.obs["cluster"].astype(str).value_counts()
        return pd.Series({name: sizes[name] for name in names_of(self.cells, "cluster")})

    @cached_property
    def samples(self) -> list[str]:
        """Samples in natural order."""
        return names_of(self.cells, "sample")

    def write(self, path: Path) -> None:
        """Write the two pages as PDF, the same bytes each time."""
        with PdfPages(path, metadata=UNDATED["pdf"]) as file:
            for page in (_picture(self), _tables(self)):
                file.savefig(page)


def _page(found: Pages, title: str) -> Figure:
    page = Figure(figsize=A4)
    page.text(0.08, 0.955, f"{short(found.name, 60)}: {title}", fontsize=14, fontweight="bold")
    page.text(0.08, 0.03, f"scSiameseClu {__version__}", fontsize=7, color="#666666")
    return page


def _picture(found: Pages) -> Figure:
    page = _page(found, "clusters and cell types")
    page.text(0.08, 0.93, _in_numbers(found), fontsize=9)
    for bottom, column, colors, on_data in (
        (0.5, "cluster", found.cluster_colors, True),
        (0.06, "cell_type", found.type_colors, False),
    ):
        axes = page.add_axes((0.08, bottom, 0.58, 0.41))
        draw_umap(axes, found.cells, column, colors, on_data=on_data, legend_rows=LEGEND_ROWS)
    return page


def _in_numbers(found: Pages) -> str:
    counted = {
        "cell": found.cells.n_obs,
        "gene": found.cells.n_vars,
        "sample": len(found.samples),
        "cluster": len(found.clusters),
        "cell type": len(set(found.types.values()) - {"Unknown"}),
    }
    return ", ".join(f"{n:,} {name}{'' if n == 1 else 's'}" for name, n in counted.items())


def _tables(found: Pages) -> Figure:
    page = _page(found, "table of the clusters")
    rows, n_samples = rows_of(found), len(found.samples)
    bottom = 0.93 - 0.018 * (1 + len(rows))
    table = page.add_axes((0.08, bottom, 0.86, 0.93 - bottom))
    _draw_table(table, rows, found.cluster_colors)
    if left_out := len(found.clusters) - len(rows):
        text = f"{left_out} more clusters are in the report."
        page.text(0.08, bottom - 0.015, text, fontsize=8)
    if n_samples > 1:
        tall = min(0.03 + 0.02 * min(n_samples, MOST_SAMPLES), bottom - 0.17)
        _draw_composition(page.add_axes((0.22, bottom - 0.07 - tall, 0.72, tall)), found)
    return page


def rows_of(found: Pages) -> list[tuple[str, ...]]:
    """Return the table of the largest clusters, as text, in the columns of `_WIDTHS`."""
    largest = found.clusters.sort_values(ascending=False, kind="stable").head(MOST_CLUSTERS)
    stability = found.summary.get("cluster_stability") or {}
    genes = found.markers.groupby("cluster")["gene"].agg(lambda some: ", ".join(some[:N_MARKERS]))
    obs = found.cells.obs
    confidence = obs["cluster_confidence"].groupby(obs["cluster"].astype(str)).mean()
    return [
        (
            short(name, 10),
            short(found.types.get(name, ""), 30),
            f"{size:,}",
            f"{size / found.cells.n_obs:.1%}",
            f"{stability[name]:.2f}" if stability.get(name) is not None else "",
            f"{confidence[name]:.2f}",
            short(genes.get(name, ""), 44),
        )
        for name, size in zip(map(str, largest.index), largest, strict=True)
    ]


def _draw_table(axes: Axes, rows: list[tuple[str, ...]], colors: Mapping[str, str]) -> None:
    """Draw the table; the names of the clusters have their colours."""
    axes.axis("off")
    table = axes.table(
        cellText=rows,
        colLabels=list(_WIDTHS),
        colWidths=list(_WIDTHS.values()),
        cellLoc="left",
        bbox=Bbox.unit(),
    )
    table.auto_set_font_size(False)
    table.set_fontsize(7)
    for (row, column), cell in table.get_celld().items():
        cell.set_linewidth(0.3)
        cell.set_edgecolor("#bbbbbb")
        if row == 0:
            cell.get_text().set_fontweight("bold")
        elif column == 0:
            cell.set_facecolor((colors.get(rows[row - 1][0], UNKNOWN), 0.5))


def _draw_composition(axes: Axes, found: Pages) -> None:
    obs = found.cells.obs
    shares = pd.crosstab(obs["sample"].astype(str), obs["cluster"].astype(str), normalize="index")
    shown = shares.loc[found.samples[:MOST_SAMPLES]]
    left = pd.Series(0.0, index=shown.index)
    for name in found.clusters.index:
        color = found.cluster_colors.get(name, UNKNOWN)
        axes.barh(range(len(shown)), shown[name], left=left, color=color)
        left += shown[name]
    axes.set_yticks(range(len(shown)), [short(name, 20) for name in shown.index])
    axes.set(ylim=(len(shown) - 0.4, -0.6), xlim=(0, 1), xlabel="Share of the sample's cells")
    more = len(found.samples) - len(shown)
    note = f" ({more} more samples are in the report)" if more else ""
    axes.set_title(f"Clusters of each sample{note}")
