"""Sizes come from headers only, and impossible requests are reported before the run."""

from __future__ import annotations

import gzip
import io
import json
import shutil

import h5py
import numpy as np
import pytest
from scipy import sparse
from scipy.io import mmwrite
from scsiameseclu.files import read_json
from scsiameseclu.intake.estimate_memory import Size, estimate_memory, matrix_size

MB = 2**20
RATES = {
    "reading": {"fixed": 1000 * MB, "n_bytes": 10 * MB / 1e6},
    "filter": {"fixed": 1000 * MB, "n_cells": MB / 1e3, "n_values": 10 * MB / 1e6},
    "doublets": {"fixed": 1000 * MB, "n_cells": MB / 100, "n_values": 100 * MB / 1e6},
    "group": {"fixed": 1000 * MB, "n_cells": MB / 100, "n_values": 50 * MB / 1e6},
    "clustering": {"fixed": 3000 * MB, "n_cells": MB / 10, "n_values": 50 * MB / 1e6},
}


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


@pytest.mark.parametrize("name", ["count_matrix.mtx", "DGE.mtx", "matrix.mtx", "quants_mat.mtx"])
def test_cells_and_genes_are_told_apart_by_the_list_of_genes(example, tmp_path, name):
    mmwrite(tmp_path / name, sparse.coo_matrix(example.sparse))
    (tmp_path / "cell_metadata.csv").write_text(
        "bc_wells,sample\n" + "".join(f"{barcode},s\n" for barcode in example.barcodes)
    )
    (tmp_path / "all_genes.csv").write_text(
        "gene_id,gene_name\n" + "".join(f"{name},x\n" for name in example.ids)
    )
    assert matrix_size(tmp_path / name) == expected(example)
    (tmp_path / "all_genes.csv").unlink()
    by_name = expected(example)
    if name != "quants_mat.mtx":
        by_name = Size(by_name.n_genes, by_name.n_barcodes, by_name.n_stored)
    assert matrix_size(tmp_path / name) == by_name


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


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n1,2\n", b"\x89HDF\r\n\x1a\nxxx", b"%%MatrixMarket\n", b"\0" * 99]
)
def test_files_without_a_header_have_no_size(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    assert matrix_size(tmp_path / "x") is None
    (tmp_path / "hollow").mkdir()
    assert matrix_size(tmp_path / "hollow") is matrix_size(tmp_path / "nowhere") is None


def test_cells_of_an_unfiltered_matrix_are_as_many_as_the_counts_suffice_for():
    assert Size(700_000, 30_000, 40_000_000).n_cells == 20_000
    assert Size(10_000, 30_000, 20_000_000).n_cells == 10_000


def test_each_step_asks_by_its_rates():
    needs = Size(10_000, 30_000, 20_000_000).needs(RATES, n_bytes=10**8)
    assert needs == {"reading": 2000, "filter": 1210, "doublets": 3100}


def test_of_an_unfiltered_matrix_the_filter_sees_barcodes_and_doublets_are_sought_among_cells():
    needs = Size(700_000, 30_000, 40_000_000).needs(RATES)
    assert needs == {"reading": 1000, "filter": 2100, "doublets": 5200}


@pytest.fixture
def write_headers(tmp_path, monkeypatch):
    """Return a function that estimates samples of headers alone.

    A sample is (id, group, barcodes, counts).
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("scsiameseclu.intake.estimate_memory.RATES", RATES)

    def estimate(*samples, limit_mb=None):
        for number, (_, _, n_barcodes, n_stored) in enumerate(samples, start=1):
            if n_barcodes is not None:
                (tmp_path / f"in/{number}").mkdir(parents=True)
                with gzip.open(tmp_path / f"in/{number}/a b.mtx.gz", "wt") as file:
                    file.write(
                        "%%MatrixMarket matrix coordinate integer general\n%\n30000 "
                        f"{n_barcodes} {n_stored}\n"
                    )
        given = [{"id": sample, "group": group, "n_bytes": 1} for sample, group, *_ in samples]
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(given)))
        estimate_memory(counts=tmp_path / "in", limit_mb=limit_mb)
        return read_json("memory.json")

    return estimate


HUGE = (800_000, 900_000_000)
UNFILTERED = (700_000, 100_000_000)
USUAL = (10_000, 20_000_000)


def test_only_impossible_requests_give_a_warning(write_headers):
    found = write_headers(("a", "g", *USUAL), ("b", "h", *HUGE), limit_mb=8000)
    assert [bool(row["warning"]) for row in found["samples"]] == [False, True]
    assert [bool(row["warning"]) for row in found["groups"]] == [False, True]
    for words in (
        "b: the search for doublets asks for up to 96.7 GB",
        "900,000,000 counts",
        "7.8 GB",
        "resourceLimits",
    ):
        assert words in found["samples"][1]["warning"]
    for words in ("Group h: the clustering asks for up to 125.0 GB", "the filter leaves fewer"):
        assert words in found["groups"][1]["warning"]


def test_without_a_limit_there_is_no_warning(write_headers):
    found = write_headers(("b", "h", *HUGE))
    assert not any(row["warning"] for row in found["samples"] + found["groups"])


def test_a_group_asks_for_the_sum_of_its_samples(write_headers):
    (group,) = write_headers(("a", "g", *USUAL), ("b", "g", *USUAL), limit_mb=6000)["groups"]
    assert (group["n_cells"], group["n_values"]) == (20_000, 40_000_000)
    assert group["needs_mb"] == {"group": 3200, "clustering": 7000}
    assert "Group g" in group["warning"], "neither sample alone is too large"


def test_unknown_cells_of_unfiltered_samples_are_noted_without_a_warning(write_headers):
    found = write_headers(("a", "g", *UNFILTERED), ("b", "g", *USUAL), limit_mb=8000)
    raw, filtered = found["samples"]
    assert raw["needs_mb"]["doublets"] > 8000
    assert not raw["warning"]
    assert "not known" in raw["note"]
    assert "50,000 are assumed" in raw["note"]
    assert not filtered["note"]
    assert found["groups"][0]["needs_mb"]["clustering"] > 8000
    assert not found["groups"][0]["warning"]


def test_an_unfiltered_sample_too_large_to_be_filtered_is_warned_of(write_headers):
    (row,) = write_headers(("a", "g", *UNFILTERED), limit_mb=2500)["samples"]
    assert row["warning"].startswith(
        "a: the filter asks for up to 2.6 GB, but a task gets 2.4 GB at most"
    )


def test_a_group_with_a_sample_of_unknown_size_is_not_estimated(write_headers):
    found = write_headers(("a", "g", *USUAL), ("b", "h", *USUAL), ("elsewhere", "g", None, None))
    assert [row["sample"] for row in found["samples"]] == ["a", "b"]
    assert [row["group"] for row in found["groups"]] == ["h"]


def test_sizes_of_other_files_count_too(write_10x, example, tmp_path, monkeypatch):
    (tmp_path / "in/1").mkdir(parents=True)
    shutil.copy(write_10x(tmp_path / "y"), tmp_path / "in/1/y.h5")
    monkeypatch.chdir(tmp_path)
    given = [{"id": "a", "group": "g", "n_bytes": 1}]
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(given)))
    estimate_memory(counts=tmp_path / "in")
    assert read_json("memory.json")["samples"][0]["n_stored"] == np.count_nonzero(example.dense)
