"""Scores of cells and genes of interest as colourings of the UMAP."""

from __future__ import annotations

import pandas as pd

from .cell_scores import drawn_cells
from .content import Clouds, pairs, text, thin
from .inputs import Group, Run
from .palette import UNKNOWN
from .score_figures import PHASES
from .umaps import edges_of, ranges

PHASE = "Phase"
_STRESS = "Dissociation stress (&#37;)"
_MOST_POINTS = 40_000
"""Of all these colourings and groups together, which keeps the report small."""
_FEWEST_POINTS, _MOST_VIEWS_OF_MANY = 20, 12
_MOST_VIEWS = 75


def views(run: Run, *, few: bool) -> dict[Group, dict[str, Clouds]]:
    """Return for each group colouring -> clouds; empty where nothing was scored.

    Parameters
    ----------
    run
        The run.
    few
        Whether it has few groups: of many, few colourings are drawn.
    """
    columns = {group: _columns(group) for group in run.finished if group.scoring}
    cells = {group: found for group in columns if len(found := drawn_cells(group))}
    most = _MOST_VIEWS if few else _MOST_VIEWS_OF_MANY
    names = list(dict.fromkeys(name for group in cells for name in columns[group]))[:most]
    if not names:
        return {}
    each = max(
        min(_MOST_POINTS // len(names), run.max_points // 5) // len(cells),
        _FEWEST_POINTS,
    )
    thinned = {
        group: found.iloc[thin(len(found), min(1.0, each / len(found)))]
        for group, found in cells.items()
    }
    coloured = {name: _coloured(name, columns, thinned) for name in names}
    return {
        group: {name: of[group] for name, of in coloured.items() if of.get(group)}
        for group in cells
    }


def _columns(group: Group) -> dict[str, str]:
    """Return colouring -> column of the drawn cells, in the order of the switch."""
    known = {PHASE: "phase", _STRESS: "pct_counts_dissociation"}
    for row in group.scoring.get("gene_sets", []):
        if row["column"]:
            known[f"Set {text(row['set'], length=30)}"] = row["column"]
    found = [row["found"] for row in group.scoring.get("genes", []) if row["found"] is not None]
    for number, name in enumerate(dict.fromkeys(found)):
        known[f"Gene {text(name, length=30)}"] = f"gene_{number}"
    return {name: column for name, column in known.items() if column in group.drawn}


def _coloured(
    name: str, columns: dict[Group, dict[str, str]], cells: dict[Group, pd.DataFrame]
) -> dict[Group, Clouds]:
    """Return one colouring of all groups that have it, in the same ranges."""
    own = {group: columns[group][name] for group in cells if name in columns[group]}
    if name == PHASE:
        return {group: _phases(cells[group]) for group in own}
    if name.startswith("Gene "):
        return _genes(cells, own)
    edges = edges_of([cells[group][column] for group, column in own.items()]) or []
    return {group: ranges(cells[group], column, edges) for group, column in own.items()}


def _genes(cells: dict[Group, pd.DataFrame], own: dict[Group, str]) -> dict[Group, Clouds]:
    """Return the colouring by a gene: most cells have no counts of most genes, and are grey."""
    found = {group: cells[group][cells[group][column] > 0] for group, column in own.items()}
    edges = edges_of([found[group][column] for group, column in own.items()]) or []
    clouds: dict[Group, Clouds] = {}
    for group, column in own.items():
        rest = cells[group][~(cells[group][column] > 0)]
        none: Clouds = {"No counts": (UNKNOWN, pairs(rest, "umap_1", "umap_2"))}
        clouds[group] = (none if len(rest) else {}) | ranges(found[group], column, edges)
    return clouds


def _phases(cells: pd.DataFrame) -> Clouds:
    return {
        phase: (color, pairs(some, "umap_1", "umap_2"))
        for phase, color in PHASES.items()
        if len(some := cells[cells["phase"] == phase])
    }
