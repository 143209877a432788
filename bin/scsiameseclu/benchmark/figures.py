"""The figures of docs/benchmarks.md: matplotlib, colors and markers that tell methods apart without color vision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from ..report.figures import STYLE
from ..report.palette import BASE
from .methods import METHODS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = ("o", "s", "^", "D", "v", "P")
LOOKS: dict[str, dict[str, Any]] = {name: {"color": BASE[i], "marker": MARKERS[i]} for i, name in enumerate(METHODS)}
"""Color and marker of each method, the same in all figures."""


def draw_figures(output: Path, *, results: pd.DataFrame, scaling: pd.DataFrame) -> None:
    """Draw ``ari_true``, ``ari_auto``, ``clusters_auto``, ``cost`` and ``scaling`` (PNG) into `output`, if measured."""
    with mpl.rc_context(STYLE):
        if len(results):
            for k_mode in ("true", "auto"):
                _save(_by_set(results[results["k_mode"] == k_mode], "ari", "ARI, %"), output / f"ari_{k_mode}.png")
            _save(_clusters(results[results["k_mode"] == "auto"]), output / "clusters_auto.png")
            _save(_cost(results), output / "cost.png")
        if len(scaling):
            _save(_cost(scaling), output / "scaling.png")


def _by_set(results: pd.DataFrame, column: str, label: str) -> Figure:
    """Return one line a data set; a small point is one seed, a large one the mean."""
    figure, axes = _figure(results)
    _rows(axes, results, results[column] * 100)
    axes.set_xlabel(label)
    return figure


def _clusters(results: pd.DataFrame) -> Figure:
    """Return the clusters found as a multiple of the types, on a logarithmic axis."""
    figure, axes = _figure(results)
    _rows(axes, results, results["n_clusters"] / results["types"])
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.axvspan(0.5, 2, color="#eeeeee", zorder=0)
    axes.axvline(1, color="#888888", linewidth=0.8, zorder=0)
    axes.set_xlabel("clusters found / types (shaded: half to twice)")
    return figure


def _figure(results: pd.DataFrame) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7, 1.2 + 0.45 * results["dataset"].nunique()), layout="constrained")
    return figure, figure.add_subplot()


def _rows(axes: Axes, results: pd.DataFrame, values: pd.Series[float]) -> None:
    sets = list(results.sort_values("cells", ascending=False)["dataset"].unique())
    methods = [name for name in METHODS if name in set(results["method"])]
    for place, name in enumerate(methods):
        mine = results["method"] == name
        lines = results.loc[mine, "dataset"].map(sets.index) + 0.3 - 0.6 * place / max(len(methods) - 1, 1)
        axes.scatter(values[mine], lines, s=6, alpha=0.5, linewidths=0, **LOOKS[name])
        means = pd.DataFrame({"value": values[mine], "line": lines}).groupby("line")["value"].mean()
        axes.scatter(means, means.index, s=28, label=METHODS[name].title, **LOOKS[name])
    axes.set_yticks(np.arange(len(sets)), sets)
    axes.grid(axis="x", color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _cost(results: pd.DataFrame) -> Figure:
    """Return seconds and peak memory against cells, both axes logarithmic."""
    figure = Figure(figsize=(8, 2.8), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, column, label in zip(panels, ("seconds", "peak_rss_mb"), ("seconds", "peak memory, MB"), strict=True):
        for name in METHODS:
            mine = results[results["method"] == name]
            if len(mine):
                means = mine.groupby("cells")[column].mean()
                axes.plot(means.index, means, label=METHODS[name].title, markersize=4, linewidth=1, **LOOKS[name])
        axes.set(xscale="log", yscale="log", xlabel="cells", ylabel=label)
        for axis in (axes.xaxis, axes.yaxis):  # 1, 2, 5, 10 ...: plain numbers, and some even in a short range
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.set_minor_formatter(NullFormatter())
    panels[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Software": None}, dpi=150)
