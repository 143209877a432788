"""Scores of cells: cell cycle, dissociation stress, the user's gene sets and genes of interest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..blocks import Matrix, evenly, row_blocks
from ..contracts import DISSOCIATION, G2M_PHASE, PHASE, PHASE_SCORES, S_PHASE, STRESS
from ..files import settings, write_json, write_table
from ..steps import Step
from .cell_cycle import PHASE_COLUMNS, PHASES, cell_cycle
from .clustered import CLUSTER, clustered
from .gene_sets import read_gene_sets, read_genes
from .options import Clustering, Expression, Prefix, Seed
from .rank_scores import rank_scores
from .symbols import GenePlaces

Values = NDArray[np.float64]


ORGANISMS = ("human", "mouse")
"""Organisms whose genes have the symbols of these sets, ignoring case."""
FEWEST_PHASE_GENES, FEWEST_STRESS_GENES = 10, 5
FEWEST_GENES, SMALLEST_SHARE = 3, 0.2
"""Genes of a set, and share of them, that must be in the data for it to be scored."""
HIGH_PERCENT, TIMES_MEDIAN = 10.0, 3.0
"""A cluster is warned of if its median percentage of counts of dissociation stress is above both:
this, and this many times the group's. A convention."""
DRAWN_CELLS = 2_400
"""Cells, evenly spaced, whose values the report draws."""
_LONGEST_COLUMN = 50


@dataclass
class _Found:
    """What is collected: columns of cells, account of sets and genes, notes for people."""

    cells: pd.DataFrame
    account: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def scores(
    *,
    prefix: Prefix,
    expression: Expression,
    clustering: Clustering,
    bundled: list[Path] | None = None,
    gene_sets: Path | None = None,
    genes: Path | None = None,
    seed: Seed = 0,
) -> None:
    """Score the cells of a group.

    Writes ``<prefix>.scored_cells.tsv`` (barcode, and what becomes columns of ``obs``),
    ``<prefix>.drawn_cells.tsv`` (of some cells the same, and their expression of the genes of
    interest: ``gene_0``, ``gene_1`` ...) and ``<prefix>.cell_scores.json`` (genes found, notes);
    with `bundled` ``<prefix>.cell_scores.tsv``, with `gene_sets` ``<prefix>.gene_set_scores.tsv``,
    with `genes` ``<prefix>.genes_of_interest.tsv``.

    Parameters
    ----------
    bundled
        The pipeline's files of gene sets. Default: neither cell cycle nor dissociation stress.
    gene_sets
        The user's gene sets, GMT, checked.
    genes
        The user's genes of interest, one per line, checked.
    """
    with clustered(expression, clustering) as adata:
        places = GenePlaces(adata)
        found = _Found(pd.DataFrame(index=adata.obs_names))
        if bundled:
            _score_bundled(adata, places, bundled, found, seed=seed)
        if gene_sets:
            _score_sets(adata, places, read_gene_sets(gene_sets), found)
        drawn = found.cells
        if genes:
            values = _genes(adata, places, read_genes(genes, where=genes.name), found)
            write_table(profiles(values, adata.obs[CLUSTER]), f"{prefix}.genes_of_interest.tsv")
            numbered = {name: f"gene_{number}" for number, name in enumerate(values)}
            drawn = found.cells.join(values.rename(columns=numbered))
        if bundled:
            write_table(_summed_up(adata.obs, found.cells), f"{prefix}.cell_scores.tsv")
        if gene_sets:
            table = by_cluster(found.cells, adata.obs[CLUSTER], found.account["gene_sets"])
            write_table(table, f"{prefix}.gene_set_scores.tsv")
    _write_cells(found.cells, f"{prefix}.scored_cells.tsv")
    some = evenly(np.arange(len(drawn)), DRAWN_CELLS)
    _write_cells(drawn.iloc[some], f"{prefix}.drawn_cells.tsv")
    write_json(found.account | {"notes": found.notes}, f"{prefix}.cell_scores.json")


def _write_cells(cells: pd.DataFrame, path: str) -> None:
    write_table(cells.round(4).rename_axis("barcode").reset_index(), path)


