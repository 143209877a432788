"""The benchmark's command: which fits there are, which are still to be made, and what is made of them."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from .._version import __version__
from ..annotation.scores import score_clusters
from ..errors import InputError, quoted
from ..files import read_json, read_table, write_table
from ..threads import THREAD_POOLS
from .datasets import Dataset, labelled_datasets, simulated_dataset
from .methods import ABLATIONS, METHODS
from .page import ablation_table, write_page

RESULTS, ABLATION, SCALING = "results.tsv", "ablation.tsv", "scaling.tsv"
COLUMNS = (
    *("dataset", "cells", "genes", "types", "method", "k_mode", "seed"),
    *("acc", "nmi", "ari", "silhouette", "n_clusters", "seconds", "peak_rss_mb", "trained", "versions"),
)
KEY = ["dataset", "method", "k_mode", "seed"]
SCALED = ("scsiameseclu", "consensus", "leiden_k", "kmeans")
"""Methods timed on simulated cells."""
STAGES = ("intake", "quality", "expression", "clustering")
"""Packages that the cells go through: a change of one is another version."""
VERSIONED = ("anndata", "igraph", "numpy", "pynndescent", "scanpy", "scikit-learn", "scipy", "torch", "umap-learn")
START = 2000
"""What starting a process takes, in cells of a fit: for the estimate of the time left only."""


@dataclass(frozen=True)
class Job:
    """One fit.

    Parameters
    ----------
    dataset
        What is clustered.
    method
        Name in the table: of a method, or of an ablation.
    k_mode
        ``true``: the number of clusters is that of the types; ``auto``: it is found.
    seed
        Seed of everything random.
    function
        Key of :data:`~scsiameseclu.benchmark.methods.METHODS`.
    switches
        Further arguments of it.
    """

    dataset: Dataset
    method: str
    k_mode: str
    seed: int
    function: str
    switches: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What tells its row from others."""
        return self.dataset.name, self.method, self.k_mode, self.seed


def benchmark(
    *,
    data: Path | None = None,
    output: Path = Path("docs/benchmarks"),
    seeds: int = 5,
    only: list[str] | None = None,
    leave_out: list[str] | None = None,
    ablate: bool = False,
    scaling: str | None = None,
    threads: int = 1,
) -> None:
    """Run every labelled data set of a folder by every method and write tables, figures and the page OUTPUT.md.

    Results are kept in OUTPUT/*.tsv as they are found: a run that was interrupted goes on where it stopped, and results
    of other versions of the code are found anew. Of the page, only what stands between its marks is written.

    Parameters
    ----------
    data
        Folder with .h5ad (labels in obs['label']) and .h5 (X and Y); files without labels are named and left out.
    output
        Folder of tables and figures; the page is beside it, with .md at its end.
    seeds
        Number of seeds, 0, 1, ...
    only
        Names of the files to take. Default: all.
    leave_out
        Names of files not to take, such as those whose labels are no types.
    ablate
        Instead of the comparison, run scSiameseClu without each of its parts, and print the table.
    scaling
        Instead of the comparison, time these numbers of simulated cells, such as 10000,30000,100000.
    threads
        Threads of each fit.
    """
    _check(data=data, scaling=scaling, seeds=seeds, threads=threads)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        if scaling:
            datasets = [simulated_dataset(n, scratch=scratch) for n in sizes(scaling)]
            jobs, table = scaling_jobs(datasets), output / SCALING
        else:
            assert data is not None
            datasets = labelled_datasets(data, scratch=scratch, only=only or (), leave_out=leave_out or ())
            make = ablation_jobs if ablate else comparison_jobs
            jobs, table = make(datasets, range(seeds)), output / (ABLATION if ablate else RESULTS)
        failed = measure(jobs, table, scratch=scratch, threads=threads)
    tables = {name: read_results(output / name) for name in (RESULTS, ABLATION, SCALING)}
    write_page(output, results=tables[RESULTS], ablation=tables[ABLATION], scaling=tables[SCALING])
    if ablate:
        print(ablation_table(tables[ABLATION]))
    if failed:
        print(f"{failed} fits failed and are not in the tables; run again to try them again", file=sys.stderr)
        sys.exit(1)


