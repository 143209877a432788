"""What batch correction adds to the clustering's time: ``python -m`` this module."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from ..clustering.consensus.batches import corrected, without_batches
from ..clustering.consensus.normalizations import normalizations
from ..clustering.estimator import ScSiameseClu
from ..command import run
from ..expression.normalize import normalize
from ..files import write_table
from .datasets import SIMULATED_GENES, simulated_cells, simulated_profiles
from .page import write_page
from .process import cpu_seconds

TABLE = "batch_time.tsv"
DEPTH = 1200
"""Counts of the median cell."""
ALONE = "the correction alone"
BATCH_EFFECT = 0.5
"""Deviation of the log factors of the genes in a batch."""


def benchmark_time(
    *, cells: int = 20_000, batches: int = 4, output: Path = Path("docs/benchmarks")
) -> None:
    """Time simulated batches with and without correction, for OUTPUT/batch_time.tsv and OUTPUT.md.

    Parameters
    ----------
    cells
        Number of cells.
    batches
        Batches of equal size, of the same types, that differ.
    output
        Folder for tables; the page is written next to it, with the ending .md.
    """
    output.mkdir(parents=True, exist_ok=True)
    expression = normalize(simulated_batches(cells, batches))
    modes: tuple[Literal["none", "auto"], ...] = ("none", "auto")
    timed: dict[str, dict[str, float | bool]] = {mode: _fitted(expression, mode) for mode in modes}
    timed[ALONE] = {"corrected": True, "cpu_seconds": _alone(expression)}
    about = {"cells": cells, "batches": batches}
    rows = [about | {"correction": what} | row for what, row in timed.items()]
    write_table(pd.DataFrame(rows), output / TABLE)
    write_page(output)


def simulated_batches(n_cells: int, n_batches: int) -> ad.AnnData:
    """Return cells in batches (``obs['batch']``), each with its own factors of the genes."""
    rng = np.random.default_rng(0)
    profiles = simulated_profiles(rng, n_genes=SIMULATED_GENES, depth=DEPTH)
    parts, names = [], []
    for batch, some in enumerate(np.array_split(np.arange(n_cells), n_batches)):
        own = profiles * np.exp(rng.normal(0, BATCH_EFFECT, SIMULATED_GENES))
        own *= DEPTH / own.sum(axis=1, keepdims=True)
        parts.append(simulated_cells(own, len(some), rng)[0])
        names += [f"batch_{batch}"] * len(some)
    obs = pd.DataFrame({"batch": names}, index=[f"cell_{i}" for i in range(n_cells)])
    var = pd.DataFrame(index=[f"gene_{j}" for j in range(SIMULATED_GENES)])
    return ad.AnnData(sparse.vstack(parts, format="csr"), obs=obs, var=var)


def _alone(expression: ad.AnnData) -> float:
    """Return the seconds of the corrections in a fit: each normalization, and ``X_pca``."""
    batches = np.unique(expression.obs["batch"], return_inverse=True)[1]
    found = normalizations(
        sparse.csr_matrix(expression.layers["counts"]),
        highly_variable=np.asarray(expression.var["highly_variable"], dtype=bool),
    )
    started = cpu_seconds()
    without_batches(found, batches)
    corrected(expression.obsm["X_pca"], batches)
    return round(cpu_seconds() - started, 1)


def _fitted(expression: ad.AnnData, mode: Literal["none", "auto"]) -> dict[str, float | bool]:
    started = cpu_seconds()
    model = ScSiameseClu(batch_key="batch", batch_correction=mode, device="cpu").fit(expression)
    seconds = round(cpu_seconds() - started, 1)
    return {"corrected": model.uncorrected_labels_ is not None, "cpu_seconds": seconds}


if __name__ == "__main__":
    run(benchmark_time)
