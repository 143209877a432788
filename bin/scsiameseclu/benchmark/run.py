"""The benchmark's command: finds missing fits, makes them, and writes the results."""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError, quoted
from ..evaluation.scores import score_clusters
from ..expression.normalize import normalize
from .baselines import BASELINES, is_installed
from .datasets import Dataset, labelled_datasets, simulated_dataset
from .methods import ABLATIONS, COMPARED, CONSENSUS, LEIDEN, METHODS, OURS, SCANPY, SKETCHED, Method
from .page import RESULTS, SCALING, write_page
from .process import ProcessError, Record, records
from .results import append, cost, identities, identity, note, one_line, read_results, rounded, tidy
from .sources import Reached

SMALLEST = 100
"""Fewest simulated cells."""
WORTH_A_SKETCH = 2000
"""Cells above which a sketch of 1,000 is compared with all cells."""


@dataclass(frozen=True)
class Job:
    """One fit: a data set, a method, the number of clusters (``true`` or ``auto``) and a seed."""

    dataset: Dataset
    method: Method
    k_mode: str
    seed: int

    @property
    def n_clusters(self) -> int | str:
        """What the method is given: the number of types, or ``auto``."""
        return self.dataset.n_types if self.k_mode == "true" else "auto"

    def about(self) -> Record:
        """Return the columns of its row that are known before the fit."""
        code = _code(self.method.name)
        key = {"method": self.method.name, "k_mode": self.k_mode, "seed": self.seed}
        return self.dataset.about() | key | {"code": code.digest, "versions": code.versions}


@cache
def _code(name: str) -> Reached:
    return code_of(METHODS[name])


def code_of(method: Method) -> Reached:
    """Return the code that results depend on: the method's, the stage's before it, the scores'."""
    found = Reached(type(method), normalize, score_clusters, without=getattr(method, "without", ()))
    found.texts["", "parameters"] = repr(vars(method))
    return found


def benchmark(
    *,
    data: Path | None = None,
    output: Path = Path("docs/benchmarks"),
    seeds: int = 5,
    only: list[str] | None = None,
    leave_out: list[str] | None = None,
    methods: list[str] | None = None,
    ablate: bool = False,
    sketch: bool = False,
    scaling: list[int] | None = None,
    threads: int = 1,
) -> None:
    """Run every labelled data set of a folder by every method.

    Writes tables, figures and the page OUTPUT.md.

    Parameters
    ----------
    data
        Folder with .h5ad (labels in obs['label']) and .h5 (X and Y); files without labels are named
        and left out.
    output
        Folder of tables and figures; the page is next to it, with the ending .md. Results there are
        kept, and found anew only where the data, the method's code or a library of it has changed,
        or where they failed.
    seeds
        Number of seeds, 0, 1, ...
    only
        Names of the files to take. Default: all.
    leave_out
        Names of files to leave out, such as those whose labels are not types.
    methods
        Names of the methods to run. Default: all that are compared.
    ablate
        Instead of the comparison, run scSiameseClu without each of its parts.
    sketch
        Instead of the comparison, run scSiameseClu with and without a sketch of 1,000 cells on sets
        of more than 2,000.
    scaling
        Instead of the comparison, time these numbers of simulated cells, such as 10000 30000
        100000.
    threads
        Threads of each fit.
    """
    _check(data=data, scaling=scaling or (), seeds=seeds, threads=threads)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        if data is None or scaling:
            sets = [simulated_dataset(n, scratch=scratch) for n in scaling or ()]
            jobs = jobs_of(sets, (OURS, CONSENSUS, LEIDEN, SCANPY), [0], k_mode="auto")
        else:
            sets = labelled_datasets(
                data, scratch=scratch, only=only or (), leave_out=leave_out or ()
            )
            if ablate:
                jobs = jobs_of(sets, (OURS, CONSENSUS, *ABLATIONS), range(seeds), k_mode="true")
            elif sketch:
                large = [dataset for dataset in sets if dataset.n_cells > WORTH_A_SKETCH]
                jobs = jobs_of(large, (OURS, SKETCHED), range(seeds))
            else:
                jobs = jobs_of(sets, chosen_methods(methods), range(seeds))
        failed = measure(
            jobs, output / (SCALING if scaling else RESULTS), scratch=scratch, threads=threads
        )
    write_page(output)
    if failed:
        sys.exit(f"{failed} fits failed and are recorded so; run the command again to repeat them")


