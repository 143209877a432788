"""What figures and pages of a group are drawn with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anndata as ad
import numpy as np
from matplotlib.axes import Axes

from .inputs import natural
from .palette import UNKNOWN

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "text.parse_math": False,
    "savefig.dpi": 300,
    # Text stays text, to be edited; identifiers hang on the content, not on chance.
    "svg.fonttype": "none",
    "svg.hashsalt": "scsiameseclu",
}
UNDATED: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""What is kept out of a file, so that the same figure is the same bytes."""
LEGEND_ROWS = 20
"""Entries of a legend in a column."""
_ON_DATA: dict[str, Any] = {
    "ha": "center",
    "va": "center",
    "fontsize": 7,
    "fontweight": "bold",
    "bbox": {"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.75, "linewidth": 0},
}
"""How names on the cells are written."""


def draw_umap(
    axes: Axes,
    group: ad.AnnData,
    column: str,
    colors: Mapping[str, str],
    *,
    on_data: bool = False,
    legend_rows: int = LEGEND_ROWS,
) -> None:
    """Draw the UMAP coloured by a categorical column; `on_data` writes names on the cells."""
    names = names_of(group, column)
    places, values = np.asarray(group.obsm["X_umap"]), group.obs[column].astype(str).to_numpy()
    order = np.random.default_rng(0).permutation(len(values))
    known = np.array([colors.get(name, UNKNOWN) for name in values])
    x, y = places[order].T
    axes.scatter(x, y, s=dot_size(len(values)), c=known[order], linewidths=0, rasterized=True)
    for name in names if on_data else ():
        x, y = np.median(places[values == name], axis=0)
        axes.text(x, y, short(name, 12), **_ON_DATA)
    entries = [(short(name), colors.get(name, UNKNOWN)) for name in names]
    title = column.replace("_", " ").capitalize()
    _legend(axes, entries, title=title, rows=legend_rows)
    without_ticks(axes)


def short(name: object, length: int = 28) -> str:
    """Return a name on one line, cut to `length`, without what the font cannot draw."""
    line = " ".join(
        "".join(letter if letter.isprintable() else " " for letter in str(name)).split()
    )
    drawn = "".join(letter if ord(letter) < 0x2190 else "□" for letter in line)
    return drawn if len(drawn) <= length else f"{drawn[: length - 1]}…"


def names_of(group: ad.AnnData, column: str) -> list[str]:
    """Return the values of a column of obs in natural order."""
    return sorted(group.obs[column].dropna().astype(str).unique(), key=natural)


def _legend(axes: Axes, entries: Sequence[tuple[str, str]], *, title: str, rows: int) -> None:
    handles = [
        axes.scatter([], [], s=18, c=color, linewidths=0, label=name) for name, color in entries
    ]
    # A leading underscore would hide an entry when the label is taken from the handle.
    axes.legend(
        handles, [name for name, _ in entries], title=title, loc="upper left",
        bbox_to_anchor=(1, 1), ncols=-(-len(entries) // rows), alignment="left",
    )  # fmt: skip


def without_ticks(axes: Axes) -> None:
    """Name the axes of a UMAP, whose numbers mean nothing."""
    axes.set(xticks=[], yticks=[])
    axes.set_xlabel("UMAP 1", loc="left")
    axes.set_ylabel("UMAP 2", loc="bottom")
    axes.set_aspect("equal", adjustable="datalim")


def dot_size(count: int) -> float:
    """Return the area of a cell's dot, by the number of cells."""
    return float(np.clip(60_000 / max(count, 1), 1, 16))
