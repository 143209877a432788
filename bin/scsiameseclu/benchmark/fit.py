"""One fit in a process of its own, so that its seconds and its peak memory are nobody else's."""

from __future__ import annotations

from ..command import run  # isort: skip  # first: it caps the threads

import json
import resource
import sys
import time
from pathlib import Path

import anndata as ad

from ..files import write_json
from .methods import METHODS


def fit(*, expression: Path, method: str, n_clusters: str, seed: int, switches: str = "{}", output: Path) -> None:
    """Cluster by one method; writes labels, seconds and peak memory as JSON.

    Parameters
    ----------
    expression
        Normalized expression with its PCA.
    method
        Name of the method.
    n_clusters
        Number of clusters, or ``auto``.
    seed
        Seed of everything random.
    switches
        JSON object of further arguments of the method.
    output
        File to write: ``labels``, ``trained``, ``seconds`` (of the method, without reading), ``peak_rss_mb`` (of the
        process).
    """
    adata = ad.read_h5ad(expression, backed="r")  # no method reads the normalized expression
    wanted = n_clusters if n_clusters == "auto" else int(n_clusters)
    started = time.monotonic()
    found = METHODS[method].function(adata, n_clusters=wanted, seed=seed, **json.loads(switches))
    seconds = time.monotonic() - started
    result = {"labels": found.labels, "trained": found.trained, "seconds": seconds, "peak_rss_mb": peak_rss_mb()}
    write_json(result, output, indent=None)


def peak_rss_mb() -> float:
    """Return the largest resident memory of this process so far, in MiB.

    From /proc where there is one: Linux's ``ru_maxrss`` also counts what the process that started this one had.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    run(fit, versions=None)
