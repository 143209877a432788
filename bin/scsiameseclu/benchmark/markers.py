"""Compare the marker test with Seurat's FindAllMarkers and scanpy's rank_genes_groups.

Runs by ``python -m`` this module.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from scipy import sparse
from scipy.io import mmwrite

from .._version import __version__
from ..annotation.markers import find_markers
from ..command import run
from ..depth import exact_log_normalized
from ..errors import InputError
from ..expression.normalize import raw_counts
from ..files import read_table, write_table
from .page import write_page
from .sections import SMALLEST_COMPARED

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = "markers.tsv"
SCRIPT = files(__package__) / "find_all_markers.R"
LABEL = "label"

Seconds = dict[str, float]


def benchmark_markers(
    *, data: Path, output: Path = Path("docs/benchmarks"), repeats: int = 3
) -> None:
    """Time the three on one data set, its labels as clusters.

    Writes OUTPUT/markers.tsv and OUTPUT.md.

    Parameters
    ----------
    data
        .h5ad with raw counts and obs['label'].
    output
        Folder for tables; the page is written next to it, with the ending .md.
    repeats
        Runs of ours and scanpy's; the fastest counts. Seurat's, the slowest, is run once.
    """
    expression = labelled_expression(data)
    seconds, ours = _ours(expression, repeats)
    seconds |= _scanpy(expression, repeats)
    rows = [{"method": method, "seconds": round(value, 2)} for method, value in seconds.items()]
    with tempfile.TemporaryDirectory() as folder:
        seurat = run_seurat(expression, Path(folder))
    if seurat is None:
        print("Seurat is left out: no Rscript with the package Seurat was found", file=sys.stderr)
    else:
        rows.append(
            {"method": f"Seurat {seurat[2]}, FindAllMarkers", "seconds": seurat[1]}
            | differences(ours, seurat[0])
        )
    output.mkdir(parents=True, exist_ok=True)
    about = {"dataset": data.name, "cells": expression.n_obs, "genes": expression.n_vars}
    write_table(pd.DataFrame(rows).assign(**about), output / TABLE)
    write_page(output)


def labelled_expression(path: Path) -> ad.AnnData:
    """Return log-normalised ``X`` (float64 CSR) of labelled cells and all genes.

    The clusters are in ``obs['cluster']``.
    """
    adata = ad.read_h5ad(path)
    if LABEL not in adata.obs:
        raise InputError.of(
            what="the cells have no labels", where=path, remedy=f"give an .h5ad with obs['{LABEL}']"
        )
    labels = adata.obs[LABEL].astype(str)
    adata = adata[(labels != "") & (labels != "nan")]
    found = ad.AnnData(
        obs=pd.DataFrame({"cluster": adata.obs[LABEL].astype(str).astype("category")}),
        var=pd.DataFrame(index=adata.var_names),
    )
    found.var_names_make_unique()
    found.layers["counts"] = raw_counts(adata)
    found.X = exact_log_normalized(found.layers["counts"])
    return found


def _ours(expression: ad.AnnData, repeats: int) -> tuple[Seconds, pd.DataFrame]:
    four, table = _fastest(lambda: find_markers(expression, seurat_compat="4"), repeats)
    five, _ = _fastest(lambda: find_markers(expression), repeats)
    names = [f"scsiameseclu {__version__}, as Seurat {version}" for version in (4, 5)]
    return dict(zip(names, (four, five), strict=True)), table


def _scanpy(expression: ad.AnnData, repeats: int) -> Seconds:
    adata = expression.copy()
    adata.uns["log1p"] = {}

    def test() -> None:
        with np.errstate(invalid="ignore"):  # genes without a count
            sc.tl.rank_genes_groups(adata, "cluster", method="wilcoxon", tie_correct=True)

    return {f"scanpy {version('scanpy')}, rank_genes_groups": _fastest(test, repeats)[0]}


def _fastest(function: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - begun)
    return min(times), result


def seurat_reason() -> str:
    """Return why the real Seurat cannot be run here; nothing if it can."""
    if shutil.which("Rscript") is None:
        return "there is no Rscript"
    command = ["Rscript", "-e", "library(Seurat)"]
    found = subprocess.run(command, capture_output=True, check=False)
    return "R has no package Seurat" if found.returncode else ""


def run_seurat(expression: ad.AnnData, folder: Path) -> tuple[pd.DataFrame, float, str] | None:
    """Return table, seconds and version of Seurat's FindAllMarkers; None if not installed.

    Parameters
    ----------
    expression
        Raw counts in ``layers['counts']``, clusters in ``obs['cluster']``.
    folder
        Empty folder for the files in between.
    """
    if seurat_reason():
        return None
    # Clusters by number and in the order of the categories, which is that of Seurat's levels; genes
    # by number, too.
    codes = np.asarray(expression.obs["cluster"].cat.codes)
    ordered = np.argsort(codes, kind="stable")
    mmwrite(folder / "matrix.mtx", sparse.coo_matrix(expression.layers["counts"][ordered].T))
    (folder / "clusters.tsv").write_text("".join(f"{code}\n" for code in codes[ordered]))
    subprocess.run(["Rscript", str(SCRIPT), str(folder)], check=True, stdout=subprocess.DEVNULL)
    table = read_table(folder / "markers.tsv", float_precision="round_trip")
    table["cluster"] = expression.obs["cluster"].cat.categories[table["cluster"]]
    table["gene"] = expression.var_names[table["gene"].str.removeprefix("gene").astype(int) - 1]
    seconds = float((folder / "seconds.txt").read_text())
    return table, seconds, (folder / "version.txt").read_text().strip()


def differences(ours: pd.DataFrame, theirs: pd.DataFrame) -> dict[str, Any]:
    """Return how far two marker tables differ: rows, order, largest difference of each number."""
    keys = [table[["cluster", "gene"]].to_numpy(dtype=str).tolist() for table in (ours, theirs)]
    same = keys[0] == keys[1]
    told: dict[str, Any] = {"rows": len(theirs), "same_rows": same}
    if not same:
        return told
    mine, other = (np.asarray(table["p_val"], dtype=np.float64) for table in (ours, theirs))
    compared = other > SMALLEST_COMPARED
    shares = (table[["pct.1", "pct.2"]].to_numpy(dtype=np.float64) for table in (ours, theirs))
    return told | {
        "largest_difference_log2fc": float(np.abs(ours["avg_log2FC"] - theirs["avg_log2FC"]).max()),
        "largest_difference_pct": float(np.abs(np.subtract(*shares)).max()),
        "largest_relative_difference_p": float(np.abs(mine[compared] / other[compared] - 1).max()),
    }


if __name__ == "__main__":
    run(benchmark_markers)
