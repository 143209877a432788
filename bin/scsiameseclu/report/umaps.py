"""UMAP in the report: one plot of a group, with a switch for what colours its cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from ..contracts import DISSOCIATION, PHASE
from .cell_scores import set_names
from .content import (
    Clouds,
    Html,
    Section,
    of_all,
    pairs,
    points,
    section,
    thin,
    thinned,
    unique_texts,
)
from .inputs import CELL_METRICS, Group, Run, natural
from .palette import PHASES, SEQUENTIAL, UNKNOWN, in_order

MAX_PLOTS = 4
"""With more groups than this there is a plot for each colouring, with a switch for the group."""
_CONFIDENCE = (0.3, 0.5, 0.7, 0.9)
_QUINTILES = (0.2, 0.4, 0.6, 0.8)
_LOOK = {
    "Cluster": "compact, separate clusters are clear; check a cluster in several islands. Each has "
    "a shade of its cell type's colour, if it has one.",
    "Cell type": "the same colour is the same type in all plots of this report and in all "
    "figures; grey is Unknown.",
    "Sample": "samples should mix within cell types; islands of one sample point to a batch "
    "effect, or to its biology.",
    "Condition": "if conditions do not mix, cells respond, or the batches differ as well.",
    "Coarse cluster": "clusters if the tree is cut nearer to its root.",
    "Fine cluster": "clusters if the tree is cut nearer to its leaves.",
    "Confidence": "ranks cells and is mostly too high; low values belong at the borders between "
    "clusters.",
    "Counts per cell": "should vary within clusters, not between them; otherwise depth may have "
    "caused them.",
    "Genes detected per cell": "a cluster with few genes may be debris, one with many may be "
    "doublets.",
    "Mitochondrial counts (%)": "an island with a high share often consists of dying cells, not a "
    "cell type.",
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
_PHASE = "Phase"
_STRESS = "Dissociation stress (&#37;)"
_MOST_POINTS = 40_000
"""Of all these colourings and groups together, which keeps the report small."""
_FEWEST_POINTS, _MOST_VIEWS_OF_MANY = 20, 12
_MOST_VIEWS = 75


def sections(run: Run) -> Iterator[Section]:
    """Return the UMAPs: one per group, or, of many groups, one per colouring.

    Each colouring draws `run.max_points` cells, all groups together, or, where it shows a gradient
    and not single cells, a fifth of that.
    """
    cells = {group: _cells(group, run) for group in run.tables("umap")}
    if not cells:
        return
    drawn, _ = thinned(cells, run.max_points)
    fewer, _ = thinned(cells, run.max_points // 5)
    edges = {
        metric: edges_of([of[metric] for of in cells.values() if metric in of])
        for metric in CELL_METRICS
    }
    clouds = {
        group: _named(run, group, drawn[group]) | _graded(fewer[group], edges) for group in cells
    }
    scored = _scored(run, few=len(run.finished) <= MAX_PLOTS)
    more = list(dict.fromkeys(name for of in scored.values() for name in of))
    for group, found in scored.items():
        clouds[group] |= found
    if len(cells) <= MAX_PLOTS:
        for number, (group, found) in enumerate(clouds.items(), start=1):
            views = {name: found[name] for name in [*_LOOK, *more] if name in found}
            title = "UMAP" + (f": {group.label}" if len(cells) > 1 else "")
            note = _note([_n_points(of) for of in views.values()], len(cells[group]))
            yield _section(number, title, views, note, look=views if number == 1 else ())
        return
    for name in [*_LOOK, *more]:
        own = [group for group, found in clouds.items() if name in found]
        datasets = {group.label: clouds[group][name] for group in own}
        n_drawn = sum(map(_n_points, datasets.values()))
        note = _note([n_drawn], sum(len(cells[group]) for group in own))
        if datasets and name in more:
            yield _section(f"scores_{more.index(name)}", f"UMAP: {name}", datasets, note)
        elif datasets and not name.endswith(" cluster"):
            key = name.lower().removesuffix(" (%)")
            yield _section(key.replace(" ", "_"), f"UMAP by {key}", datasets, note, look=[name])


def _n_points(clouds: Clouds) -> int:
    return sum(len(places) for _, places in clouds.values())


def _note(drawn: Sequence[int], total: int) -> str:
    """Return how many of `total` cells are drawn, by the colouring."""
    some = f", or {min(drawn):,} in some colours" if min(drawn) < max(drawn) else ""
    return f"{of_all(max(drawn), total)} cells are drawn{some}."


def _section(
    number: object, title: str, datasets: Mapping[str, Clouds], note: str, look: Iterable[str] = ()
) -> Section:
    looks = "".join(f"<strong>{name}</strong>: {_LOOK[name]} " for name in look if name in _LOOK)
    body = points(datasets, x_label="UMAP 1", y_label="UMAP 2")
    return section("umap", body, number=number, title=title, looks=looks, drawn=note)


def _cells(group: Group, run: Run) -> pd.DataFrame:
    """Return a group's cells with clusters, coordinates, condition and quality metrics."""
    cells = group.clusters.merge(group.table("umap"), on="barcode", validate="one_to_one")
    members = [sample for sample in run.samples if sample.id in group.samples]
    conditions = {
        sample.id: sample.extra.get(str(run.parameters.get("condition"))) for sample in members
    }
    cells["condition"] = cells["sample"].map(conditions)
    ledgers = [sample.ledger.cells for sample in members if sample.ledger]
    return cells.join(pd.concat(ledgers), on="barcode") if ledgers else cells


