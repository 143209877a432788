"""The demo data equal their script's output, and independent readers find the truth."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import io, sparse

from tests.data import make_demo

DEMO = Path(__file__).parent / "demo"


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def content(path: Path) -> object:
    """Return the content of a file without compression: zlib's output differs between builds."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix in (".h5", ".h5ad"):
        found: dict[str, object] = {}
        with h5py.File(path) as file:
            file.visititems(
                lambda name, item: (
                    found.update({name: item[()].tolist()})
                    if isinstance(item, h5py.Dataset)
                    else None
                )
            )
        return found
    return path.read_bytes()


@pytest.fixture(scope="module")
def remade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    make_demo.make(folder)
    return folder


def test_remade_data_are_byte_identical(remade: Path, tmp_path: Path) -> None:
    make_demo.make(tmp_path)
    assert files(tmp_path) == files(remade)
    assert [
        name
        for name in files(remade)
        if (remade / name).read_bytes() != (tmp_path / name).read_bytes()
    ] == []


def test_bundled_data_equal_those_of_the_script(remade: Path) -> None:
    assert files(DEMO) == files(remade)
    assert [name for name in files(remade) if content(DEMO / name) != content(remade / name)] == []


def test_kept_data_are_small() -> None:
    assert sum((DEMO / name).stat().st_size for name in files(DEMO)) < 2e6


def read(name: str) -> tuple[sparse.csr_matrix, list[str]]:
    if name == "blood_1":
        with gzip.open(DEMO / name / "matrix.mtx.gz") as file:
            matrix = sparse.csr_matrix(io.mmread(file).T)
        return matrix, gzip.decompress(
            (DEMO / name / "barcodes.tsv.gz").read_bytes()
        ).decode().split()
    if name == "blood_2":
        with h5py.File(DEMO / f"{name}.h5") as file:
            parts = file["matrix"]
            n_genes, n_cells = parts["shape"]
            csr = sparse.csr_matrix(
                (parts["data"], parts["indices"], parts["indptr"]), (n_cells, n_genes)
            )
            return csr, [barcode.decode() for barcode in parts["barcodes"]]
    adata = ad.read_h5ad(DEMO / f"{name}.h5ad")
    return adata.X, adata.obs_names.tolist()


@pytest.mark.parametrize("name", list(make_demo.SAMPLES))
def test_files_hold_the_drawn_counts(name: str) -> None:
    drawn = make_demo.draw(make_demo.gene_names()[0], make_demo.SAMPLES[name])
    matrix, barcodes = read(name)
    assert barcodes == drawn.barcodes
    assert (matrix != drawn.counts).nnz == 0


@pytest.mark.parametrize("name", list(make_demo.SAMPLES))
def test_the_truth_counts_the_planted_cells(name: str) -> None:
    truth = pd.read_csv(DEMO / f"{name}.truth.csv", keep_default_na=False)
    labels = pd.read_csv(DEMO / f"{name}.labels.csv")
    sample = make_demo.SAMPLES[name]
    planted = {
        "singlet": sample.n_singlets,
        "doublet": sample.n_doublets,
        "dying": sample.n_dying,
        "empty": sample.n_empty,
    }
    assert truth["state"].value_counts().to_dict() == planted
    doublets = truth[truth["state"] == "doublet"]
    assert (doublets["type"] != doublets["second_type"]).all()
    named = truth[truth["state"] != "empty"]
    assert dict(zip(labels["barcode"], labels["label"], strict=True)) == dict(
        zip(named["barcode"], named["type"], strict=True)
    )
    assert set(labels["label"]) == set(sample.types)


def test_sheet_names_files_that_exist() -> None:
    with (DEMO / "samplesheet.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["sample"] for row in rows] == list(make_demo.SAMPLES)
    assert all((DEMO / row[column]).exists() for row in rows for column in ("counts", "labels"))


def test_genes_are_named_once_and_markers_are_among_them() -> None:
    symbols, ids = make_demo.gene_names()
    assert len(set(symbols)) == len(set(ids)) == make_demo.N_GENES
    markers = {
        symbol
        for types in (make_demo.BLOOD, make_demo.PANCREAS)
        for kind in types.values()
        for symbol in kind.markers
    }
    assert markers <= set(symbols)
    assert sum(symbol.startswith("MT-") for symbol in symbols) == 13


@pytest.mark.parametrize("name", list(make_demo.SAMPLES))
def test_markers_are_highest_in_their_type(name: str) -> None:
    symbols = make_demo.gene_names()[0]
    types = make_demo.SAMPLES[name].types
    drawn = make_demo.draw(symbols, make_demo.SAMPLES[name])
    healthy = (drawn.truth["state"] == "singlet").to_numpy()
    share = drawn.counts.toarray()[healthy] / np.asarray(drawn.counts.sum(axis=1))[healthy]
    mean = (
        pd.DataFrame(share, columns=symbols)
        .groupby(drawn.truth.loc[healthy, "type"].to_numpy())
        .mean()
    )
    own = {
        name: [m for m in kind.markers if sum(m in k.markers for k in types.values()) == 1]
        for name, kind in types.items()
    }
    for kind, markers in own.items():
        assert (mean[markers].idxmax() == kind).all(), kind