def _check(*, data: Path | None, scaling: str | None, seeds: int, threads: int) -> None:
    if seeds < 1 or threads < 1:
        raise InputError.of(
            what="seeds and threads begin at 1",
            where="the command line",
            remedy="give --seeds and --threads of 1 or more",
        )
    if data is None and scaling is None:
        raise InputError.of(what="no data sets are named", where="the command line", remedy="give --data FOLDER")


def sizes(text: str) -> list[int]:
    """Return the numbers of cells in a text such as ``10000,30000``.

    Raises
    ------
    InputError
        If it is no list of whole numbers of at least 100.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) >= 100 for part in parts):
        raise InputError.of(
            what=f"{quoted(text)} is no list of numbers of cells",
            where="--scaling",
            remedy="give whole numbers of at least 100 with commas between them, such as 10000,30000,100000",
        )
    return sorted({int(part) for part in parts})


def comparison_jobs(datasets: Sequence[Dataset], seeds: Sequence[int]) -> list[Job]:
    """Return every method on every data set, seed by seed, so that an interrupted run has whole seeds."""
    return [
        Job(dataset, name, k_mode, seed, function=name)
        for seed in seeds
        for dataset in datasets
        for name, method in METHODS.items()
        for k_mode in method.modes
    ]


def ablation_jobs(datasets: Sequence[Dataset], seeds: Sequence[int]) -> list[Job]:
    """Return every ablation on every data set at the true number of clusters, seed by seed."""
    return [
        Job(dataset, name, "true", seed, function="scsiameseclu", switches=switches)
        for seed in seeds
        for dataset in datasets
        for name, switches in ABLATIONS.items()
    ]


def scaling_jobs(datasets: Sequence[Dataset]) -> list[Job]:
    """Return the methods that are timed, on the simulated cells."""
    return [Job(dataset, name, "true", 0, function=name) for dataset in datasets for name in SCALED]


def measure(jobs: Sequence[Job], table: Path, *, scratch: Path, threads: int = 1) -> int:
    """Make the fits that `table` does not have from this version, adding each as it is found.

    At the end the table is sorted, and of a fit made twice the later result stays.

    Returns
    -------
    How many fits failed.
    """
    current = versions()
    known = read_results(table)
    there = set(known.loc[known["versions"] == current, KEY].itertuples(index=False, name=None))
    missing = [job for job in jobs if job.key not in there]
    _tell(f"{len(jobs)} fits, of which {len(jobs) - len(missing)} are there already")
    countdown, failed = _Countdown(missing), 0
    for job in missing:
        row = score(job, versions=current, scratch=scratch, threads=threads)
        failed += row is None
        if row is not None:
            append(row, table)
        countdown.tell(job, row)
    if table.is_file():
        write_table(read_results(table), table)
    return failed


def score(job: Job, *, versions: str, scratch: Path, threads: int = 1) -> dict[str, Any] | None:
    """Make one fit and return its row, or None if it failed, which is told on stderr."""
    found = run_fit(job, scratch=scratch, threads=threads)
    if found is None:
        return None
    dataset = job.dataset
    clusters = pd.Series(found["labels"], index=dataset.gold.index).astype(str)
    row = dict(zip(KEY, job.key, strict=True))
    row |= {"cells": dataset.n_cells, "genes": dataset.n_genes, "types": dataset.n_types, "versions": versions}
    row |= {
        "seconds": round(found["seconds"], 2),
        "peak_rss_mb": round(found["peak_rss_mb"]),
        "trained": found["trained"],
    }
    return row | _rounded(score_clusters(clusters, dataset.scores, dataset.gold))


def _rounded(scores: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in scores.items()}


def run_fit(job: Job, *, scratch: Path, threads: int) -> dict[str, Any] | None:
    """Run :func:`scsiameseclu.benchmark.fit.fit` in a process of its own."""
    options = {
        "expression": job.dataset.expression,
        "method": job.function,
        "n-clusters": job.dataset.n_types if job.k_mode == "true" else "auto",
        "seed": job.seed,
        "switches": json.dumps(job.switches),
    }
    return run_module("fit", options, what=" ".join(map(str, job.key)), scratch=scratch, threads=threads)


def run_module(
    name: str, options: Mapping[str, Any], *, what: str, scratch: Path, threads: int
) -> dict[str, Any] | None:
    """Run a module of this package in a process of its own and return what it wrote.

    None if it failed, which is told on stderr.

    Parameters
    ----------
    name
        The module. Its command takes `options`, and ``--output``, a JSON file to write.
    options
        Names and values.
    what
        What is run, for the message.
    scratch
        Folder that it runs in.
    threads
        Threads that it may use.
    """
    output = scratch / "fit.json"
    output.unlink(missing_ok=True)
    command = [sys.executable, "-m", f"{__package__}.{name}"]
    command += [f"--{option}={value}" for option, value in {**options, "output": output}.items()]
    done = subprocess.run(
        command,
        cwd=scratch,
        env=_environment(threads),
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode or not output.is_file():
        _tell(f"exit status {done.returncode} of {what}\n{done.stderr}{_traceback(scratch)}")
        return None
    return read_json(output)


def _traceback(scratch: Path) -> str:
    """Return what a fit that failed left for its maintainers, and remove it."""
    path = scratch / "traceback.txt"
    if not path.is_file():
        return ""
    text = path.read_text()
    path.unlink()
    return text


def _environment(threads: int) -> dict[str, str]:
    """Return this process's environment, with the threads wanted and the package found where it is here."""
    path = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        **dict.fromkeys(("SCSIAMESECLU_THREADS", *THREAD_POOLS), str(threads)),
        "PYTHONPATH": os.pathsep.join(part for part in path if part),
    }


