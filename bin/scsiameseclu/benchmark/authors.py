"""Compares a baseline with its authors' code, run without labels: ``python -m`` this module.

Their code is not part of this project: a checkout of it is needed.
"""

from __future__ import annotations

import itertools
import subprocess
import tempfile
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

from ..command import run
from ..errors import InputError, quoted
from ..evaluation.scores import score_clusters
from ..files import write_table
from .datasets import Dataset, labelled_datasets
from .page import AUTHORS, write_page
from .process import ProcessError, Record, records
from .results import note, one_line, rounded
from .tables import with_rows
from .train_authors import METHODS

KEY, ORDER = ("dataset", "method", "seed"), ("cells", "dataset", "method", "seed")
"""Columns of the table that identify a row, and columns to sort by."""


def benchmark_authors(
    *,
    code: Path,
    method: str,
    data: Path,
    only: list[str] | None = None,
    seeds: int = 1,
    output: Path = Path("docs/benchmarks"),
) -> None:
    """Run the authors' code on labelled data sets; write OUTPUT/authors.tsv and OUTPUT.md.

    Rows of other methods, data sets and seeds stay in the table.

    Parameters
    ----------
    code
        Checkout of the authors' code.
    method
        Name of the baseline that it is the original of.
    data
        Folder with .h5ad (labels in obs['label']) and .h5 (X and Y). Of the labels the code is
        given the number of types; the others score what it found.
    only
        Names of the files to take. Default: all.
    seeds
        Number of seeds, 0, 1, ...
    output
        Folder for tables; the page is written next to it, with the ending .md.
    """
    if method not in METHODS:
        raise InputError.of(
            what=f"the authors' code of {quoted(method)} cannot be run",
            where="--method",
            remedy=f"choose from {', '.join(METHODS)}",
        )
    output.mkdir(parents=True, exist_ok=True)
    commit = _commit(code)
    with tempfile.TemporaryDirectory() as folder:
        sets = labelled_datasets(data, scratch=Path(folder), only=only or ())
        for dataset, seed in itertools.product(sets, range(seeds)):
            about = {"dataset": dataset.name, "cells": dataset.n_cells, "method": method}
            found = theirs(dataset, code.resolve(), method, seed)
            note(f"{dataset.name}, {method}, seed {seed}: {found.get('ari', found.get('error'))}")
            row = about | {"seed": seed, "commit": commit} | found
            write_table(with_rows(output / AUTHORS, [row], key=KEY, order=ORDER), output / AUTHORS)
    write_page(output)


def theirs(dataset: Dataset, code: Path, method: str, seed: int) -> Record:
    """Run their code in a folder of its own; return its scores, or the error."""
    adata = ad.read_h5ad(dataset.expression)
    adata = adata[:, adata.var["highly_variable"].to_numpy()]
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "given.npz"
        np.savez(
            given,
            counts=adata.layers["counts"].toarray().astype(np.float32),
            logs=adata.X.toarray().astype(np.float32),
            n_clusters=dataset.n_types,
        )
        options = {"code": code, "method": method, "data": given, "seed": seed}
        try:
            found = next(records("train_authors", options, scratch=Path(folder), threads=1))
        except ProcessError as error:
            return {"error": one_line(str(error))}
    clusters = pd.Series(found["labels"], index=dataset.gold.index).astype(str)
    scores = rounded(score_clusters(clusters, dataset.scores, dataset.gold))
    return {name: scores[name] for name in ("acc", "nmi", "ari", "n_clusters")}


def _commit(code: Path) -> str:
    command = ["git", "-C", str(code), "rev-parse", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        raise InputError.of(
            what="this is not a checkout of a git repository",
            where=code,
            remedy="give a checkout, so that its commit can be recorded",
        )
    return found.stdout.strip()


if __name__ == "__main__":
    run(benchmark_authors)
