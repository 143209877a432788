"""Sizes come from headers alone, and what no task can hold is told before it runs."""

from __future__ import annotations

import gzip
import shutil

import h5py
import numpy as np
import pytest
from scipy import sparse
from scsiameseclu.files import read_json
from scsiameseclu.intake.memory import Size, estimate_memory, matrix_size


def expected(example):
    return Size(*example.dense.shape, np.count_nonzero(example.dense))


@pytest.mark.parametrize("version", [2, 3])
def test_10x_hdf5(example, write_10x, tmp_path, version):
    assert matrix_size(write_10x(tmp_path / "x", version=version)) == expected(example)


def test_folders(example, write_mtx, write_10x, write_kb, tmp_path):
    assert matrix_size(write_mtx(tmp_path / "v3")) == expected(example)
    assert matrix_size(write_kb(tmp_path / "kb")) == expected(example)
    (tmp_path / "outs").mkdir()
    write_10x(tmp_path / "outs/filtered_feature_bc_matrix.h5")
    assert matrix_size(tmp_path / "outs") == expected(example)


def test_h5ad_takes_the_largest_matrix(example, tmp_path):
    adata = example.adata()
    adata.layers["counts"] = adata.X.copy()
    adata.X = sparse.csr_matrix(adata.shape, dtype=np.float32)
    adata.write_h5ad(tmp_path / "x")
    assert matrix_size(tmp_path / "x") == expected(example)


def test_dense_matrices_are_taken_to_hold_mostly_zeros(tmp_path):
    with h5py.File(tmp_path / "x", "w") as file:
        file.create_dataset("X", (1000, 200), dtype="f4")
    with h5py.File(tmp_path / "loom", "w") as file:
        file.create_dataset("matrix", (200, 1000), dtype="f4")
        file.create_group("row_attrs"), file.create_group("col_attrs")
    assert matrix_size(tmp_path / "x") == matrix_size(tmp_path / "loom") == Size(1000, 200, 20_000)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\x89HDF\r\n\x1a\nxxx", b"%%MatrixMarket\n", b"\0" * 99])
def test_what_has_no_header_has_no_size(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    assert matrix_size(tmp_path / "x") is None
    (tmp_path / "hollow").mkdir()
    assert matrix_size(tmp_path / "hollow") is matrix_size(tmp_path / "nowhere") is None


def test_cells_of_an_unfiltered_matrix_are_as_many_as_the_counts_suffice_for():
    assert Size(700_000, 30_000, 40_000_000).n_cells == 20_000
    assert Size(10_000, 30_000, 20_000_000).n_cells == 10_000


def test_needs_are_near_what_was_measured():
    needs = Size(700_000, 30_000, 40_713_377).needs()
    assert needs["reading"] == pytest.approx(1030, rel=0.1)
    assert needs["filter"] == pytest.approx(1050, rel=0.1)
    assert Size(9_981, 30_000, 20_000_000).needs()["doublets"] == pytest.approx(3250, rel=0.1)


def test_only_what_a_task_cannot_hold_is_warned_of(write_mtx, write_10x, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_mtx(tmp_path / "in/1/a b")
    (tmp_path / "in/2").mkdir()
    shutil.copy(write_10x(tmp_path / "y"), tmp_path / "in/2/y.h5")
    (tmp_path / "in/3").mkdir()
    with gzip.open(tmp_path / "in/3/huge.mtx.gz", "wt") as file:
        file.write("%%MatrixMarket matrix coordinate integer general\n%\n30000 800000 900000000\n1 1 1\n")
    estimate_memory(sample_ids=["a", "b", "c"], counts=tmp_path / "in", limit_mb=8000)
    found = {row["sample"]: row for row in read_json("memory.json")["samples"]}
    assert [bool(row["warning"]) for row in found.values()] == [False, False, True]
    for words in ("c: doublets may take", "900,000,000 counts", "8.0 GB at most", "resourceLimits"):
        assert words in found["c"]["warning"]
    estimate_memory(sample_ids=["a", "b", "c"], counts=tmp_path / "in")
    assert not any(row["warning"] for row in read_json("memory.json")["samples"])
