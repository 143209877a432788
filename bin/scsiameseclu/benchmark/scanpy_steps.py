"""scanpy's standard path on one group, step by step, in a process of its own.

Measures seconds and peak memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import anndata as ad
import scanpy as sc

from ..command import run
from .process import Record, peak_rss_mb, report, reset_peak_rss

STEPS: dict[str, Callable[[ad.AnnData], object]] = {
    "normalize": lambda adata: (sc.pp.normalize_total(adata, target_sum=1e4), sc.pp.log1p(adata)),
    "variable genes": lambda adata: sc.pp.highly_variable_genes(adata, n_top_genes=2000),
    "PCA": lambda adata: sc.pp.pca(adata, mask_var="highly_variable"),
    "neighbors": sc.pp.neighbors,
    "Leiden": lambda adata: sc.tl.leiden(adata, flavor="igraph", n_iterations=2, directed=False),
    "UMAP": sc.tl.umap,
    "Wilcoxon": lambda adata: sc.tl.rank_genes_groups(adata, "leiden", method="wilcoxon"),
}
"""scanpy's tutorial, with its defaults."""


def time_scanpy(*, group: Path) -> None:
    """Print a line of JSON per step.

    Its keys are ``step``, ``seconds``, ``cpu_seconds`` and ``peak_mb`` (of the process).

    Parameters
    ----------
    group
        The pipeline's ``<group>.h5ad``, whose raw counts are used.
    """

    def steps() -> Iterator[Record]:
        found = ad.read_h5ad(group)
        adata = ad.AnnData(
            found.layers["counts"].astype("float32"), obs=found.obs[[]], var=found.var[[]]
        )
        del found
        for step, function in STEPS.items():
            reset_peak_rss()
            begun, cpu = time.monotonic(), time.process_time()
            function(adata)
            times = {"seconds": time.monotonic() - begun, "cpu_seconds": time.process_time() - cpu}
            yield {"step": step, **times, "peak_mb": peak_rss_mb()}

    report(steps)


if __name__ == "__main__":
    run(time_scanpy, versions=None)
