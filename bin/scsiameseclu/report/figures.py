"""The step that draws a group's static figures: for papers and slides, with the same colours as the report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.sparse import issparse

from ..files import read_table
from .clustering import TERMS
from .inputs import natural
from .palette import cell_type_colors, cluster_color

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "text.parse_math": False,
    "savefig.dpi": 200,
}
MARKERS_PER_CLUSTER = 3
_LEGEND_ROWS = 20


def draw_figures(*, prefix: str, adata: Path, history: Path, markers: Path) -> None:
    """Draw the group's figures into ``figures/`` as PNG, the same bytes each time.

    Writes ``umap_cluster``, ``umap_cell_type``, ``umap_sample``, ``umap_confidence``, ``cluster_sizes`` and, where
    there is something to show, ``marker_dotplot`` and ``training``.

    Parameters
    ----------
    prefix
        Id of the group.
    adata
        The group's assembled AnnData: log-normalized X, obs cluster, cluster_confidence, cell_type and sample,
        obsm X_umap.
    history
        Its training history.
    markers
        Its markers.
    """
    group = ad.read_h5ad(adata)
    directory = Path("figures")
    directory.mkdir(exist_ok=True)
    with mpl.rc_context(STYLE):
        figures = {
            "umap_cluster": umap_figure(group, "cluster", cluster_colors(group), on_data=True),
            "umap_cell_type": umap_figure(group, "cell_type", cell_type_colors(_names(group, "cell_type"))),
            "umap_sample": umap_figure(group, "sample", _in_order(_names(group, "sample"))),
            "umap_confidence": confidence_figure(group),
            "cluster_sizes": sizes_figure(group),
            "marker_dotplot": dotplot_figure(group, read_table(markers, dtype={"cluster": str, "gene": str})),
            "training": training_figure(read_table(history)),
        }
        for name, figure in figures.items():
            if figure is not None:
                figure.suptitle(short(prefix, 60), fontsize=10)
                figure.savefig(directory / f"{name}.png", metadata={"Software": None})


def umap_figure(group: ad.AnnData, column: str, colors: dict[str, str], *, on_data: bool = False) -> Figure:
    """Return the UMAP coloured by a categorical column of obs; `on_data` also writes the names onto the cells."""
    names = _names(group, column)
    figure, axes = _square(legend=len(names))
    places, values = np.asarray(group.obsm["X_umap"]), group.obs[column].astype(str).to_numpy()
    order = np.random.default_rng(0).permutation(len(values))
    known = np.array([colors.get(name, "#b3b3b3") for name in values])
    axes.scatter(places[order, 0], places[order, 1], s=_dot(len(values)), c=known[order], linewidths=0, rasterized=True)
    for name in names if on_data else ():
        _label(axes, np.median(places[values == name], axis=0), name)
    _legend(axes, [(short(name), colors.get(name, "#b3b3b3")) for name in names], title=_heading(column))
    _bare(axes)
    return figure


def confidence_figure(group: ad.AnnData) -> Figure:
    """Return the UMAP coloured by the confidence in each cell's cluster."""
    figure, axes = _square(legend=1)
    places, values = np.asarray(group.obsm["X_umap"]), group.obs["cluster_confidence"].to_numpy(float)
    order = np.argsort(-values, kind="stable")
    dots = axes.scatter(
        places[order, 0], places[order, 1], s=_dot(len(values)), c=values[order], cmap="viridis", vmin=0, vmax=1,
        linewidths=0, rasterized=True,
    )  # fmt: skip
    figure.colorbar(dots, ax=axes, shrink=0.6, label="Confidence")
    _bare(axes)
    return figure


