"""The annotated data open where the report says that they open, by the very lines that it shows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from string import Template

import anndata as ad
import h5py
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from scsiameseclu.report.provenance import RECIPES

from tests.r import run_r

from .conftest import Run

pytestmark = pytest.mark.pipeline
PATH = "groups/blood/blood.h5ad"
OLD = {
    "0.10.0": ["numpy<2", "pandas<2.2", "scipy<1.13"],
    "0.8.0": ["numpy<1.25", "pandas<2.1", "scipy<1.11"],
}
"""The oldest anndata that the package takes, and the first one of the present file format; with
numpy of their time."""
READ = """
import json, sys, warnings
warnings.simplefilter("ignore")
import anndata
adata = anndata.read_h5ad(sys.argv[1])
found = {
    "version": anndata.__version__,
    "counts": int(adata.layers["counts"].sum()),
    "x": float(adata.X.sum()),
    "umap": adata.obsm["X_umap"][0].tolist(),
    "clusters": adata.obs["cluster"].astype(str).tolist(),
    "uns": sorted(adata.uns["scsiameseclu"]),
}
json.dump(found, sys.stdout)
"""


def recipe(program: str) -> str:
    return Template(
        next(lines for name, lines in RECIPES.items() if name.startswith(program))
    ).substitute(path=PATH)


@pytest.fixture(scope="module")
def blood(demo: Run) -> ad.AnnData:
    return ad.read_h5ad(demo.results / PATH)


def test_the_report_shows_the_lines(demo: Run) -> None:
    report = (demo.results / "multiqc" / "multiqc_report.html").read_text()
    assert "hdf5r::H5File$new(&quot;groups/blood/blood.h5ad&quot;" in report


# Scanpy's plots, with the newest matplotlib.
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_scanpy_opens_it(demo: Run, blood: ad.AnnData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(demo.results)
    mpl.use("agg")
    names: dict[str, object] = {}
    exec(recipe("scanpy"), names)
    assert names["counts"].sum() == blood.layers["counts"].sum()  # type: ignore[attr-defined]


def test_seurat_opens_it(demo: Run, blood: ad.AnnData, tmp_path: Path) -> None:
    script_end = (
        'put <- function(name, value) cat(name, format(value, digits = 15), "\\n", sep = "\\t")\n'
        'put("counts", sum(Seurat::GetAssayData(seurat, "counts")))\n'
        'put("x", sum(Seurat::GetAssayData(seurat, "data")))\n'
        'put("umap", seurat[["umap"]]@cell.embeddings[2, ])\n'
        "cells <- data.frame(colnames(seurat), seurat$cluster, seurat$cell_type)\n"
        'path <- file.path(commandArgs(TRUE), "cells.tsv")\n'
        'write.table(cells, path, sep = "\\t", row.names = FALSE, quote = FALSE)\n'
    )
    script = tmp_path / "open.R"
    script.write_text(
        f'pdf(file.path(commandArgs(TRUE), "plot.pdf"))\n{recipe("Seurat")}{script_end}'
    )
    printed = run_r(script, "Seurat", "hdf5r", folder=demo.results, arguments=[tmp_path])
    reported = {name: values for name, *values in (line.split() for line in printed.splitlines())}
    assert float(reported["counts"][0]) == blood.layers["counts"].sum()
    assert float(reported["x"][0]) == pytest.approx(blood.X.sum(dtype=float), rel=1e-6)
    assert [float(value) for value in reported["umap"]] == pytest.approx(
        blood.obsm["X_umap"][1].tolist(), abs=1e-4
    )
    cells = pd.read_csv(tmp_path / "cells.tsv", sep="\t", dtype=str).to_numpy()
    expected = blood.obs[["cluster", "cell_type"]].astype(str).reset_index().to_numpy()
    np.testing.assert_array_equal(cells, expected)


@pytest.mark.parametrize("version", OLD)
def test_old_anndata_opens_it(demo: Run, blood: ad.AnnData, tmp_path: Path, version: str) -> None:
    uv = Path(sys.executable).with_name("uv")
    packages = [f"anndata=={version}", *OLD[version]]
    install = [uv, "pip", "install", "--quiet", *packages]
    environment = os.environ | {"VIRTUAL_ENV": str(tmp_path / "old")}
    made = uv.exists() and not any(
        subprocess.run(
            command, env=environment, capture_output=True, check=False, timeout=300
        ).returncode
        for command in (
            [uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "old"],
            install,
        )
    )
    if not made:
        pytest.skip(f"anndata {version} cannot be had on this machine")
    done = subprocess.run(
        [tmp_path / "old" / "bin" / "python", "-c", READ, demo.results / PATH],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    reported = json.loads(done.stdout)
    assert reported["version"] == version
    assert reported["counts"] == blood.layers["counts"].sum()
    assert reported["x"] == pytest.approx(float(blood.X.sum()), rel=1e-5)
    assert reported["umap"] == blood.obsm["X_umap"][0].tolist()
    assert reported["uns"] == sorted(blood.uns["scsiameseclu"])
    assert reported["clusters"] == blood.obs["cluster"].astype(str).tolist()


def test_it_follows_the_conventions_of_cellxgene(demo: Run, blood: ad.AnnData) -> None:
    assert blood.obs_names.is_unique
    assert blood.var_names.is_unique
    assert blood.X.dtype == np.float32
    assert blood.X.format == "csr"
    assert np.isfinite(blood.X.data).all()
    for name, places in blood.obsm.items():
        assert name.startswith("X_")
        assert isinstance(places, np.ndarray)
        assert places.dtype == np.float32
        assert np.isfinite(places).all()
    assert blood.obsm["X_umap"].shape == (blood.n_obs, 2)
    for column in ("sample", "cluster", "cell_type"):
        assert isinstance(blood.obs[column].dtype, pd.CategoricalDtype), column
        assert all(isinstance(name, str) for name in blood.obs[column].cat.categories)


@pytest.mark.parametrize("group", ["blood", "pancreas"])
def test_it_holds_only_types_that_all_readers_know(demo: Run, group: str) -> None:
    """Nullable columns, records and None came late; the recipe for Seurat reads these fields."""
    kinds = set()
    with h5py.File(demo.results / "groups" / group / f"{group}.h5ad") as file:
        file.visititems(lambda _name, item: kinds.add(item.attrs.get("encoding-type", "")))
        assert file["obs"].attrs["_index"] == file["var"].attrs["_index"] == "_index"
        assert file["layers/counts"].attrs["encoding-type"] == "csr_matrix"
    assert kinds <= {
        "",
        "array",
        "categorical",
        "csr_matrix",
        "dataframe",
        "dict",
        "numeric-scalar",
        "string",
        "string-array",
    }
