"""The step that draws a group's static figures, with the same colours as the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anndata as ad
import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import sparse

from ..annotation.clustered import SUBCLUSTER
from ..blocks import opened, row_blocks
from ..contracts import DISSOCIATION, PHASE, PHASE_SCORES
from ..files import read_json, read_table, write_table
from ..steps import Step
from .cluster_tree import LEVELS, Drawing, read_tree
from .clustering import loss_curves
from .drawing import (
    LEGEND_ROWS,
    STYLE,
    UNDATED,
    dot_size,
    draw_umap,
    names_of,
    short,
    without_ticks,
)
from .inputs import CELL_METRICS, natural, positive
from .pages import Pages
from .palette import PHASES, UNKNOWN, cell_type_colors, cluster_color, cluster_colors, in_order

_MOST_SETS = 12
MARKERS_PER_CLUSTER = 3
_STATISTICS = {"means": "mean", "dispersions_norm": "dispersion"}


def draw_figures(
    *,
    prefix: str,
    adata: Path,
    markers: Path,
    history: Path,
    summary: Path | None = None,
    annotations: list[Path] | None = None,
) -> None:
    """Write what the report shows of a group's genes, and draw its figures.

    PNG and SVG, and ``summary.pdf`` with two pages, the same bytes each time.

    Writes ``<prefix>.genes.tsv`` and ``<prefix>.profiles.tsv``, and the figures, where there is
    something to show, into ``figures/``. Points of SVG are pictures inside, which keeps the files
    small.

    Parameters
    ----------
    prefix
        Id of the group.
    adata
        The group's assembled AnnData: log-normalized X, obs cluster, cluster_confidence, cell_type
        and sample, obsm X_umap, var highly_variable, means, dispersions_norm.
    markers
        Its markers.
    history
        Its training history.
    summary
        ``<group>.clustering.json``. Default: no tree of clusters is drawn.
    annotations
        ``<group>.annotation.tsv`` of all groups of the run, so that a cell type has one colour in
        all of them. Default: only the cell types of `adata` count.
    """
    found = positive(read_table(markers, dtype={"cluster": str, "gene": str}))
    with opened(adata) as group:
        genes = top_markers(found, set(group.var_names))
        write_table(variable_genes(group), f"{prefix}.genes.tsv")
        write_table(marker_profiles(group, genes), f"{prefix}.profiles.tsv")
    types = _types(prefix, group, annotations or [])
    pages = Pages(
        name=prefix,
        cells=group,
        markers=found,
        summary=read_json(summary) if summary else {},
        types=types[prefix],
        cluster_colors=cluster_colors(types)[prefix],
        type_colors=cell_type_colors(name for some in types.values() for name in some.values()),
    )
    Path("figures").mkdir(exist_ok=True)
    with mpl.rc_context(STYLE):
        for name, figure in _figures(pages, history).items():
            if figure is not None:
                figure.suptitle(short(prefix, 60), fontsize=10)
                for form in ("png", "svg"):
                    figure.savefig(f"figures/{name}.{form}", metadata=UNDATED[form])
        pages.write(Path("figures/summary.pdf"))


def _figures(found: Pages, history: Path) -> dict[str, Figure | None]:
    group, prefix, colors = found.cells, found.name, found.cluster_colors
    obs = group.obs
    parts = in_order(names_of(group, SUBCLUSTER)) if SUBCLUSTER in obs else {}
    # Else it is a column of the samplesheet.
    phases = PHASES if {PHASE, *PHASE_SCORES} <= set(obs) else {}
    sets = [name for name in obs if name.startswith("score_") and obs[name].dtype == np.float32]
    graded = {
        **CELL_METRICS,
        DISSOCIATION: "Dissociation stress (%)",
        **{name: name for name in sets[:_MOST_SETS]},
    }
    return {
        "umap_cluster": umap_figure(group, "cluster", colors, on_data=True),
        "umap_cell_type": umap_figure(group, "cell_type", found.type_colors),
        "umap_sample": umap_figure(group, "sample", in_order(found.samples)),
        "umap_confidence": _graded_figure(
            group, "cluster_confidence", "Confidence", limits=(0, 1), sign=-1
        ),
        "umap_cluster_sub": umap_figure(group, SUBCLUSTER, parts, on_data=True) if parts else None,
        "umap_phase": umap_figure(group, PHASE, phases) if phases else None,
        **{f"umap_{name}": _graded_figure(group, name, label) for name, label in graded.items()},
        "cluster_sizes": _sizes_figure(found),
        "variable_genes": _genes_figure(read_table(f"{prefix}.genes.tsv", dtype={"gene": str})),
        "marker_dotplot": _dotplot_figure(
            read_table(f"{prefix}.profiles.tsv", dtype={"cluster": str, "gene": str})
        ),
        "training": _training_figure(read_table(history)),
        "cluster_tree": _tree_figure(found.summary, found.types, colors),
    }


def variable_genes(group: ad.AnnData) -> pd.DataFrame:
    """Return gene, mean, (normalized) dispersion and highly_variable, where there is dispersion."""
    if not {*_STATISTICS, "highly_variable"} <= set(group.var.columns):
        return pd.DataFrame(columns=["gene", *_STATISTICS.values(), "highly_variable"])
    table: pd.DataFrame = group.var[[*_STATISTICS, "highly_variable"]].rename(columns=_STATISTICS)
    table = table[np.isfinite(table["dispersion"])].rename_axis("gene")
    return table.reset_index()


def marker_profiles(group: ad.AnnData, genes: Sequence[str]) -> pd.DataFrame:
    """Return the share of cells with each gene, and its mean expression, in each cluster.

    Parameters
    ----------
    group
        Log-normalized X (cells x genes, in memory or on disk), obs cluster.
    genes
        Names of genes of `group`.

    Returns
    -------
    Columns cluster, gene, share (0 to 1) and mean (over all cells of the cluster); clusters in
    natural order, genes in the order given.
    """
    clusters = pd.Categorical(group.obs["cluster"].astype(str))
    names = sorted(clusters.categories, key=natural)
    places = group.var_names.get_indexer(genes)
    members = sparse.csr_matrix(pd.get_dummies(clusters, dtype=float)[names].to_numpy().T)
    members = sparse.csr_matrix(sparse.diags(1 / members.sum(axis=1).A1) @ members)
    share, mean = np.zeros((2, len(names), len(genes)))
    for cells, rows in row_blocks(group.X):
        values = rows[:, places].astype(float)
        share += (members[:, cells] @ (values > 0)).toarray()
        mean += (members[:, cells] @ values).toarray()
    return pd.DataFrame(
        {
            "cluster": np.repeat(names, len(genes)),
            "gene": np.tile(np.asarray(genes, dtype=object), len(names)),
            "share": share.ravel(),
            "mean": mean.ravel(),
        }
    )


def top_markers(markers: pd.DataFrame, known: set[str]) -> list[str]:
    """Return each cluster's strongest markers in turn, each gene once, if in the data."""
    usable = markers[markers["gene"].isin(known)]
    heads = usable.groupby("cluster", sort=False).head(MARKERS_PER_CLUSTER)
    return list(dict.fromkeys(heads["gene"]))


