"""Scores of cells and genes of interest as colourings of the UMAP."""

from __future__ import annotations

import pandas as pd

from ..contracts import DISSOCIATION, PHASE
from .cell_scores import drawn_cells, set_names
from .content import Clouds, Html, pairs, thin, unique_texts
from .inputs import Group, Run
from .palette import PHASES, UNKNOWN
from .umaps import edges_of, ranges

_PHASE = "Phase"
_STRESS = "Dissociation stress (&#37;)"
_MOST_POINTS = 40_000
"""Of all these colourings and groups together, which keeps the report small."""
_FEWEST_POINTS, _MOST_VIEWS_OF_MANY = 20, 12
_MOST_VIEWS = 75


def views(run: Run, *, few: bool) -> dict[Group, dict[str, Clouds]]:
    """Return for each group colouring -> clouds; empty where nothing was scored.

    Of many groups, not `few`, few colourings are drawn.
    """
    asked = [group for group in run.finished if group.scoring]
    sets = unique_texts(set_names(asked), length=30)
    genes = unique_texts((name for group in asked for name in _genes_of(group)), length=30)
    columns = {group: _columns(group, sets, genes) for group in asked}
    cells = {group: found for group in columns if len(found := drawn_cells(group))}
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
    rows = group.scoring.get("genes", [])
    return list(dict.fromkeys(row["found"] for row in rows if row["found"] is not None))


def _columns(group: Group, sets: dict[str, Html], genes: dict[str, Html]) -> dict[str, str]:
    """Return colouring -> column of the drawn cells, in the order of the switch.

    `sets` and `genes` are the names as they are shown, distinct in the report.
    """
    known = {_PHASE: PHASE, _STRESS: DISSOCIATION}
    for row in group.scoring.get("gene_sets", []):
        if row["column"]:
            known[f"Set {sets[row['set']]}"] = row["column"]
    for number, name in enumerate(_genes_of(group)):
        known[f"Gene {genes[name]}"] = f"gene_{number}"
    return {name: column for name, column in known.items() if column in group.drawn}


def _coloured(
    name: str, columns: dict[Group, dict[str, str]], cells: dict[Group, pd.DataFrame]
) -> dict[Group, Clouds]:
    """Return one colouring of all groups that have it, in the same ranges."""
    own = {group: columns[group][name] for group in cells if name in columns[group]}
    if name == _PHASE:
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
        rest = cells[group].drop(found[group].index)
        none: Clouds = {"No counts": (UNKNOWN, pairs(rest, "umap_1", "umap_2"))}
        clouds[group] = (none if len(rest) else {}) | ranges(found[group], column, edges)
    return clouds


def _phases(cells: pd.DataFrame) -> Clouds:
    return {
        phase: (color, pairs(some, "umap_1", "umap_2"))
        for phase, color in PHASES.items()
        if len(some := cells[cells[PHASE] == phase])
    }