def _named(run: Run, group: Group, cells: pd.DataFrame) -> dict[str, Clouds]:
    colors = {"cluster": run.cluster_colors[group.id], "cell_type": run.type_colors}
    colors["sample"] = in_order(sorted(group.samples, key=natural))
    views: dict[str, Clouds] = {}
    for column, title in _COLUMNS.items():
        names = sorted(cells[column].dropna().unique(), key=natural) if column in cells else []
        same = title.endswith(" cluster") and len(names) == len(views["Cluster"])
        if len(names) > (column in ("sample", "condition")) and not same:
            clouds = _by_value(cells, column, colors.get(column) or in_order(names), names)
            prefix = "Cluster " if "cluster" in column else ""
            views[title] = {prefix + label: cloud for label, cloud in clouds.items()}
    return views


def _by_value(
    cells: pd.DataFrame, column: str, colors: Mapping[str, str], names: Iterable[str]
) -> Clouds:
    """Return a cloud per value of a column, without empty ones."""
    return {
        label: (colors.get(name, UNKNOWN), pairs(some, "umap_1", "umap_2"))
        for name, label in unique_texts(names).items()
        if len(some := cells[cells[column] == name])
    }


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


def _scored(run: Run, *, few: bool) -> dict[Group, dict[str, Clouds]]:
    """Return for each group colouring -> clouds; empty where nothing was scored.

    Of many groups, not `few`, few colourings are drawn.
    """
    asked = run.records("cell_scores")
    sets = unique_texts(set_names(run), length=30)
    genes = unique_texts((name for group in asked for name in _genes_of(group)), length=30)
    columns = {group: _columns(group, sets, genes) for group in asked}
    cells = {
        group: drawn.merge(group.table("umap"), on="barcode", validate="one_to_one")
        for group, drawn in run.tables("drawn_cells").items()
        if group in asked and len(group.table("umap"))
    }
    most = _MOST_VIEWS if few else _MOST_VIEWS_OF_MANY
    names = list(dict.fromkeys(name for group in cells for name in columns[group]))[:most]
    if not names:
        return {}
    of_all = min(_MOST_POINTS // len(names), run.max_points // 5)
    each = max(of_all // len(cells), _FEWEST_POINTS)
    thinned = {
        group: found.iloc[thin(len(found), min(1.0, each / len(found)))]
        for group, found in cells.items()
    }
    coloured = {name: _coloured(name, columns, thinned) for name in names}
    return {
        group: {name: of[group] for name, of in coloured.items() if of.get(group)}
        for group in cells
    }


def _genes_of(group: Group) -> list[str]:
    """Return the genes of interest that are in the data, each once."""
    rows = group.record("cell_scores").get("genes", [])
    return list(dict.fromkeys(row["found"] for row in rows if row["found"] is not None))


def _columns(group: Group, sets: dict[str, Html], genes: dict[str, Html]) -> dict[str, str]:
    """Return colouring -> column of the drawn cells, in the order of the switch.

    `sets` and `genes` are the names as they are shown, distinct in the report.
    """
    known = {_PHASE: PHASE, _STRESS: DISSOCIATION}
    for row in group.record("cell_scores").get("gene_sets", []):
        if row["column"]:
            known[f"Set {sets[row['set']]}"] = row["column"]
    for number, name in enumerate(_genes_of(group)):
        known[f"Gene {genes[name]}"] = f"gene_{number}"
    return {name: column for name, column in known.items() if column in group.table("drawn_cells")}


def _coloured(
    name: str, columns: dict[Group, dict[str, str]], cells: dict[Group, pd.DataFrame]
) -> dict[Group, Clouds]:
    """Return one colouring of all groups that have it, in the same ranges."""
    own = {group: columns[group][name] for group in cells if name in columns[group]}
    if name == _PHASE:
        return {group: _by_value(cells[group], PHASE, PHASES, PHASES) for group in own}
    found = {group: cells[group] for group in own}
    if name.startswith("Gene "):  # most cells have no counts of most genes, and are grey
        found = {group: some[some[own[group]] > 0] for group, some in found.items()}
    edges = edges_of([found[group][column] for group, column in own.items()]) or []
    clouds: dict[Group, Clouds] = {}
    for group, column in own.items():
        rest = cells[group].drop(found[group].index)
        none: Clouds = {"No counts": (UNKNOWN, pairs(rest, "umap_1", "umap_2"))}
        clouds[group] = (none if len(rest) else {}) | ranges(found[group], column, edges)
    return clouds