def _score_bundled(
    adata: ad.AnnData, places: GenePlaces, bundled: Iterable[Path], found: _Found, *, seed: int
) -> None:
    """Add the columns of cell cycle and dissociation stress, as far as their genes are there."""
    organism = str(settings(adata).get("organism") or "")
    if organism.casefold() not in ORGANISMS:
        found.notes.append(
            "Neither cell cycle nor dissociation stress is scored: their genes are known "
            f"only for {' and '.join(ORGANISMS)}."
        )
        return
    sets = {name: of for path in sorted(bundled) for name, of in read_gene_sets(path).items()}
    own = {name: places.find_all(of) for name, of in sets.items()}
    found.account["n_genes"] = {name: [len(own[name]), len(sets[name])] for name in sets}
    few = [name for name in (S_PHASE, G2M_PHASE) if len(own[name]) < FEWEST_PHASE_GENES]
    found.notes += [_too_few(name, own, sets) for name in few]
    if not few:
        phases = cell_cycle(adata.X, own[S_PHASE], own[G2M_PHASE], seed=seed)
        if phases is None:
            found.notes.append("The cell cycle is not scored: no control genes match its genes.")
        else:
            found.cells[list(PHASE_COLUMNS)] = phases.set_index(adata.obs_names)
    if len(own[STRESS]) < FEWEST_STRESS_GENES:
        found.notes.append(_too_few(STRESS, own, sets))
    else:
        found.cells[DISSOCIATION] = percent_of_counts(adata.layers["counts"], own[STRESS])


def _too_few(name: str, own: Mapping[str, list[int]], sets: Mapping[str, list[str]]) -> str:
    return (
        f"Not scored: {name}, of which only {len(own[name])} of {len(sets[name])} genes are in "
        "the data."
    )


def percent_of_counts(counts: Matrix, genes: Sequence[int]) -> Values:
    """Return the percentage of each cell's counts that are of some genes; 0 without counts.

    Parameters
    ----------
    counts
        Raw counts, cells x genes, in memory or on disk.
    genes
        Their columns.
    """
    shares = []
    for _, rows in row_blocks(counts):
        total = np.asarray(rows.sum(axis=1), dtype=float).ravel()
        own = np.asarray(rows[:, list(genes)].sum(axis=1), dtype=float).ravel()
        shares.append(100 * own / np.maximum(total, 1))
    return np.concatenate(shares)


def _score_sets(
    adata: ad.AnnData, places: GenePlaces, sets: Mapping[str, list[str]], found: _Found
) -> None:
    """Add a column for each set with enough genes in the data."""
    columns = column_names(sets, taken=[*adata.obs, *found.cells])
    own = {name: places.find_all(genes) for name, genes in sets.items()}
    rows = [
        {
            "set": name,
            "column": columns[name] if is_enough(len(own[name]), len(genes)) else None,
            "n_genes": len(genes),
            "n_found": len(own[name]),
        }
        for name, genes in sets.items()
    ]
    found.account["gene_sets"] = rows
    kept = [row for row in rows if row["column"]]
    if kept:
        values = rank_scores(adata.layers["counts"], [own[str(row["set"])] for row in kept])
        names = [str(row["column"]) for row in kept]
        found.cells[names] = pd.DataFrame(values, index=adata.obs_names, columns=names)


def is_enough(n_found: int, n_genes: int) -> bool:
    """Return whether enough of a set's genes are in the data for a score."""
    return n_found >= FEWEST_GENES and n_found >= SMALLEST_SHARE * n_genes


def column_names(sets: Iterable[str], *, taken: Iterable[str]) -> dict[str, str]:
    """Return the column of ``obs`` for each set: ``score_``, and letters and digits of its name.

    Parameters
    ----------
    sets
        Names, which may hold anything.
    taken
        Columns that are there already. Names that differ in capitals only count as the same.
    """
    used = {name.casefold() for name in taken}
    columns: dict[str, str] = {}
    for name in sets:
        plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:_LONGEST_COLUMN] or "set"
        column, turn = f"score_{plain}", 1
        while column.casefold() in used:
            turn += 1
            column = f"score_{plain}_{turn}"
        used.add(column.casefold())
        columns[name] = column
    return columns


