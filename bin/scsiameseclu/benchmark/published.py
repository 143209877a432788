"""Compares the time of scSiameseClu and the paper's published code: ``python -m`` this module.

The published code is not part of this project: a checkout of it is needed. No labels are used.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
from sklearn.neighbors import kneighbors_graph
from sklearn.preprocessing import scale

from ..command import run
from ..errors import InputError
from ..files import write_table
from .datasets import Dataset, read_dataset
from .methods import OURS
from .page import write_page
from .process import ProcessError, Record, records
from .results import cost
from .run import Job, run_fits
from .sections import MINE, THEIRS
from .tables import with_rows

TABLE = "published.tsv"
KEY, ORDER = ("dataset", "method"), ("cells", "dataset")
"""Columns of the table that identify a row, and columns to sort by."""
MODULES = ("MODEL.py", "opt.py", "train.py", "utils.py")
"""Files of the published code that are run."""
NEIGHBORS = 10
"""Neighbors of a cell in the graph, as in the published preparation."""


def benchmark_published(
    *, code: Path, name: str, data: Path, output: Path = Path("docs/benchmarks"), threads: int = 1
) -> None:
    """Time both on the same cells, one after the other; write OUTPUT/published.tsv and OUTPUT.md.

    What the table has of other data sets stays.

    Parameters
    ----------
    code
        Checkout of the published code.
    name
        Name of the data set there, by which its settings and its pretrained weights are found.
    data
        The data set: .h5ad (labels in obs['label']) or .h5 (X and Y). Of the labels only the number
        of types is used.
    output
        Folder for tables; the page is written next to it, with the ending .md.
    threads
        Threads of each.
    """
    for part_of_it in (*MODULES, f"model_pretrain/{name}_pretrain.pkl"):
        if not (code / part_of_it).is_file():
            what = f"the published code has no {part_of_it} here"
            remedy = (
                "give a checkout of its repository, and the name of a data set with weights there"
            )
            raise InputError.of(what=what, where=code, remedy=remedy)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        dataset = read_dataset(data, scratch=scratch)
        if dataset is None:
            remedy = "give a labelled data set: its number of types is needed"
            raise InputError.of(what="no cell has a label", where=data, remedy=remedy)
        rows = [
            ours(dataset, scratch, threads),
            theirs(dataset, scratch, threads, code=code.resolve(), name=name),
        ]
    output.mkdir(parents=True, exist_ok=True)
    write_table(with_rows(output / TABLE, rows, key=KEY, order=ORDER), output / TABLE)
    write_page(output)


def ours(dataset: Dataset, scratch: Path, threads: int) -> dict[str, Any]:
    """Return seconds from principal components to labels, and peak memory, of this pipeline."""
    job = Job(dataset, OURS, "true", 0)
    return _row(dataset, MINE, threads, run_fits([job], scratch=scratch, threads=threads))


def theirs(
    dataset: Dataset, scratch: Path, threads: int, *, code: Path, name: str
) -> dict[str, Any]:
    """Return the same of the published code, from PCA to the end of its training.

    Its graph of nearest neighbors, built without labels, is made before and not timed.
    """
    expression = ad.read_h5ad(dataset.expression)
    expression = expression[:, expression.var["highly_variable"].to_numpy()]
    depth = np.asarray(expression.layers["counts"].sum(axis=1), dtype=np.float64).ravel()
    data = scratch / "published.npz"
    np.savez(
        data,
        features=scale(expression.X.toarray().astype(np.float64)),
        adjacency=kneighbors_graph(dataset.scores, NEIGHBORS).toarray(),
        size_factors=depth / np.median(depth),
        n_clusters=dataset.n_types,
    )
    options = {"code": code, "name": name, "data": data}
    reported = records("train_published", options, scratch=scratch, threads=threads)
    return _row(dataset, THEIRS, threads, reported)


def _row(dataset: Dataset, method: str, threads: int, reported: Iterator[Record]) -> dict[str, Any]:
    try:
        found = next(reported)
    except ProcessError as error:
        what, remedy = f"{method} failed on it: {error}", "correct this and repeat the command"
        raise InputError.of(what=what, where=dataset.name, remedy=remedy) from error
    about = {"dataset": dataset.name, "cells": dataset.n_cells}
    return about | {"method": method, "threads": threads} | cost(found)


if __name__ == "__main__":
    run(benchmark_published)
