"""A small matrix of counts, and a function per format that writes it without our code."""

from __future__ import annotations

import gzip
import shutil
import struct
import warnings
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import io, sparse

SHARED = Path(__file__).parents[3] / "shared" / "datasets"
N_CELLS, N_GENES = 12, 7


def pytest_collection_modifyitems(items):
    if not SHARED.is_dir():
        for item in items:
            if "shared" in item.keywords:
                item.add_marker(
                    pytest.mark.skip(reason="the data sets are not beside the checkout")
                )


@pytest.fixture
def shared() -> Path:
    return SHARED


class Example:
    """Counts of cells x genes with unambiguous names."""

    def __init__(self) -> None:
        draw = np.random.default_rng(3)
        self.dense = draw.poisson(0.7, size=(N_CELLS, N_GENES))
        self.dense[0, :] = 1
        self.dense[:, 0] += 1
        self.dense[2, 3] = 70_000
        self.barcodes = ["".join(draw.choice(list("ACGT"), 16)) + "-1" for _ in range(N_CELLS)]
        self.ids = [f"ENSG{number:011d}" for number in range(1, N_GENES + 1)]
        self.symbols = ["ACTB", "MT-CO1", "RPL3", "GAPDH", "B2M", "MALAT1", "KLK9"]

    @property
    def sparse(self) -> sparse.csr_matrix:
        """The counts as CSR."""
        return sparse.csr_matrix(self.dense)

    def adata(self) -> ad.AnnData:
        """Return the counts as AnnData."""
        var = pd.DataFrame({"gene_ids": self.ids}, index=self.symbols)
        return ad.AnnData(
            self.sparse.astype(np.float32), obs=pd.DataFrame(index=self.barcodes), var=var
        )

    def table(self) -> pd.DataFrame:
        """Return the counts as a table."""
        return pd.DataFrame(self.dense, index=self.barcodes, columns=self.symbols)

    def check(
        self, adata: ad.AnnData, *, ids: bool = True, barcodes: bool = True, genes: bool = True
    ) -> None:
        """Compare the data read with the data written."""
        assert isinstance(adata.X, sparse.csr_matrix)
        assert adata.X.dtype == np.int32
        assert adata.X.has_canonical_format
        np.testing.assert_array_equal(adata.X.toarray(), self.dense)
        assert list(adata.obs_names) == (
            self.barcodes if barcodes else [f"cell_{i + 1}" for i in range(N_CELLS)]
        )
        assert list(adata.var_names) == (
            self.symbols if genes else [f"gene_{i + 1}" for i in range(N_GENES)]
        )
        if ids:
            assert list(adata.var["gene_ids"]) == self.ids
        assert adata.obs.shape[1] == 0


@pytest.fixture
def example() -> Example:
    return Example()


def _write(path: Path, text: str, *, zipped: bool) -> None:
    if zipped:
        with gzip.open(f"{path}.gz", "wt") as file:
            file.write(text)
    else:
        path.write_text(text)


def _mtx(path: Path, matrix: sparse.spmatrix, *, zipped: bool) -> None:
    io.mmwrite(path, sparse.coo_matrix(matrix))
    if zipped:
        with path.open("rb") as plain, gzip.open(f"{path}.gz", "wb") as packed:
            shutil.copyfileobj(plain, packed)
        path.unlink()


@pytest.fixture
def write_mtx(example):
    def write(
        folder: Path, *, version: int = 3, zipped: bool | None = None, prefix: str = "", types=None
    ) -> Path:
        zipped = version == 3 if zipped is None else zipped
        folder.mkdir(parents=True, exist_ok=True)
        _mtx(folder / f"{prefix}matrix.mtx", example.sparse.T, zipped=zipped)
        columns = [example.ids, example.symbols]
        if version == 3:
            columns.append(types or ["Gene Expression"] * N_GENES)
        features = "".join("\t".join(row) + "\n" for row in zip(*columns, strict=True))
        _write(
            folder / f"{prefix}{'features' if version == 3 else 'genes'}.tsv",
            features,
            zipped=zipped,
        )
        _write(
            folder / f"{prefix}barcodes.tsv",
            "".join(f"{name}\n" for name in example.barcodes),
            zipped=zipped,
        )
        return folder

    return write


@pytest.fixture
def write_kb(example):
    def write(folder: Path, *, matrix: sparse.spmatrix | None = None) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        _mtx(
            folder / "cells_x_genes.mtx", example.sparse if matrix is None else matrix, zipped=False
        )
        (folder / "cells_x_genes.barcodes.txt").write_text("\n".join(example.barcodes) + "\n")
        (folder / "cells_x_genes.genes.txt").write_text("\n".join(example.ids) + "\n")
        (folder / "cells_x_genes.genes.names.txt").write_text("\n".join(example.symbols) + "\n")
        return folder

    return write


@pytest.fixture
def write_10x(example):
    def write(
        path: Path, *, version: int = 3, genome: str = "GRCh38", mode: str = "w", types=None
    ) -> Path:
        columns = sparse.csc_matrix(example.sparse.T)
        with h5py.File(path, mode) as file:
            group = file.create_group("matrix" if version == 3 else genome)
            group["data"], group["indices"], group["indptr"] = (
                columns.data,
                columns.indices.astype("int64"),
                columns.indptr,
            )
            group["shape"], group["barcodes"] = (
                list(columns.shape),
                np.array(example.barcodes, dtype="S"),
            )
            if version == 3:
                group["features/id"] = np.array(example.ids, dtype="S")
                group["features/name"] = np.array(example.symbols, dtype="S")
                group["features/feature_type"] = np.array(
                    types or ["Gene Expression"] * N_GENES, dtype="S"
                )
                group["features/genome"] = np.array([genome] * N_GENES, dtype="S")
            else:
                group["genes"], group["gene_names"] = (
                    np.array(example.ids, dtype="S"),
                    np.array(example.symbols, dtype="S"),
                )
        return path

    return write


@pytest.fixture
def write_zarr():
    def write(adata: ad.AnnData, path: Path, *, version: int = 2) -> Path:
        with ad.settings.override(zarr_write_format=version), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that another version will be the default
            adata.write_zarr(path)
        return path

    return write


@pytest.fixture
def write_alevin(example):
    def write(folder: Path, *, factor: float = 1.0) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        with gzip.open(folder / "quants_mat.gz", "wb") as file:
            for cell in example.dense:
                bits = "".join("1" if count else "0" for count in cell).ljust(
                    -(-len(cell) // 8) * 8, "0"
                )
                file.write(int(bits, 2).to_bytes(len(bits) // 8, "big"))
                file.write(struct.pack(f"<{np.count_nonzero(cell)}f", *(factor * cell[cell > 0])))
        (folder / "quants_mat_rows.txt").write_text(
            "".join(f"{name}\n" for name in example.barcodes)
        )
        (folder / "quants_mat_cols.txt").write_text("".join(f"{name}\n" for name in example.ids))
        return folder

    return write