def umap_figure(
    group: ad.AnnData, column: str, colors: Mapping[str, str], *, on_data: bool = False
) -> Figure:
    """Return a figure of :func:`.drawing.draw_umap`."""
    figure, axes = _square(legend=len(names_of(group, column)))
    draw_umap(axes, group, column, colors, on_data=on_data)
    return figure


def _graded_figure(
    group: ad.AnnData,
    column: str,
    label: str,
    *,
    limits: tuple[float, float] | None = None,
    sign: int = 1,
) -> Figure | None:
    """Return the UMAP coloured by a number of obs, high values on top, or low ones if `sign` is -1.

    The colours end at `limits`, by default the 1st and 99th percentile. None where no cell has a
    value.
    """
    known = group.obs[column].dropna() if column in group.obs else pd.Series(dtype=float)
    if known.empty:
        return None
    values = known.iloc[np.argsort(sign * known.to_numpy(float), kind="stable")].astype(float)
    places = np.asarray(group.obsm["X_umap"])[group.obs_names.get_indexer(values.index)]
    low, high = limits or values.quantile([0.01, 0.99])
    figure, axes = _square(legend=1)
    dots = axes.scatter(
        places[:, 0], places[:, 1], s=dot_size(len(values)), c=values, cmap="viridis",
        vmin=low, vmax=max(high, low + 1e-9), linewidths=0, rasterized=True,
    )  # fmt: skip
    figure.colorbar(dots, ax=axes, shrink=0.6, label=label)
    without_ticks(axes)
    return figure


def _genes_figure(genes: pd.DataFrame) -> Figure | None:
    """Return the normalized dispersion of the genes over their mean; None if there are none."""
    if genes.empty:
        return None
    figure, axes = _square(legend=1)
    for chosen, some in genes.groupby("highly_variable"):
        name, color = ("Highly variable", cluster_color(0)) if chosen else ("Other genes", UNKNOWN)
        axes.scatter(
            some["mean"], some["dispersion"], s=4, c=color, linewidths=0, rasterized=True,
            label=f"{name} ({len(some):,})",
        )  # fmt: skip
    axes.set(xlabel="Mean expression", ylabel="Normalized dispersion")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), markerscale=2)
    return figure


def _sizes_figure(found: Pages) -> Figure:
    names = list(found.clusters.index)
    figure = Figure(figsize=(5, 1.0 + 0.2 * len(names)), layout="constrained")
    axes = figure.subplots()
    colors = [found.cluster_colors[name] for name in names]
    bars = axes.barh(range(len(names)), found.clusters, color=colors)
    axes.bar_label(bars, fmt="{:,.0f}", padding=2, fontsize=7)
    axes.set_yticks(range(len(names)), [f"{name}  {short(found.types[name])}" for name in names])
    axes.margins(x=0.12)
    axes.set(ylim=(len(names) - 0.4, -0.6), xlabel="Cells")
    return figure


