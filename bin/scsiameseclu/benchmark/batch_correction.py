"""Effect of batch correction on real batches and on controls; runs by ``python -m``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray
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
from ..files import write_table
from .datasets import NO_TYPES
from .page import write_page

TABLE = "batch_correction.tsv"
LABEL, BATCHES, CONDITION = "label", ("batch", "sample"), "condition"
MOST_CELLS = 2000
"""Cells of a control; a random sample where there are more."""
FEW = 50
"""Cells of a small batch."""
AS_CONDITION = "its condition"
"""Batches that are refused."""

Case = tuple[str, ad.AnnData, NDArray[np.int64]]


def benchmark_batches(
    *, data: Path, output: Path = Path("docs/benchmarks"), n_controls: int = 8
) -> None:
    """Cluster with and without correction, and write OUTPUT/batch_correction.tsv and OUTPUT.md.

    Parameters
    ----------
    data
        Folder, searched with those in it, of ``.h5ad`` with raw counts and ``obs['label']``. Those
        with ``obs['batch']`` or ``obs['sample']`` are real batches; controls are made of the
        others.
    output
        Folder of tables; the page is beside it, with .md at its end.
    n_controls
        Data sets of which controls are made, the first by name.
    """
    rows = []
    output.mkdir(parents=True, exist_ok=True)
    for path in _labelled(data, n_controls):
        for case, cells, batches in _cases(ad.read_h5ad(path)):
            rows.append({"dataset": path.name, "case": case} | _measured(cells, batches, case))
            write_table(pd.DataFrame(rows), output / TABLE)
    write_page(output)


def _labelled(folder: Path, n_controls: int) -> list[Path]:
    columns = {
        path: set(ad.read_h5ad(path, backed="r").obs) for path in sorted(folder.rglob("*.h5ad"))
    }
    labelled = [
        path for path, found in columns.items() if LABEL in found and path.stem not in NO_TYPES
    ]
    real = [path for path in labelled if columns[path] & set(BATCHES)]
    if not labelled:
        raise InputError.of(
            what="there is no labelled data set",
            where=folder,
            remedy="give .h5ad with obs['label']",
        )
    return real + [path for path in labelled if path not in real][:n_controls]


def _cases(cells: ad.AnnData) -> Iterator[Case]:
    labels = cells.obs[LABEL].astype(str)
    cells = cells[(~labels.isin(["", "nan", "None"])).to_numpy()].copy()
    rng = np.random.default_rng(0)
    if column := next((name for name in BATCHES if name in cells.obs), None):
        yield f"its {column}", cells, column_codes(cells, column)
        if CONDITION in cells.obs:
            yield AS_CONDITION, cells, column_codes(cells, CONDITION)
        return
    cells = cells[np.sort(rng.permutation(cells.n_obs)[:MOST_CELLS])].copy()
    codes = by_falling_size(column_codes(cells, LABEL))
    for n_batches in (2, 12):
        yield f"control: {n_batches} at random", cells, rng.integers(n_batches, size=cells.n_obs)
    few = np.isin(np.arange(cells.n_obs), rng.permutation(cells.n_obs)[:FEW]).astype(np.int64)
    yield f"control: {FEW} cells at random", cells, few
    halves = rng.integers(2, size=cells.n_obs)
    yield "control: a type in one of 2 only", cells, np.where(codes == 1, 0, halves)
    yield "control: no type in both", cells, codes % 2


def _measured(cells: ad.AnnData, batches: NDArray[np.int64], case: str) -> dict[str, Any]:
    order = np.argsort(batches, kind="stable")
    cells, batches = cells[order].copy(), batches[order]
    labels = cells.obs[LABEL].astype(str)
    with threadpool_limits(1):
        expression = prepare_expression(cells, raw_counts(cells))
        found = normalizations(expression.counts, highly_variable=expression.highly_variable)
        plain, moved = consensus_of(found), consensus_of(without_batches(found, batches))
        judgement = judged(plain.partitions.graph, expression.counts, moved.labels, batches)
    # As the pipeline does where --condition names what the batches are.
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
