"""The benchmark over a run's own groups: one seed of one group a step, then one page for all."""

from __future__ import annotations

import tempfile
from pathlib import Path

import anndata as ad
import pandas as pd

from ..errors import InputError
from ..intake.labels import read_labels
from ..steps import Step
from .baselines import BASELINES, is_installed
from .datasets import dataset_of
from .methods import COMPARED, SCANPY
from .run import jobs_of, measure


def compare_methods(
    *,
    prefix: str,
    expression: Path,
    labels: list[Path],
    methods: list[str] | None = None,
    seed: int = 0,
    threads: int = 1,
) -> None:
    """Cluster a labelled group by every method.

    Writes ``<prefix>.<seed>.results.tsv`` with one row per fit.

    Parameters
    ----------
    prefix
        Id of the group, the data set's name in the table.
    expression
        ``<group>.expression.h5ad``, the input of the methods.
    labels
        ``<sample>.labels.tsv`` (barcode label) of the group's samples that have a gold standard;
        only the scores read them, and the true number of clusters is theirs.
    methods
        Names of further methods, in addition to those always compared; ``all`` for all that are
        installed.
    seed
        Seed of everything random.
    threads
        Threads of each fit.

    Raises
    ------
    InputError
        If no cell that is left has a label, or a fit failed.
    """
    adata = ad.read_h5ad(expression)
    gold = _gold(labels, adata)
    dataset = dataset_of(prefix, expression.resolve(), adata, gold, n_genes=adata.n_vars)
    table = Path(f"{prefix}.{seed}.results.tsv")
    with tempfile.TemporaryDirectory() as scratch:
        known = [method for method in BASELINES if is_installed(method)]
        further = [method for method in known if {method.name, "all"} & set(methods or ())]
        jobs = jobs_of([dataset], (*COMPARED, SCANPY, *further), [seed])
        failed = measure(jobs, table, scratch=Path(scratch), threads=threads)
    if failed:
        raise InputError.of(
            what=f"{failed} fits of the benchmark failed.",
            where=f"group {prefix}, seed {seed}",
            remedy="See .command.err of the task for the reason, then run again with -resume.",
        )


def _gold(labels: list[Path], adata: ad.AnnData) -> pd.Series[str]:
    gold = read_labels(labels, adata.obs_names)
    if gold is None or gold.isna().all():
        names = ", ".join(sorted(path.name for path in labels)) or "none"
        raise InputError.of(
            what="No cell that passed quality control has a label, so the methods cannot be "
            "compared.",
            where=f"labels of the group's samples ({names})",
            remedy="Check that the labels' barcodes are those of the counts, or run without "
            "--benchmark.",
        )
    return gold


STEP = Step(compare_methods, isolate=True)
