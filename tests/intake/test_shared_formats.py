"""Files that other programs wrote, against independent readers."""

from __future__ import annotations

import gzip
import warnings

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import io
from scsiameseclu.errors import InputError
from scsiameseclu.intake.formats import read_matrix
from scsiameseclu.intake.read_counts import read_sample

pytestmark = pytest.mark.shared


def read(path, **options):
    return read_sample(path, settings=options)


def scanpy_h5(path):
    found = sc.read_10x_h5(path)
    return (
        found.X.toarray(),
        list(found.obs_names),
        list(found.var_names),
        list(found.var["gene_ids"]),
    )


def scipy_mtx(path, *, turned=False, zipped=False):
    with (gzip.open if zipped else open)(path, "rb") as file:
        matrix = io.mmread(file).toarray()
    return matrix if turned else matrix.T


@pytest.mark.parametrize(
    "name",
    [
        "cellranger_small/1.2.0/filtered_gene_bc_matrices_h5.h5",
        "cellranger_small/3.0.0/filtered_feature_bc_matrix.h5",
        "scprep/test_10X.h5",
    ],
)
def test_10x_hdf5(shared, name):
    path = shared / "raw_formats" / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scanpy warns of names that are not unique
        matrix, barcodes, symbols, ids = scanpy_h5(path)
    found, _ = read(path)
    np.testing.assert_array_equal(found.X.toarray(), matrix)
    assert list(found.obs_names) == barcodes
    assert list(found.var["gene_symbols"].astype(str)) == symbols
    assert list(found.var["gene_ids"]) == ids


def test_10x_hdf5_written_by_hand(shared):
    # Scanpy stumbles over its scalar genome.
    path = shared / "raw_formats/scprep/test_10X_cellranger3.h5"
    found, _ = read(path)
    assert found.X.sum() == h5py.File(path)["matrix/data"][:].sum()
    assert found.shape == (100, 100)


def test_10x_hdf5_of_several_genomes(shared):
    path = shared / "raw_formats/cellranger_small/1.2.0/multiple_genomes.h5"
    parts = [
        sc.read_10x_h5(path, genome=genome).X.toarray()
        for genome in ("another_genome", "hg19_chr21")
    ]
    np.testing.assert_array_equal(read(path)[0].X.toarray(), np.hstack(parts))


@pytest.mark.parametrize(
    ("name", "matrix"),
    [
        ("cellranger_small/1.2.0/filtered_gene_bc_matrices", "hg19_chr21/matrix.mtx"),
        ("cellranger_small/3.0.0/filtered_feature_bc_matrix", "matrix.mtx.gz"),
        ("cellranger_small/int-ids", "matrix.mtx"),
        ("scprep/test_10X", "matrix.mtx.gz"),
        ("scprep/test_10X_cellranger3", "matrix.mtx"),
        ("scprep/test_10X_duplicate_gene_names", "matrix.mtx.gz"),
        ("soupx_toy/filtered_gene_bc_matrices/GRCh38", "matrix.mtx"),
        ("soupx_toy/raw_gene_bc_matrices", "GRCh38/matrix.mtx"),
    ],
)
def test_folders(shared, name, matrix):
    folder = shared / "raw_formats" / name
    found, _ = read(folder)
    path = folder / matrix
    np.testing.assert_array_equal(found.X.toarray(), scipy_mtx(path, zipped=path.suffix == ".gz"))
    assert found.var_names.is_unique
    genes = next(
        file
        for file in sorted(path.parent.iterdir())
        if file.name.startswith(("genes", "features"))
    )
    table = pd.read_csv(genes, sep="\t", header=None, dtype=str)
    assert list(found.var["gene_ids"].astype(str)) == list(table[0])
    assert list(found.var["gene_symbols"].astype(str)) == list(table[1])


@pytest.mark.parametrize(
    ("name", "genes"), [("genes", "genes"), ("genes_duplicated", "duplicated")]
)
def test_kb(shared, name, genes):
    folder = shared / "raw_formats/kb"
    found, _ = read(folder / f"{name}.mtx")
    np.testing.assert_array_equal(found.X.toarray(), scipy_mtx(folder / f"{name}.mtx", turned=True))
    assert (
        list(found.var["gene_ids"].astype(str))
        == (folder / f"{genes}.genes.txt").read_text().split()
    )
    assert list(found.obs_names) == (folder / "genes.barcodes.txt").read_text().split()
    with pytest.raises(InputError, match="2 matrices"):
        read(folder)