def _genes(
    adata: ad.AnnData, places: GenePlaces, genes: Iterable[str], found: _Found
) -> pd.DataFrame:
    """Return the expression of the genes that are in the data, and account for the others."""
    rows: list[dict[str, Any]] = []
    for gene in genes:
        place = places.find(gene)
        rows.append({"gene": gene, "found": None if place is None else places.names[place]})
        if place is None:
            rows[-1]["nearest"] = places.nearest(gene)
    found.account["genes"] = rows
    names = list(dict.fromkeys(row["found"] for row in rows if row["found"] is not None))
    columns = adata.var_names.get_indexer(names)
    blocks = [rows[:, columns].toarray() for _, rows in row_blocks(adata.X)]
    return pd.DataFrame(np.concatenate(blocks), index=adata.obs_names, columns=names)


def profiles(values: pd.DataFrame, clusters: pd.Series) -> pd.DataFrame:
    """Return ``cluster gene share mean``: of the cells with counts, and of the expression.

    Parameters
    ----------
    values
        Expression, cells x genes.
    clusters
        Categorical, of the same cells.
    """
    of_cells = clusters.astype(str)
    share = (values > 0).groupby(of_cells, sort=False).mean()
    mean = values.astype(float).groupby(of_cells, sort=False).mean()
    rows = [
        (name, gene, share.loc[name, gene], mean.loc[name, gene])
        for name in map(str, clusters.cat.categories)
        if name in share.index
        for gene in map(str, values)
    ]
    return pd.DataFrame(rows, columns=["cluster", "gene", "share", "mean"]).round(4)


def by_cluster(
    cells: pd.DataFrame, clusters: pd.Series, sets: Iterable[Mapping[str, Any]]
) -> pd.DataFrame:
    """Return mean and median of each set in each cluster, and a row for each set without a score.

    Parameters
    ----------
    cells
        A column of scores for each set.
    clusters
        Categorical, of the same cells.
    sets
        ``set``, ``column`` (None: not scored), ``n_genes`` and ``n_found`` of each.

    Returns
    -------
    Columns cluster, set, column, n_genes, n_found, mean, median and note.
    """
    rows: list[dict[str, Any]] = []
    for about in sets:
        if not about["column"]:
            rows.append({**about, "note": "not scored: too few of its genes are in the data"})
            continue
        values = cells[about["column"]].astype(float)  # float32 cannot be rounded in decimals
        groups = values.groupby(clusters.astype(str), sort=False)
        table = groups.agg(["mean", "median"]).round(4)
        rows += [
            {"cluster": name, **about, **table.loc[name].to_dict()}
            for name in map(str, clusters.cat.categories)
            if name in table.index
        ]
    columns = ["cluster", "set", "column", "n_genes", "n_found", "mean", "median", "note"]
    return pd.DataFrame(rows, columns=columns)


def _summed_up(obs: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each cluster and for each sample: phases, scores and dissociation stress."""
    rows: list[dict[str, Any]] = []
    for kind in ("cluster", "sample"):
        own = obs[kind].astype(str)
        names = obs[kind].cat.categories if hasattr(obs[kind], "cat") else own.unique()
        rows += [
            {kind: name, **dict(_numbers(cells[(own == name).to_numpy()]))}
            for name in map(str, names)
            if (own == name).any()
        ]
    table = pd.DataFrame(rows).round(4)
    if DISSOCIATION in cells:
        high = max(HIGH_PERCENT, TIMES_MEDIAN * float(cells[DISSOCIATION].median()))
        table["high_dissociation"] = np.where(
            table["cluster"].notna(), np.where(table["median_dissociation"] > high, "yes", "no"), ""
        )
    return table


def _numbers(cells: pd.DataFrame) -> Iterator[tuple[str, float]]:
    yield "n_cells", len(cells)
    if PHASE in cells:
        yield from ((f"share_{phase}", float((cells[PHASE] == phase).mean())) for phase in PHASES)
        yield from ((f"mean_{name}", float(cells[name].mean())) for name in PHASE_SCORES)
    if DISSOCIATION in cells:
        yield "mean_dissociation", float(cells[DISSOCIATION].mean())
        yield "median_dissociation", float(cells[DISSOCIATION].median())


STEP = Step(scores, isolate=True)
