"""Effect of batch correction on real batches and on controls; runs by ``python -m``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.special import expit
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ..clustering.consensus.batches import without_batches
from ..clustering.consensus.guard import Judgement, judged
from ..clustering.consensus.levels import (
    Consensus,
    by_falling_size,
    consensus_of,
    dendrogram_of,
    levels,
)
from ..clustering.consensus.normalizations import normalizations
from ..clustering.estimator import column_codes, prepare_expression, raw_counts
from ..command import run
from ..errors import InputError
from ..files import read_table, write_table
from .datasets import NO_TYPES
from .page import write_page
from .sources import Reached

TABLE = "batch_correction.tsv"
LABEL, BATCHES, CONDITION = "label", ("batch", "sample"), "condition"
MOST_CELLS = 2000
"""Cells of a control; a random sample if there are more."""
FEW = 50
"""Cells of a small batch."""
BIAS = 1.5
"""Deviation of the genes' log odds that a simulated technology counts a molecule."""
KEY = ("dataset", "case")
"""Columns of the table that identify a row."""
AS_CONDITION = "its condition"
"""Batches that are not corrected, because each condition is one."""

Case = tuple[str, ad.AnnData, NDArray[np.int64]]
Cases = Callable[[ad.AnnData], Iterator[Case]]


def benchmark_batches(
    *, data: Path, output: Path = Path("docs/benchmarks"), n_controls: int = 8
) -> None:
    """Cluster with and without correction, and write OUTPUT/batch_correction.tsv and OUTPUT.md.

    Parameters
    ----------
    data
        Folder, searched with those in it, of ``.h5ad`` with raw counts and ``obs['label']``. Those
        with ``obs['batch']`` or ``obs['sample']`` are real batches; of the others controls are
        made, or technologies are simulated.
    output
        Folder for tables; the page is written next to it, with the ending .md. Cases in the table
        that were measured with the same code are not repeated.
    n_controls
        Number of data sets from which controls are made, the first by name.
    """
    code = Reached(_real, _controls, _technologies, _measured)
    current = {"code": code.digest, "versions": code.versions}
    output.mkdir(parents=True, exist_ok=True)
    rows, found = [], _found(output / TABLE, current)
    for path, cases in _labelled(data, n_controls):
        for case, cells, batches in cases(_with_label(ad.read_h5ad(path))):
            key = (path.name, case)
            about = dict(zip(KEY, key, strict=True))
            rows.append(found.get(key) or about | _measured(cells, batches, case) | current)
            write_table(pd.DataFrame(rows), output / TABLE)
    write_page(output)


def _found(table: Path, current: dict[str, str]) -> dict[tuple[str, str], Any]:
    """Return the rows of a table that are of the current code, by their keys."""
    texts = {"code": str, "versions": str}
    rows = read_table(table, dtype=texts).to_dict("records") if table.is_file() else []
    same = [row for row in rows if all(row.get(name) == value for name, value in current.items())]
    return {(row["dataset"], row["case"]): row for row in same}


def _labelled(folder: Path, n_controls: int) -> list[tuple[Path, Cases]]:
    observed = {path: ad.read_h5ad(path, backed="r").obs for path in sorted(folder.rglob("*.h5ad"))}
    labelled = {
        path: obs
        for path, obs in observed.items()
        if LABEL in obs and path.stem not in NO_TYPES and _has_label(obs).any()
    }
    real = [path for path, obs in labelled.items() if set(obs) & set(BATCHES)]
    if not labelled:
        raise InputError.of(
            what="there is no labelled data set",
            where=folder,
            remedy="give .h5ad with obs['label']",
        )
    others = [path for path in labelled if path not in real]
    return [
        *((path, _real) for path in real),
        *((path, _controls) for path in others[:n_controls]),
        *((path, _technologies) for path in others[n_controls:]),
    ]


def _has_label(obs: pd.DataFrame) -> NDArray[np.bool_]:
    return (~obs[LABEL].astype(str).isin(["", "nan", "None"])).to_numpy()


def _with_label(cells: ad.AnnData) -> ad.AnnData:
    return cells[_has_label(cells.obs)].copy()


def _drawn(cells: ad.AnnData, rng: np.random.Generator) -> tuple[ad.AnnData, NDArray[np.int64]]:
    """Return a random sample of the cells, and their types by falling size."""
    cells = cells[np.sort(rng.permutation(cells.n_obs)[:MOST_CELLS])].copy()
    return cells, by_falling_size(column_codes(cells, LABEL))


