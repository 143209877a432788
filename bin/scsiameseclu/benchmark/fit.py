"""Fits of one method on one data set in a process of their own, isolated from others.

No other fit's libraries, memory or crashes matter.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import anndata as ad

from ..command import run
from .methods import METHODS, Method, NumberOfClusters
from .process import Record, cpu_seconds, peak_rss_mb, report, reset_peak_rss

WARM_UP = 100
"""Cells of a first fit, into one cluster, that is not timed: it loads libraries and compiles what
they compile."""


def fit(*, expression: Path, jobs: str) -> None:
    """Cluster, and print a line of JSON for each fit.

    Its keys are ``labels``, ``trained``, ``seconds`` (of CPU, which other work on the machine does
    not lengthen) and ``peak_rss_mb`` (of the process), or ``error``.

    Parameters
    ----------
    expression
        Normalized expression with its PCA.
    jobs
        JSON list of triples: name of the method, number of clusters or ``auto``, and seed.
    """
    adata, wanted = ad.read_h5ad(expression), json.loads(jobs)

    def fits() -> Iterator[Record]:
        first = METHODS[wanted[0][0]]
        with suppress(Exception):
            first.fit(
                adata[:WARM_UP].copy(), n_clusters=1 if "true" in first.modes else "auto", seed=0
            )
        for name, n_clusters, seed in wanted:
            yield _fitted(adata, METHODS[name], n_clusters, seed)

    report(fits)


def _fitted(adata: ad.AnnData, method: Method, n_clusters: NumberOfClusters, seed: int) -> Record:
    reset_peak_rss()
    started = cpu_seconds()
    try:
        found = method.fit(adata, n_clusters=n_clusters, seed=seed)
    except Exception as error:
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}
    seconds = cpu_seconds() - started
    return {
        "labels": found.labels.tolist(),
        "trained": found.trained,
        "seconds": seconds,
        "peak_rss_mb": peak_rss_mb(),
    }


if __name__ == "__main__":
    run(fit, versions=None)