def _check(*, data: Path | None, scaling: Sequence[int], seeds: int, threads: int) -> None:
    where = "the command line"
    if seeds < 1 or threads < 1:
        remedy = "give --seeds and --threads of 1 or more"
        raise InputError.of(what="seeds and threads must be at least 1", where=where, remedy=remedy)
    if min(scaling, default=SMALLEST) < SMALLEST:
        what = f"fewer than {SMALLEST} cells are not timed"
        raise InputError.of(what=what, where="--scaling", remedy="give larger numbers of cells")
    if data is None and not scaling:
        raise InputError.of(what="no data sets are given", where=where, remedy="give --data FOLDER")


def chosen_methods(names: Sequence[str] | None) -> tuple[Method, ...]:
    """Return the methods of these names, or all compared methods and scanpy's path.

    Raises
    ------
    InputError
        If there is no method of a name, or its library is not installed.
    """
    known: dict[str, Method] = {method.name: method for method in (*COMPARED, SCANPY, *BASELINES)}
    for name in names or ():
        if name not in known:
            what, remedy = f"there is no method {quoted(name)}", f"choose from {', '.join(known)}"
            raise InputError.of(what=what, where="--methods", remedy=remedy)
        if not is_installed(known[name]):
            what = f"the library of {known[name].title} is not installed"
            remedy = "install it as described in docs/benchmarks.md"
            raise InputError.of(what=what, where="--methods", remedy=remedy)
    return tuple(
        method
        for name, method in known.items()
        if is_installed(method) and (not names or name in names)
    )


def jobs_of(
    datasets: Sequence[Dataset],
    methods: Sequence[Method],
    seeds: Sequence[int],
    *,
    k_mode: str | None = None,
) -> list[Job]:
    """Return every method on every data set, set by set, in all of its modes or in `k_mode`."""
    return [
        Job(dataset, method, mode, seed)
        for dataset in datasets
        for method in methods
        for mode in (method.modes if k_mode is None else (k_mode,))
        for seed in seeds
    ]


def measure(jobs: Sequence[Job], table: Path, *, scratch: Path, threads: int = 1) -> int:
    """Make the missing fits of `table`, adding each as it is found; return how many failed.

    A fit that fails has a row, too: with an ``error``, and without scores.
    """
    table.parent.mkdir(parents=True, exist_ok=True)
    known = identities(read_results(table))
    missing = [job for job in jobs if identity(job.about()) not in known]
    note(f"{len(jobs)} fits, {len(jobs) - len(missing)} of them already done")
    failed = 0
    for done, (job, found) in enumerate(_found(missing, scratch=scratch, threads=threads), start=1):
        row = job.about() | _scored(job.dataset, found)
        append(row, table)
        failed += bool(row.get("error"))
        result = row.get("error") or f"ARI {row['ari']:.3f}, {row['seconds']:.1f} s"
        what = f"{job.dataset.name}, {job.method.name}, k {job.k_mode}, seed {job.seed}"
        note(f"[{done} of {len(missing)}] {what}: {result}")
    tidy(table)
    return failed


def _found(jobs: Sequence[Job], *, scratch: Path, threads: int) -> Iterator[tuple[Job, Record]]:
    """Make the fits of one method on one data set in one process; replace it if it dies."""
    for _, together in itertools.groupby(
        jobs, key=lambda job: (job.dataset.name, type(job.method))
    ):
        left = list(together)
        while left:
            try:
                for found in run_fits(list(left), scratch=scratch, threads=threads):
                    yield left.pop(0), found
            except ProcessError as error:
                note(str(error))
                if left:
                    yield left.pop(0), {"error": str(error)}


def run_fits(jobs: Sequence[Job], *, scratch: Path, threads: int) -> Iterator[Record]:
    """Run :func:`scsiameseclu.benchmark.fit.fit` for jobs of one kind of method on one data set."""
    options = {
        "expression": jobs[0].dataset.expression,
        "jobs": json.dumps([[job.method.name, job.n_clusters, job.seed] for job in jobs]),
    }
    return records("fit", options, scratch=scratch, threads=threads)


def _scored(dataset: Dataset, found: Record) -> dict[str, Any]:
    if "error" in found:
        return {"error": one_line(found["error"])}
    clusters = pd.Series(found["labels"], index=dataset.gold.index).astype(str)
    scores = score_clusters(clusters, dataset.scores, dataset.gold)
    return cost(found) | {"trained": found["trained"]} | rounded(scores)