def test_alevin(shared):
    folder = shared / "raw_formats/alevin/mouse1_unst_50"
    summary = pd.read_csv(folder / "alevin/featureDump.txt", sep="\t", index_col=0)
    found = read_matrix(folder)
    assert found.matrix.shape == (50, 54309)
    summary = summary.loc[found.barcodes]
    np.testing.assert_array_equal(found.matrix.getnnz(axis=1), summary["NumGenesExpressed"])
    np.testing.assert_allclose(found.matrix.sum(axis=1).A1, summary["DeduplicatedReads"], rtol=1e-5)
    rounded, _ = read_sample(folder, settings={}, round_counts=True)
    assert rounded.X.sum() == np.rint(found.matrix.data).sum()


@pytest.mark.parametrize("name", ["test_10X.zip", "test_10X_no_subdir.zip"])
def test_archives(shared, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    expected = scipy_mtx(shared / "raw_formats/scprep/test_10X/matrix.mtx.gz", zipped=True)
    np.testing.assert_array_equal(
        read(shared / "raw_formats/scprep" / name)[0].X.toarray(), expected
    )


@pytest.mark.parametrize(
    "name", ["test_small.csv", "test_small.tsv", "test_small_duplicate_gene_names.csv"]
)
def test_tables(shared, name):
    path = shared / "raw_formats/scprep" / name
    table = pd.read_csv(path, sep=None, engine="python", index_col=0)
    found, _ = read(path)
    np.testing.assert_array_equal(found.X.toarray(), table.to_numpy())
    assert list(found.obs_names) == list(table.index)


@pytest.mark.parametrize("name", ["expr_mat.loom", "kb/genes.loom"])
def test_loom(shared, name):
    path = shared / "raw_formats" / name
    found, _ = read(path)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(found.X.toarray(), file["matrix"][:].T)
    assert not found.obs_names[0].startswith("cell_")
    assert not found.var_names[0].startswith("gene_")


@pytest.mark.parametrize(
    "name",
    [
        "pbmc3k",
        "baron_mouse1",
        "sc_mixology_sc_dropseq",
        "kang8",
        "panc8_200",
        "cite_cbmc",
        "pbmc1k_v3",
        "tnbc302",
    ],
)
def test_h5ad(shared, name):
    path = shared / f"{name}.h5ad"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = ad.read_h5ad(path)
    found, labels = read(path, labels="label")
    assert abs(found.X - expected.X).nnz == 0
    assert list(found.obs_names) == list(expected.obs_names)
    assert list(found.var_names) == list(expected.var_names)
    assert list(labels["label"]) == expected.obs["label"].astype(str).replace("nan", "").tolist()


def test_early_h5ad(shared):
    path = shared / "raw_formats/kb/genes.h5ad"
    found, _ = read(path)
    assert found.shape == (29, 17)
    assert found.X.sum() == h5py.File(path)["X/data"][:].sum()


@pytest.mark.parametrize("name", ["human_kidney_counts_top2000", "10X_PBMC_top2000"])
def test_hdf5_with_x_and_y(shared, name):
    with h5py.File(shared / f"{name}.h5") as file:
        matrix, labels = file["X"][:], file["Y"][:]
    found, gold = read(shared / f"{name}.h5", labels="Y")
    np.testing.assert_array_equal(found.X.toarray(), matrix)
    np.testing.assert_array_equal(gold["label"].astype(int), labels)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("scprep/test_10X_invalid.zip", "archive is empty"),
        ("alevin/mouse1_unst_50", "round_counts"),
        ("alevin/mouse1_unst_50/alevin/quants_tier_mat.gz", "alevin"),
        ("soupx_toy/metaData.tsv", "none of its columns holds counts"),
        ("scprep/gene_symbols.csv", "one line"),
        ("scprep/barcodes.tsv", "one column"),
        ("cellranger_small/3.0.0/filtered_feature_bc_matrix/features.tsv.gz", "no number"),
    ],
)
def test_files_other_than_matrices(shared, tmp_path, monkeypatch, name, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=words) as caught:
        read(shared / "raw_formats" / name)
    assert len(caught.value.problems) == 1