def _dotplot_figure(profiles: pd.DataFrame) -> Figure | None:
    """Return a dot plot of each cluster's strongest markers; None if there are none.

    Size is the share of cells, colour the mean expression.
    """
    if profiles.empty:
        return None
    names, genes = list(dict.fromkeys(profiles["cluster"])), list(dict.fromkeys(profiles["gene"]))
    figure = Figure(figsize=(3.0 + 0.2 * len(genes), 2.2 + 0.2 * len(names)), layout="constrained")
    axes = figure.subplots()
    highest = profiles.groupby("gene")["mean"].transform("max").clip(lower=1e-9)
    dots = axes.scatter(
        profiles["gene"].map(genes.index), profiles["cluster"].map(names.index),
        s=60 * profiles["share"], c=profiles["mean"] / highest, cmap="viridis_r", vmin=0, vmax=1,
        linewidths=0,
    )  # fmt: skip
    axes.set_xticks(range(len(genes)), [short(gene, 18) for gene in genes], rotation=90)
    axes.set_yticks(range(len(names)), [short(name) for name in names])
    axes.set(xlim=(-0.7, len(genes) - 0.3), ylim=(len(names) - 0.3, -0.7), ylabel="Cluster")
    label = "Mean expression,\nrelative to the highest"
    figure.colorbar(dots, ax=axes, label=label, fraction=0.05, pad=0.02, aspect=12)
    handles = [
        axes.scatter([], [], s=60 * share, c="#666666", label=f"{share:.0%}")
        for share in (0.25, 0.5, 1.0)
    ]
    axes.legend(handles=handles, title="Cells", loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    return figure


def _training_figure(history: pd.DataFrame) -> Figure | None:
    """Return the training curves, one panel per loss; None if nothing was trained."""
    known = {name: next(iter(some.values())) for name, some in loss_curves({"": history}).items()}
    curves = {name: curve for name, curve in known.items() if len(curve) > 1}
    if not curves:
        return None
    columns = min(4, len(curves))
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(2.2 * columns, 1.7 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, curve) in zip(panels, curves.items(), strict=False):
        axes.plot(*zip(*curve, strict=True), color=cluster_color(0), linewidth=1)
        axes.set(title=name, xlabel="Step")
    for axes in panels[len(curves) :]:
        axes.remove()
    return figure


def _tree_figure(
    summary: Mapping[str, Any], types: Mapping[str, str], colors: Mapping[str, str]
) -> Figure | None:
    """Return the tree of clusters with the default ones' figures; None for a single leaf."""
    root = read_tree(summary)
    if root is None:
        return None
    drawing = Drawing(root)
    n_rows = len(drawing.tree.leaves)
    figure = Figure(figsize=(6.5, 1.3 + 0.2 * n_rows), layout="constrained")
    axes = figure.subplots()
    for branch, (x, y), (to_x, to_y), color in drawing.lines(colors):
        width = max(5 * (branch.n_cells / drawing.tree.n_cells) ** 0.5, 0.8)
        axes.plot([x, x, to_x], [y, to_y, to_y], color=color, linewidth=width)
    for place, (level, name) in enumerate(LEVELS.items()):
        cut = root.cut(level)
        axes.axvline(cut, color="#8a8a8a", linewidth=0.8, linestyle="dashed", zorder=0)
        axes.text(
            cut, -0.8 - 0.9 * (2 - place), f"{name}: {root.n_clusters(level)}",
            ha="center", fontsize=7, bbox={"facecolor": "white", "linewidth": 0, "pad": 0.5},
        )  # fmt: skip
    clusters = root.clusters("cluster")
    for name, (first, last) in drawing.spans("cluster").items():
        cluster = clusters[name]
        kind, stability = short(types.get(name, "")), f"stability {cluster.stability:.2f}"
        axes.plot(
            [1.02, 1.02], [first - 0.35, last + 0.35],
            color=colors.get(name, UNKNOWN), linewidth=5, solid_capstyle="butt",
        )  # fmt: skip
        label = f"{name}  {kind}  ({cluster.n_cells:,} cells, {stability})"
        axes.text(1.05, (first + last) / 2, label, va="center", fontsize=7)
    axes.spines["left"].set_visible(False)
    words = "Share of clusterings in which cells meet"
    axes.set(xlim=(0, 1.04), ylim=(n_rows - 0.4, -3), yticks=[], xlabel=words)
    return figure


def _types(
    prefix: str, group: ad.AnnData, annotations: Sequence[Path]
) -> dict[str, dict[str, str]]:
    """Return group -> cluster -> cell type of all groups, which fix the report's colours."""
    types = {}
    for path in annotations:
        table = read_table(path, dtype={"cluster": str, "cell_type": str})
        found = dict(zip(table["cluster"], table["cell_type"], strict=True))
        types[path.name.removesuffix(".annotation.tsv")] = {
            name: found[name] for name in sorted(found, key=natural)
        }
    own = group.obs.groupby("cluster", observed=True)["cell_type"].first()
    types[prefix] = {name: own.get(name, "Unknown") for name in names_of(group, "cluster")}
    return types


def _square(*, legend: int) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.2 + 1.4 * -(-legend // LEGEND_ROWS), 4.2), layout="constrained")
    return figure, figure.subplots()


STEP = Step(draw_figures, isolate=True)
