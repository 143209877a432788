"""Time many samples on few cores and record memory; runs by ``python -m`` this module."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

from ..command import run
from ..errors import InputError
from ..files import read_json, read_table, write_h5ad, write_json, write_table
from ..intake.read_counts import read_sample
from ..threads import THREAD_POOLS
from .page import write_page
from .tables import with_rows

ROOT = Path(__file__).resolve().parents[3]
DEMO = ROOT / "tests" / "data" / "demo" / "samplesheet.csv"
TABLE = "batch.tsv"
KEY = ("samples", "groups", "cores")
"""Columns of the table that identify a row, and columns to sort by."""
SHARE = 0.9
"""Share of a bundled sample's counts that each copy keeps: no two copies are the same."""
INTERVAL = 0.5
"""Seconds between two measurements of the memory."""
MB = 2**20
TRACE = "trace { raw = true; fields = 'name,status,realtime,cpus,%cpu,peak_rss' }\n"
OPTIONS = "-profile venv -ansi-log false --outdir results --trace_report_suffix batch -resume"
GROUPS = {"each": "a group each", "one": "one group"}


@dataclass(frozen=True)
class Watched:
    """What a run took: seconds, and peak resident MB of all processes and of Nextflow alone."""

    seconds: float
    peak_mb: float
    nextflow_mb: float

    def with_look(self, seconds: float, resident: dict[int, float], nextflow: int) -> Watched:
        """Return this after one more look, at `seconds`, at the processes' memory."""
        peak = max(self.peak_mb, sum(resident.values()))
        return Watched(seconds, peak, max(self.nextflow_mb, resident.get(nextflow, 0.0)))


def benchmark_batch(
    *,
    output: Path = Path("docs/benchmarks"),
    samples: int = 24,
    cores: int = 2,
    groups: str = "each,one",
    runs: Path | None = None,
) -> None:
    """Run copies of the bundled samples in one sheet; write OUTPUT/batch.tsv and OUTPUT.md.

    Parameters
    ----------
    output
        Folder for tables; the page is written next to it, with the ending .md.
    samples
        Number of samples in the sheet.
    cores
        Processor cores that the runs may use.
    groups
        How the samples are grouped, with commas: each (a group each), one (all in one group).
    runs
        Folder in which the runs are kept; interrupted runs continue. Default: a temporary
        one.
    """
    wanted = groups.split(",")
    if not set(wanted) <= set(GROUPS):
        what = f"--groups is {groups}"
        raise InputError.of(what=what, where="--groups", remedy="give each, one or each,one")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    output.mkdir(parents=True, exist_ok=True)
    for name in wanted:
        with tempfile.TemporaryDirectory() as temporary:
            folder = (runs or Path(temporary)).absolute() / f"{samples}_{name}_{cores}"
            sheet = folder / "samplesheet.csv"
            if not sheet.is_file():
                write_sheet(sheet, samples=samples, groups=name)
            watched = run_pipeline(sheet)
            row = {"samples": samples, "groups": GROUPS[name], "cores": cores}
            row |= costs(folder, watched, cores=cores)
        write_table(with_rows(output / TABLE, [row], key=KEY, order=KEY), output / TABLE)
    write_page(output)


def write_sheet(sheet: Path, *, samples: int, groups: str) -> None:
    """Write seeded thinned copies of the bundled samples, in turn, and their samplesheet."""
    sheet.parent.mkdir(parents=True, exist_ok=True)
    demo = pd.read_csv(DEMO)
    rows = []
    for number in range(samples):
        original = demo.iloc[number % len(demo)]
        name = f"{original['sample']}_{number}"
        cells = thinned(DEMO.parent / original["counts"], seed=number)
        write_h5ad(cells, sheet.parent / f"{name}.h5ad")
        row = {"sample": name, "counts": f"{name}.h5ad", "organism": original["organism"]}
        own = {"group": name, "tissue": original["tissue"]}
        rows.append(row | ({"group": "all"} if groups == "one" else own))
    pd.DataFrame(rows).to_csv(sheet, index=False)