def _real(cells: ad.AnnData) -> Iterator[Case]:
    column = next(name for name in BATCHES if name in cells.obs)
    yield f"its {column}", cells, column_codes(cells, column)
    if CONDITION in cells.obs:
        yield AS_CONDITION, cells, column_codes(cells, CONDITION)


def _controls(cells: ad.AnnData) -> Iterator[Case]:
    rng = np.random.default_rng(0)
    cells, codes = _drawn(cells, rng)
    for n_batches in (2, 12):
        yield f"control: {n_batches} at random", cells, rng.integers(n_batches, size=cells.n_obs)
    few = np.isin(np.arange(cells.n_obs), rng.permutation(cells.n_obs)[:FEW]).astype(np.int64)
    yield f"control: {FEW} cells at random", cells, few
    halves = rng.integers(2, size=cells.n_obs)
    yield "control: a type in one of 2 only", cells, np.where(codes == 1, 0, halves)
    yield "control: no type in both", cells, codes % 2


def _technologies(cells: ad.AnnData) -> Iterator[Case]:
    """Yield the cells in batches that each count every gene with a probability of its own."""
    rng = np.random.default_rng(0)
    cells, codes = _drawn(cells, rng)
    halves = rng.integers(2, size=cells.n_obs)
    few = np.isin(np.arange(cells.n_obs), rng.permutation(cells.n_obs)[:FEW]).astype(np.int64)
    for case, batches in {
        "2": halves,
        "5": rng.integers(5, size=cells.n_obs),
        f"{FEW} cells of one": few,
        "a type in one of 2 only": np.where(codes == 1, 0, halves),
        "one type in both": np.where(codes == 0, halves, codes % 2),
        "no type in both": codes % 2,
    }.items():
        yield f"technologies: {case}", _counted(cells, batches, rng), batches


def _counted(cells: ad.AnnData, batches: NDArray[np.int64], rng: np.random.Generator) -> ad.AnnData:
    """Return the cells with the part of their counts that the technology of their batch finds."""
    counts = coo_matrix(raw_counts(cells))
    odds = rng.normal(0, BIAS, size=(int(batches.max()) + 1, cells.n_vars))
    chance = expit(odds)[batches[counts.row], counts.col]
    kept = rng.binomial(counts.data.astype(np.int64), chance).astype(np.float32)
    found = csr_matrix((kept, (counts.row, counts.col)), shape=counts.shape)
    found.eliminate_zeros()
    return ad.AnnData(found, obs=cells.obs[[LABEL]].copy(), var=cells.var[[]].copy())


def _measured(cells: ad.AnnData, batches: NDArray[np.int64], case: str) -> dict[str, Any]:
    order = np.argsort(batches, kind="stable")
    cells, batches = cells[order].copy(), batches[order]
    labels = cells.obs[LABEL].astype(str)
    with threadpool_limits(1):
        expression = prepare_expression(cells, raw_counts(cells))
        found = normalizations(expression.counts, highly_variable=expression.highly_variable)
        plain, moved = consensus_of(found), consensus_of(without_batches(found, batches))
        judgement = judged(plain.partitions.graph, expression.counts, moved.labels, batches)
    # As in the pipeline if --condition names the column of the batches.
    refused = case == AS_CONDITION
    taken = moved if judgement.corrected and not refused else plain
    row: dict[str, Any] = {
        "cells": cells.n_obs,
        "batches": judgement.n_batches,
        "types": labels.nunique(),
    }
    for name, consensus in (("none", plain), ("corrected", moved), ("auto", taken)):
        row |= {f"{name}_own": adjusted_rand_score(labels, consensus.labels)}
        row |= {f"{name}_true": adjusted_rand_score(labels, _cut(consensus, labels.nunique()))}
    row |= {name: getattr(judgement, name) for name in ("need", "validity", "shared")}
    return row | {"decision": "no: it is the condition" if refused else _told(judgement)}


def _cut(consensus: Consensus, n_clusters: int) -> NDArray[np.int64]:
    return levels(
        dendrogram_of(consensus.partitions, n_clusters=n_clusters), n_clusters=n_clusters
    )[1]


def _told(judgement: Judgement) -> str:
    return "yes" if judgement.corrected else f"no: {judgement.reason.split(',')[0].split(': ')[-1]}"


if __name__ == "__main__":
    run(benchmark_batches)
