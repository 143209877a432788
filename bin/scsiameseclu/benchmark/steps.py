"""Time every step, and scanpy, on simulated groups of growing size.

Runs by ``python -m`` this module.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

from ..command import run
from ..files import read_json, read_table, write_h5ad, write_json, write_table
from .batch import MB, ROOT, run_pipeline
from .datasets import simulated_cells, simulated_profiles
from .page import write_page
from .process import records
from .tables import with_rows

TABLE = "steps.tsv"
KEY = ("cells", "samples", "step")
"""Columns of the table that identify a row."""
GENES, DEPTH = 5000, 2400
"""Genes, and counts of the median cell: about 1,000 of them are found in a cell."""
MARKERS = ROOT / "assets" / "markers" / "blood.tsv"
"""Names of genes, so that cell types are sought."""
WHOLE, SCANPY = "whole run", "scanpy: "
"""Rows other than steps of the pipeline."""


def benchmark_steps(
    *,
    cells: list[int],
    of_sample: int = 10_000,
    output: Path = Path("docs/benchmarks"),
    cores: int = 2,
    scanpy: bool = True,
    runs: Path | None = None,
) -> None:
    """Run simulated groups through the pipeline and through scanpy's standard path.

    Writes OUTPUT/steps.tsv and OUTPUT.md.

    Parameters
    ----------
    cells
        Numbers of cells in the group.
    of_sample
        Cells of a sample.
    output
        Folder for tables; the page is written next to it, with the ending .md.
    cores
        Processor cores that the runs may use.
    scanpy
        Whether scanpy's standard path is timed, too.
    runs
        Folder in which the runs are kept; interrupted runs continue. Default: a temporary
        one.
    """
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    output.mkdir(parents=True, exist_ok=True)
    for n_cells in cells:
        with tempfile.TemporaryDirectory() as temporary:
            folder = (runs or Path(temporary)).absolute() / f"{n_cells}_{of_sample}"
            if not (folder / "samplesheet.csv").is_file():
                write_group(folder, n_cells, of_sample)
            watched = run_pipeline(folder / "samplesheet.csv")
            rows = step_costs(folder / "results" / "pipeline_info" / "trace_batch.tsv")
            whole = {key: sum(row[key] for row in rows) for key in ("tasks", "cpu_seconds")}
            whole |= {"seconds": watched.seconds, "peak_mb": watched.peak_mb}
            rows += [{"step": WHOLE} | whole, *(scanpy_costs(folder) if scanpy else ())]
            about = read_json(folder / "about.json")
            new = [about | _rounded(row) for row in rows]
            table = with_rows(output / TABLE, new, key=KEY, order=KEY[:2])
        write_table(table, output / TABLE)
    write_page(output)


def write_group(folder: Path, n_cells: int, of_sample: int) -> None:
    """Write the samples of a simulated group, ``about.json`` and, last, ``samplesheet.csv``."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    profiles = simulated_profiles(rng, n_genes=GENES, depth=DEPTH)
    names = list(dict.fromkeys(read_table(MARKERS, dtype=str)["gene"]))
    genes = pd.Index([*names, *(f"GENE{number}" for number in range(GENES))][:GENES])
    n_values, rows = 0, []
    for number, start in enumerate(range(0, n_cells, of_sample)):
        size = min(of_sample, n_cells - start)
        counts, _ = simulated_cells(profiles, size, rng)
        n_values += counts.nnz
        obs = pd.DataFrame(index=[f"CELL{start + place}" for place in range(size)])
        write_h5ad(
            ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=genes)),
            folder / f"sample_{number}.h5ad",
        )
        row = {"sample": f"sample_{number}", "counts": f"sample_{number}.h5ad", "group": "all"}
        rows.append(row | {"organism": "human", "tissue": "blood"})
    write_json({"cells": n_cells, "samples": len(rows), "values": n_values}, folder / "about.json")
    pd.DataFrame(rows).to_csv(folder / "samplesheet.csv", index=False)


def step_costs(trace: Path) -> list[dict[str, Any]]:
    """Return each process's tasks, seconds and peak memory, in the order in which they ended."""
    tasks = pd.read_csv(trace, sep="\t", na_values=["-"])
    process = tasks["name"].str.partition(" ")[0].str.split(":").str[-1]
    return [
        {
            "step": step,
            "tasks": len(some),
            "seconds": some["realtime"].sum() / 1000,
            "cpu_seconds": (some["realtime"] * some["%cpu"]).sum() / 1e5,
            "peak_mb": some["peak_rss"].max() / MB,
        }
        for step, some in tasks.groupby(process, sort=False)
    ]


def scanpy_costs(folder: Path) -> list[dict[str, Any]]:
    """Return what each step of scanpy's standard path takes on the same cells, with one thread."""
    options = {"group": folder / "results" / "groups" / "all" / "all.h5ad"}
    found = records("scanpy_steps", options, scratch=folder, threads=1)
    return [row | {"step": f"{SCANPY}{row['step']}", "tasks": 0} for row in found]


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    digits = {"seconds": 1, "cpu_seconds": 1, "peak_mb": None}
    return row | {key: round(row[key], n) for key, n in digits.items()}


if __name__ == "__main__":
    run(benchmark_steps)