def thinned(path: Path, *, seed: int) -> ad.AnnData:
    """Return the counts of a sample, each single count kept with probability ``SHARE``."""
    adata, _ = read_sample(path, settings={})
    counts = adata.X.data.astype(np.int64)
    kept = np.random.default_rng(seed).binomial(counts, SHARE)
    adata.X.data = kept.astype(adata.X.dtype)
    adata.X.eliminate_zeros()
    return adata


def run_pipeline(sheet: Path) -> Watched:
    """Run the pipeline in the samplesheet's folder, and record its cost.

    Raises InputError if the run fails.

    What was watched of an interrupted run is kept in ``watched.json`` and counts.
    """
    folder = sheet.parent
    (folder / "trace.config").write_text(TRACE)
    command = [str(ROOT / "nextflow"), "-c", "trace.config", "run", str(ROOT)]
    command += ["--input", str(sheet), *OPTIONS.split()]
    environment = {name: value for name, value in os.environ.items() if name not in THREAD_POOLS}
    kept, log = folder / "watched.json", folder / "run.log"
    before = watched = Watched(**read_json(kept)) if kept.is_file() else Watched(0.0, 0.0, 0.0)
    begun = time.perf_counter()
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=file, stderr=subprocess.STDOUT
        )
        while process.poll() is None:
            seconds = before.seconds + time.perf_counter() - begun
            watched = watched.with_look(seconds, resident_mb(process.pid), process.pid)
            write_json(asdict(watched), kept)
            time.sleep(INTERVAL)
    if process.returncode:
        what = f"the run failed:\n{log.read_text(errors='replace')[-2000:]}"
        raise InputError.of(what=what, where=sheet, remedy="correct this and repeat the command")
    return watched


def resident_mb(root: int) -> dict[int, float]:
    """Return the resident MB of a process and its descendants.

    Shared memory counts for each of them.
    """
    parents, sizes = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            pages = int((folder / "statm").read_text().split()[1])
        except (OSError, IndexError):
            continue  # it has ended meanwhile
        parents[int(folder.name)] = parent
        sizes[int(folder.name)] = pages * os.sysconf("SC_PAGE_SIZE") / MB
    tree = {root}
    while more := {process for process, parent in parents.items() if parent in tree} - tree:
        tree |= more
    return {process: size for process, size in sizes.items() if process in tree}


def costs(folder: Path, watched: Watched, *, cores: int) -> dict[str, Any]:
    """Return the time and memory of a run, from its trace and from watching it.

    The overhead is the time that the samples' tasks, back to back on all cores, would not have
    needed: starting Nextflow, submitting, staging, publishing, and cores that stand idle.
    """
    results = folder / "results"
    tasks = pd.read_csv(results / "pipeline_info/trace_batch.tsv", sep="\t", na_values=["-"])
    reserved = float((tasks["realtime"] * tasks["cpus"]).sum()) / 1000
    clusters = [read_table(path) for path in sorted(results.glob("groups/*/clusters.tsv"))]
    n_samples = len(list((results / "samples").iterdir()))
    return {
        "clustered_groups": len(clusters),
        "cells": sum(len(table) for table in clusters),
        "tasks": len(tasks),
        "seconds": round(watched.seconds, 1),
        "task_seconds": round(reserved, 1),
        "cpu_seconds": round(float((tasks["realtime"] * tasks["%cpu"]).sum()) / 1e5, 1),
        "overhead_per_sample": round((watched.seconds - reserved / cores) / n_samples, 2),
        "peak_mb": round(watched.peak_mb),
        "nextflow_mb": round(watched.nextflow_mb),
        "largest_task_mb": round(float(tasks["peak_rss"].max()) / MB),
    }


if __name__ == "__main__":
    run(benchmark_batch)
