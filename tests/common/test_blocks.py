"""Matrices on disk: written and read some cells at a time they are those that were in memory."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scsiameseclu import blocks
from scsiameseclu.blocks import MatrixWriter, columns_of, opened, row_blocks, write_tables
from scsiameseclu.files import write_h5ad


def counts(n_cells: int = 30, n_genes: int = 12) -> sparse.csr_matrix:
    return sparse.csr_matrix(
        np.random.default_rng(0).poisson(0.7, (n_cells, n_genes)).astype(np.int32)
    )


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an .h5ad that was written 7 cells at a time."""
    monkeypatch.setattr(blocks.row_blocks, "__defaults__", (7,))
    adata = ad.AnnData(counts().astype(np.float32), layers={"counts": counts()})
    adata.obs["kind"] = pd.Categorical(["a", "b", "c"] * 10)
    adata.obsm["X_pca"] = np.arange(60.0).reshape(30, 2)
    adata.uns["note"] = {"seed": 1}
    write_h5ad(adata, tmp_path / "x.h5ad")
    return tmp_path / "x.h5ad"


def test_anndata_reads_files_written_in_blocks(path: Path) -> None:
    for read in (ad.read_h5ad(path), ad.read_h5ad(path, backed="r").to_memory()):
        assert (counts() != read.X).nnz == (read.layers["counts"] != counts()).nnz == 0
        assert (read.X.dtype, read.layers["counts"].dtype) == (np.float32, np.int32)
        assert read.X.indices.dtype == read.X.indptr.dtype == np.int32
        assert read.obs["kind"].tolist() == ["a", "b", "c"] * 10
        assert read.obsm["X_pca"][-1].tolist() == [58, 59]
        assert read.uns["note"]["seed"] == 1


def test_only_types_that_every_reader_of_hdf5_knows(path: Path) -> None:
    with h5py.File(path) as file:
        filters = {file[f"X/{name}"].compression for name in ("data", "indices", "indptr")}
    assert filters == {"gzip"}


def test_matrices_stay_on_disk_until_they_are_sliced(path: Path) -> None:
    with opened(path) as adata:
        assert not sparse.issparse(adata.X)
        assert not sparse.issparse(adata.layers["counts"])
        parts = list(row_blocks(adata.X))
        assert [rows.shape[0] for _, rows in parts] == [7, 7, 7, 7, 2]
        assert (sparse.vstack([rows for _, rows in parts]) != counts()).nnz == 0
        write_h5ad(adata, path.with_name("copy.h5ad"))
    assert path.with_name("copy.h5ad").read_bytes() == path.read_bytes()


def test_some_cells_are_written(path: Path) -> None:
    kept = np.arange(30) % 4 == 0
    with opened(path) as adata:
        write_h5ad(adata, path.with_name("some.h5ad"), kept=kept)
    some = ad.read_h5ad(path.with_name("some.h5ad"))
    assert (counts()[kept] != some.X).nnz == (some.layers["counts"] != counts()[kept]).nnz == 0
    assert some.obs_names.tolist() == [str(number) for number in np.flatnonzero(kept)]


@pytest.mark.parametrize("kept", [None, np.arange(30) % 3 > 0], ids=["all", "some"])
def test_columns_are_those_of_the_whole_matrix(path: Path, kept: np.ndarray | None) -> None:
    expected = counts() if kept is None else counts()[kept]
    for matrix in (counts(), counts().toarray()):
        found = columns_of(matrix, kept)
        assert found.format == "csc"
        assert (found != expected).nnz == 0
    with opened(path) as adata:
        assert (columns_of(adata.layers["counts"], kept) != expected).nnz == 0


def test_reading_columns_does_not_change_the_matrix() -> None:
    matrix = counts()
    matrix.data[3] = 0
    before = matrix.copy()
    assert columns_of(matrix).nnz == matrix.nnz - 1
    assert matrix.nnz == before.nnz
    assert (matrix.data == before.data).all()


def test_two_matrices_share_their_places(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5ad", "w") as file:
        size = {"n_genes": 12, "n_values": counts().nnz}
        first = MatrixWriter(file, "layers/counts", dtype=np.int32, **size)
        second = MatrixWriter(file, "X", dtype=np.float32, like=first, **size)
        for _, rows in row_blocks(counts(), 11):
            first.append(rows)
            second.append(rows.astype(np.float32) / 2)
        write_tables(file, ad.AnnData(shape=counts().shape))
        assert file["X/indices"] == file["layers/counts/indices"]
    read = ad.read_h5ad(tmp_path / "x.h5ad")
    assert (read.layers["counts"] != counts()).nnz == 0
    assert (counts() / 2 != read.X).nnz == 0


def test_raw_is_kept(tmp_path: Path) -> None:
    adata = ad.AnnData(counts().astype(np.float32))
    adata.raw = ad.AnnData(counts())
    write_h5ad(adata, tmp_path / "x.h5ad")
    assert (counts() != ad.read_h5ad(tmp_path / "x.h5ad").raw.X).nnz == 0
