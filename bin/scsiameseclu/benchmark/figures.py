"""The figures of docs/benchmarks.md, for any number of methods and any colour vision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from ..report.drawing import STYLE
from ..report.palette import cluster_color
from .beside import mean_ranks
from .methods import COMPARED, LEIDEN, METHODS, OURS, SCANPY
from .tables import interval, is_development, per_set

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "*", "h")
MODES = {"auto": "the number of clusters found", "true": "the true number of clusters"}


def look(name: str) -> dict[str, Any]:
    """Return color and marker of a method, the same in all figures, for any number of them."""
    place = list(METHODS).index(name)
    return {"color": cluster_color(place), "marker": MARKERS[place % len(MARKERS)]}


def draw_figures(
    output: Path,
    *,
    results: pd.DataFrame,
    scaling: pd.DataFrame,
    timed: pd.DataFrame,
    beside: pd.DataFrame,
) -> None:
    """Draw ``ranks``, ``difference``, ``ari``, ``cost`` and ``scaling`` (PNG), where measured."""
    figures = {
        "ranks": (ranks, beside),
        "difference": (differences_to_leiden, results),
        "ari": (_ari, results),
        "cost": (_cost, timed),
        "scaling": (_cost, scaling),
    }
    with mpl.rc_context(STYLE):
        for name, (draw, table) in figures.items():
            if len(table):
                draw(table).savefig(output / f"{name}.png", metadata={"Software": None}, dpi=150)


def ranks(results: pd.DataFrame) -> Figure:
    """Return the mean rank of each method over the data sets with its interval, the best on top."""
    found = mean_ranks(results)[::-1]
    figure = Figure(figsize=(7, 0.8 + 0.24 * len(found)), layout="constrained")
    axes = figure.subplots()
    for line, (name, row) in enumerate(found.iterrows()):
        color = cluster_color(0) if name == OURS.name else "#777777"
        axes.plot([row["low"], row["high"]], [line, line], color=color, linewidth=2)
        axes.plot(row["mean"], line, "o", color=color)
    axes.set_yticks(range(len(found)), [METHODS[str(name)].title for name in found.index])
    axes.grid(axis="x", color="#dddddd", linewidth=0.5)
    n_sets = results["dataset"].nunique()
    axes.set(xlabel=f"mean rank by ARI over {n_sets} data sets, 95 % interval; 1 is best")
    return figure


def differences_to_leiden(results: pd.DataFrame) -> Figure:
    """Return the figure of scSiameseClu's ARI gain over Leiden by data set, sorted.

    Development sets are grey.
    """
    figure, panels = _panels(results)
    for axes, k_mode in zip(panels, MODES, strict=True):
        ari = per_set(results[results["k_mode"] == k_mode])
        values = (ari[OURS.name] - ari[LEIDEN.name]).sort_values()
        shaped, lines = is_development(values.index), np.arange(len(values))
        _, low, high = interval(values[~shaped])
        axes.axvspan(low, high, color="#dbe9f6", zorder=0)
        axes.axvline(0, color="#555555", linewidth=0.8, zorder=1)
        for chosen, color, label in (
            (~shaped, cluster_color(0), "held-out sets (band: interval of their mean)"),
            (shaped, "#b3b3b3", "development sets"),
        ):
            axes.barh(lines[chosen], values[chosen], height=0.7, color=color, label=label, zorder=2)
        axes.set_yticks(lines, values.index, fontsize=6)
        axes.set(xlabel="ARI gain of scSiameseClu over Leiden, points", title=MODES[k_mode])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _ari(results: pd.DataFrame) -> Figure:
    """Return one line a data set; a small point is one seed, a large one the mean."""
    figure, panels = _panels(results)
    for axes, k_mode in zip(panels, MODES, strict=True):
        mine = results[results["k_mode"] == k_mode]
        sets = list(mine.sort_values("cells", ascending=False)["dataset"].unique())
        methods = [method for method in COMPARED if k_mode in method.modes]
        for place, method in enumerate(methods):
            one = mine[mine["method"] == method.name]
            lines = one["dataset"].map(sets.index) + 0.35 - 0.7 * (place + 0.5) / len(methods)
            values = 100 * one["ari"]
            axes.scatter(values, lines, s=4, alpha=0.5, linewidths=0, **look(method.name))
            means = values.groupby(lines).mean()
            axes.scatter(means, means.index, s=16, label=method.title, **look(method.name))
        axes.set_yticks(np.arange(len(sets)), sets, fontsize=6)
        axes.grid(axis="x", color="#dddddd", linewidth=0.5)
        axes.set_axisbelow(True)
        axes.set(xlabel="ARI, %", title=MODES[k_mode])
    handles = dict(zip(*reversed(panels[0].get_legend_handles_labels()), strict=True))
    handles |= dict(zip(*reversed(panels[1].get_legend_handles_labels()), strict=True))
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=len(handles)
    )
    return figure


def _panels(results: pd.DataFrame) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(9, 1.4 + 0.2 * results["dataset"].nunique()), layout="constrained")
    return figure, list(figure.subplots(1, 2))


def _cost(results: pd.DataFrame) -> Figure:
    """Return seconds and peak memory against cells, both axes logarithmic."""
    figure = Figure(figsize=(8, 2.8), layout="constrained")
    panels = figure.subplots(1, 2)
    shown = {"seconds": "seconds", "peak_rss_mb": "peak memory, MB"}
    for axes, (column, label) in zip(panels, shown.items(), strict=True):
        for method in (*COMPARED, SCANPY):
            mine = results[results["method"] == method.name]
            means = mine.groupby("cells")[column].mean().dropna()
            if len(means):
                drawn = {"markersize": 4, "linewidth": 1, **look(method.name)}
                axes.plot(means.index, means, label=method.title, **drawn)
        axes.set(xscale="log", yscale="log", xlabel="cells", ylabel=label)
        # 1, 2, 5, 10 ...: plain numbers, and some even in a short range.
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.set_minor_formatter(NullFormatter())
    panels[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
