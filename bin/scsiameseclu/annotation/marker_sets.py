"""Marker gene sets by tissue, organism and cell type: those in assets/markers or the user's."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ..errors import InputError, Problem, quoted
from .marker_files import COLUMNS, SUFFIXES, read_fields

REQUIRED = ["cell_type", "gene"]

TISSUES = {
    "pbmc": "blood",
    "pbmcs": "blood",
    "peripheral blood": "blood",
    "whole blood": "blood",
    "cord blood": "blood",
    "cbmc": "blood",
    "immune": "blood",
    "marrow": "bone marrow",
    "bmmc": "bone marrow",
    "islet": "pancreas",
    "islets": "pancreas",
    "pancreatic islet": "pancreas",
    "pancreatic islets": "pancreas",
    "brain": "brain cortex",
    "cortex": "brain cortex",
    "cerebral cortex": "brain cortex",
    "neocortex": "brain cortex",
    "eye": "retina",
    "gut": "intestine",
    "colon": "intestine",
    "ileum": "intestine",
    "small intestine": "intestine",
    "large intestine": "intestine",
    "epidermis": "skin",
}
"""Other names of the tissues of our sets."""


@dataclass(frozen=True)
class CellType:
    """A cell type and its markers.

    Parameters
    ----------
    name
        Its name.
    parent
        The more general type that it belongs to, or None.
    genes
        Weight of each marker gene.
    """

    name: str
    parent: str | None
    genes: dict[str, float] = field(default_factory=dict)


def read_marker_sets(path: Path) -> pd.DataFrame:
    """Read marker sets from a file, or from all such files of a folder.

    Parameters
    ----------
    path
        TSV or CSV with the columns ``cell_type`` and ``gene`` and, if wanted, ``tissue``,
        ``organism`` (empty: any), ``parent``, ``weight`` (default 1) and ``source``; GMT or YAML as
        :func:`~.marker_files.read_fields` takes them; or a folder of such files.

    Returns
    -------
    One row per marker with all seven columns, ``weight`` as float, the others as text without
    spaces around it.

    Raises
    ------
    InputError
        With all mistakes: missing, unknown or doubled columns, sets without genes, genes twice in a
        set, weights that are not positive numbers; and, among the sets that are used together for a
        tissue and organism, other parents or weights of the same type, parents that are not a cell
        type or that form a loop.
    """
    files = (
        sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        if path.is_dir()
        else [path]
    )
    if not files:
        remedy = f"give one with files that end in {', '.join(SUFFIXES)}"
        raise InputError.of(what="the folder has no marker sets", where=path.name, remedy=remedy)
    problems: list[Problem] = []
    sets = pd.concat([_read_file(file, problems) for file in files], ignore_index=True)
    problems += dict.fromkeys(_problems_together(sets))
    if problems:
        raise InputError(problems)
    # Files of a folder may repeat each other, but what is written of them is one file.
    return sets.loc[~_twice(sets), COLUMNS].reset_index(drop=True)


def checked_marker_sets(path: Path, organisms: list[str]) -> pd.DataFrame:
    """Return the user's marker sets, for which there must be some of each organism.

    Parameters
    ----------
    path
        The user's file, or folder of files.
    organisms
        The organisms of the samples.
    """
    sets = read_marker_sets(path)
    for organism in organisms:
        check_organism(sets, organism, path)
    return sets


def check_organism(sets: pd.DataFrame, organism: str, path: Path) -> None:
    """Raise if a user's own sets are for other organisms only."""
    organisms = sorted(set(sets["organism"].str.casefold()))
    if "" not in organisms and organism.casefold() not in organisms:
        raise InputError.of(
            what=f"the marker sets are for {', '.join(map(quoted, organisms))}, but the organism "
            f"is {quoted(organism)}",
            where=f"{path.name}, column 'organism'",
            remedy="give marker sets for the organism, leave their column 'organism' empty, or "
            "correct the samplesheet",
        )


def cell_types_for(sets: pd.DataFrame, *, tissue: str, organism: str) -> dict[str, CellType]:
    """Return the cell types of a tissue and organism by name; none if there are no sets for them.

    Parameters
    ----------
    sets
        From :func:`read_marker_sets`.
    tissue
        The tissue's name, or one of its other names in :data:`TISSUES`; capitals and underscores do
        not matter.
    organism
        Such as human or mouse.
    """
    wanted = sets[
        sets["tissue"].map(canonical_tissue).isin(["", canonical_tissue(tissue)])
        & sets["organism"].str.casefold().isin(["", organism.casefold()])
    ]
    types: dict[str, CellType] = {}
    columns = [wanted[column] for column in ("cell_type", "parent", "gene", "weight")]
    for name, parent, gene, weight in zip(*columns, strict=True):
        types.setdefault(name, CellType(name, parent or None)).genes[gene] = weight
    return types


def canonical_tissue(tissue: str) -> str:
    """Return the name under which our sets list a tissue."""
    name = " ".join(tissue.casefold().replace("_", " ").replace("-", " ").split())
    return TISSUES.get(name, name)


def _read_file(path: Path, problems: list[Problem]) -> pd.DataFrame:
    """Read one file, with the place of each row, and add the mistakes in its rows."""
    table = read_fields(path)
    _check_columns(table, path)
    table = table.reindex(columns=COLUMNS, fill_value="")
    weights = pd.to_numeric(table["weight"].replace("", "1"), errors="coerce")
    twice = _twice(table) & (table["gene"] != "")
    problems += _row_problems(table, weights, twice, path)
    places = [f"{path.name}, line {line}" for line in table.index]
    return table.assign(weight=weights.astype(float), place=places)[~twice]