def read_results(table: Path) -> pd.DataFrame:
    """Return the results found so far, sorted by their key; without a file, none.

    Of several results with one key the last is taken. A last line that was cut off by an interruption is dropped.
    """
    if not table.is_file():
        return pd.DataFrame(columns=list(COLUMNS))
    found = read_table(table, dtype={"dataset": str, "method": str, "k_mode": str, "versions": str})
    if list(found) != list(COLUMNS):
        raise InputError.of(
            what="the table of results has other columns than those of this version",
            where=table,
            remedy="move it away; the results are then found anew",
        )
    whole = found[found["versions"].notna()].drop_duplicates(KEY, keep="last")
    return whole.astype({"seed": int}).sort_values(["cells", *KEY], ignore_index=True)


def append(row: Mapping[str, Any], table: Path) -> None:
    """Add a result to the table, on a line of its own even if the line before was cut off."""
    header = not table.is_file()
    text = pd.DataFrame([row], columns=list(COLUMNS)).to_csv(sep="\t", index=False, header=header, lineterminator="\n")
    if not header and not table.read_bytes().endswith(b"\n"):
        text = "\n" + text
    with table.open("a", encoding="utf-8") as file:
        file.write(text)


def versions() -> str:
    """Return the versions on which a result hangs: ours with a digest of the code, Python's and the libraries'."""
    package = Path(__file__).resolve().parents[1]
    sources = [path for stage in STAGES for path in sorted((package / stage).rglob("*.py"))]
    sources += [package / "benchmark" / name for name in ("datasets.py", "methods.py")]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:8]
    libraries = [f"{name} {importlib.metadata.version(name)}" for name in VERSIONED]
    return "; ".join([f"scsiameseclu {__version__}+{digest}", f"python {platform.python_version()}", *libraries])


class _Countdown:
    """Tells each result and when all will be there, from the cells of the fits made and still to be made."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.begun, self.done, self.n_jobs, self.n_done = time.monotonic(), 0, len(jobs), 0
        self.total = sum(job.dataset.n_cells + START for job in jobs)

    def tell(self, job: Job, row: Mapping[str, Any] | None) -> None:
        self.done += job.dataset.n_cells + START
        self.n_done += 1
        left = (time.monotonic() - self.begun) / self.done * (self.total - self.done)
        found = "failed" if row is None else f"ARI {row['ari']:.3f}, {row['seconds']:.1f} s"
        name, method, k_mode, seed = job.key
        what = f"{name}, {method}, k {k_mode}, seed {seed}: {found}"
        _tell(f"[{self.n_done} of {self.n_jobs}, about {left / 60:.0f} min left] {what}")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