def sizes_figure(group: ad.AnnData) -> Figure:
    """Return bars of the clusters' sizes, named by cluster and cell type."""
    names = _names(group, "cluster")
    counts = group.obs["cluster"].astype(str).value_counts()
    types = group.obs.groupby("cluster", observed=True)["cell_type"].first() if "cell_type" in group.obs else {}
    figure = Figure(figsize=(5, 1.0 + 0.2 * len(names)), layout="constrained")
    axes = figure.subplots()
    colors = cluster_colors(group)
    bars = axes.barh(range(len(names)), [counts[name] for name in names], color=[colors[name] for name in names])
    axes.bar_label(bars, fmt="{:,.0f}", padding=2, fontsize=7)
    axes.set_yticks(range(len(names)), [f"{name}  {short(types[name])}" if name in types else name for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.margins(x=0.12)
    axes.set_xlabel("Cells")
    return figure


def dotplot_figure(group: ad.AnnData, markers: pd.DataFrame) -> Figure | None:
    """Return a dot plot of each cluster's strongest markers: size is the share of cells, colour the mean expression.

    None if there are no markers.
    """
    genes = top_markers(markers, set(group.var_names))
    if not genes:
        return None
    names = _names(group, "cluster")
    shares, means = _expression(group, genes, names)
    figure = Figure(figsize=(2.0 + 0.2 * len(genes), 2.2 + 0.2 * len(names)), layout="constrained")
    axes = figure.subplots()
    scaled = means / np.maximum(means.max(axis=0), 1e-9)
    x, y = np.meshgrid(range(len(genes)), range(len(names)))
    dots = axes.scatter(
        x.ravel(), y.ravel(), s=60 * shares.ravel(), c=scaled.ravel(), cmap="viridis_r", vmin=0, vmax=1, linewidths=0
    )
    axes.set_xticks(range(len(genes)), [short(gene, 18) for gene in genes], rotation=90)
    axes.set_yticks(range(len(names)), [short(name) for name in names])
    axes.set_xlim(-0.7, len(genes) - 0.3)
    axes.set_ylim(len(names) - 0.3, -0.7)
    axes.set_ylabel("Cluster")
    figure.colorbar(
        dots, ax=axes, label="Mean expression,\nrelative to the highest", fraction=0.05, pad=0.02, aspect=12
    )
    handles = [axes.scatter([], [], s=60 * share, c="#666666", label=f"{share:.0%}") for share in (0.25, 0.5, 1.0)]
    axes.legend(handles=handles, title="Cells", loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    return figure


def training_figure(history: pd.DataFrame) -> Figure | None:
    """Return the training curves, one panel per loss; None if nothing was trained."""
    terms = [term for term in TERMS if term in history and history[term].notna().sum() > 1]
    if not terms:
        return None
    columns = min(4, len(terms))
    rows = -(-len(terms) // columns)
    figure = Figure(figsize=(2.2 * columns, 1.7 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    steps = history["step"] if "step" in history else pd.Series(range(1, len(history) + 1))
    for axes, term in zip(panels, terms, strict=False):
        axes.plot(steps, history[term], color=cluster_color(0), linewidth=1)
        axes.set_title(TERMS[term])
        axes.set_xlabel("Step")
    for axes in panels[len(terms) :]:
        axes.remove()
    return figure


def top_markers(markers: pd.DataFrame, known: set[str]) -> list[str]:
    """Return the strongest markers of each cluster in turn, each gene once, those of the data only."""
    usable = markers[markers["gene"].isin(known)]
    heads = usable.groupby("cluster", sort=False).head(MARKERS_PER_CLUSTER)
    return list(dict.fromkeys(heads["gene"]))


def cluster_colors(group: ad.AnnData) -> dict[str, str]:
    """Return a colour per cluster, that of the report."""
    return {
        name: cluster_color(int(name) if name.isdecimal() else index)
        for index, name in enumerate(_names(group, "cluster"))
    }


def short(name: object, length: int = 28) -> str:
    """Return a name on one line, shortened to `length` characters, without what the font cannot draw."""
    line = " ".join("".join(character if character.isprintable() else " " for character in str(name)).split())
    drawn = "".join(character if ord(character) < 0x2190 else "□" for character in line)
    return drawn if len(drawn) <= length else f"{drawn[: length - 1]}…"


def _expression(
    group: ad.AnnData, genes: Sequence[str], names: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of cells with each gene, and its mean, per cluster; both clusters x genes."""
    x = group[:, list(genes)].X
    values = np.asarray(x.toarray() if issparse(x) else x, dtype=float)  # type: ignore[union-attr]
    members = [group.obs["cluster"].astype(str).to_numpy() == name for name in names]
    return (
        np.array([(values[member] > 0).mean(axis=0) for member in members]),
        np.array([values[member].mean(axis=0) for member in members]),
    )


def _names(group: ad.AnnData, column: str) -> list[str]:
    return sorted(group.obs[column].dropna().astype(str).unique(), key=natural)


def _in_order(names: Iterable[str]) -> dict[str, str]:
    return {name: cluster_color(index) for index, name in enumerate(names)}


def _square(*, legend: int) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.2 + 1.4 * -(-legend // _LEGEND_ROWS), 4.2), layout="constrained")
    return figure, figure.subplots()


def _legend(axes: Axes, entries: Sequence[tuple[str, str]], *, title: str) -> None:
    handles = [axes.scatter([], [], s=18, c=color, linewidths=0, label=name) for name, color in entries]
    # A leading underscore would hide an entry when the label is taken from the handle.
    axes.legend(
        handles, [name for name, _ in entries], title=title, loc="upper left", bbox_to_anchor=(1, 1),
        ncols=-(-len(entries) // _LEGEND_ROWS), alignment="left",
    )  # fmt: skip


def _label(axes: Axes, place: NDArray[np.float64], name: str) -> None:
    axes.text(
        place[0], place[1], short(name, 12), ha="center", va="center", fontsize=7, fontweight="bold",
        bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.75, "linewidth": 0},
    )  # fmt: skip


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel("UMAP 1", loc="left")
    axes.set_ylabel("UMAP 2", loc="bottom")
    axes.set_aspect("equal", adjustable="datalim")


def _heading(column: str) -> str:
    return column.replace("_", " ").capitalize()


def _dot(count: int) -> float:
    return float(np.clip(60_000 / max(count, 1), 1, 16))