def _twice(table: pd.DataFrame) -> pd.Series[bool]:
    """Return whether a gene comes again for a type of the same tissue and organism."""
    keys = table[["tissue", "organism", "cell_type"]].assign(gene=table["gene"].str.casefold())
    return keys.duplicated()


def _check_columns(table: pd.DataFrame, path: Path) -> None:
    """Raise unless the columns are known, unique and complete, and there are rows."""
    columns = list(table.columns)
    remedy = f"the columns are {', '.join(COLUMNS)}; {' and '.join(REQUIRED)} are needed"
    names = dict.fromkeys(columns)
    wrong = [
        *(
            f"unknown column {quoted(name)} in the marker sets"
            for name in names
            if name not in COLUMNS
        ),
        *(
            f"column {quoted(name)} comes {columns.count(name)} times"
            for name in names
            if columns.count(name) > 1
        ),
        *(
            f"the marker sets have no column {quoted(name)}"
            for name in REQUIRED
            if name not in names
        ),
    ]
    problems = [Problem(what, f"{path.name}, line 1", remedy) for what in wrong]
    if not problems and table.empty:
        what = "there are no marker sets in the file"
        problems = [Problem(what, path.name, "add one row per marker gene")]
    if problems:
        raise InputError(problems)


def _row_problems(
    table: pd.DataFrame, weights: pd.Series, twice: pd.Series[bool], path: Path
) -> Iterator[Problem]:
    """Yield the mistakes in single rows."""
    for (line, row), doubled, weight in zip(table.iterrows(), twice, weights, strict=True):
        where = f"{path.name}, line {line}, column "
        for column, value in row.items():
            if "\0" in value:
                what = f"{quoted(value)} contains a null character"
                yield Problem(what, f"{where}{column!r}", "remove it")
        if not row["cell_type"]:
            yield Problem(
                "a marker has no cell type", where + "'cell_type'", "fill in the column 'cell_type'"
            )
        elif not row["gene"]:
            what = f"the cell type {quoted(row['cell_type'])} has a row without a gene"
            yield Problem(what, where + "'gene'", "fill in the column 'gene' or remove the row")
        if doubled:
            what = f"gene {quoted(row['gene'])} comes twice for {quoted(row['cell_type'])}"
            yield Problem(what, where + "'gene'", "name it once")
        if not (math.isfinite(weight) and weight > 0):
            what = f"weight {quoted(row['weight'])} is not a positive number"
            yield Problem(
                what, where + "'weight'", "give a positive number, or leave it empty for 1"
            )


def _problems_together(sets: pd.DataFrame) -> Iterator[Problem]:
    """Yield what does not fit together in the sets that a tissue and organism can have."""
    tissues = sets["tissue"].map(canonical_tissue).astype("category")
    organisms = sets["organism"].str.casefold().astype("category")
    sets = sets.assign(folded=sets["gene"].str.casefold())
    for tissue in dict.fromkeys(["", *tissues]):
        for organism in dict.fromkeys(["", *organisms]):
            rows = sets[tissues.isin(["", tissue]) & organisms.isin(["", organism])]
            yield from _contradictions(rows, "parent", ["cell_type"])
            yield from _contradictions(rows, "weight", ["cell_type", "folded"])
            yield from _parent_problems(rows.drop_duplicates("cell_type"))


def _contradictions(rows: pd.DataFrame, column: str, of: list[str]) -> Iterator[Problem]:
    """Yield where a type, or a gene of it, has another value of a column than before."""
    before = rows.groupby(of)[[column, "place"]].transform("first").add_prefix("first_")
    differs = rows[column].notna() & (rows[column] != before[f"first_{column}"])
    for _, row in rows[differs].drop_duplicates([*of, column]).join(before).iterrows():
        gene = f"gene {quoted(row['gene'])} of " if column == "weight" else ""
        yield Problem(
            f"{gene}the cell type {quoted(row['cell_type'])} has two {column}s, "
            f"{quoted(row[f'first_{column}'])} ({row['first_place']}) and {quoted(row[column])}",
            f"{row['place']}, column {column!r}",
            f"give the same {column} in all rows that are used together: those of a tissue and "
            "organism, and those of any",
        )


def _parent_problems(types: pd.DataFrame) -> Iterator[Problem]:
    """Yield cell types whose parents are missing, or their own descendants; a row per type."""
    parents = dict(zip(types["cell_type"], types["parent"], strict=True))
    for place, (cell_type, parent) in zip(types["place"], parents.items(), strict=True):
        where = f"{place}, column 'parent'"
        if parent and parent not in parents:
            what = f"the parent {quoted(parent)} of {quoted(cell_type)} has no markers of its own"
            remedy = (
                "add rows for the parent, of the same tissue and organism or of any, or leave the "
                "parent empty"
            )
            yield Problem(what, where, remedy)
        elif _in_circle(cell_type, parents):
            what = f"the cell type {quoted(cell_type)} is its own ancestor"
            yield Problem(what, where, "leave the parent of the most general type empty")


def _in_circle(cell_type: str, parents: dict[str, str]) -> bool:
    seen: set[str] = set()
    ancestor = parents[cell_type]
    while ancestor and ancestor not in seen:
        seen.add(ancestor)
        ancestor = parents.get(ancestor, "")
    return cell_type in seen
