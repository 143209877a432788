"""Every format, written without our code, is read as it was written."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tarfile
import zipfile

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import io, sparse
from scsiameseclu.intake.formats import read_matrix
from scsiameseclu.intake.read_counts import read_sample

from tests.intake.reading import notes, read, refused

# --- Matrix Market ---


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("prefix", ["", "GSM12_liver_"])
def test_mtx_folder(example, write_mtx, tmp_path, version, zipped, prefix):
    example.check(read(write_mtx(tmp_path, version=version, zipped=zipped, prefix=prefix)))


def test_mtx_file_and_link_to_it(example, write_mtx, tmp_path):
    folder = write_mtx(tmp_path / "a")
    link = tmp_path / "elsewhere.mtx"
    link.symlink_to(folder / "matrix.mtx.gz")
    example.check(read(folder / "matrix.mtx.gz"))
    example.check(read(link))


@pytest.mark.parametrize(
    "where", ["filtered_feature_bc_matrix", "a/b/filtered_gene_bc_matrices/GRCh38"]
)
def test_mtx_in_a_sub_folder(example, write_mtx, tmp_path, where):
    write_mtx(tmp_path / where)
    adata = read(tmp_path)
    example.check(adata)
    assert where in notes(adata)


def test_outs_folder_prefers_filtered(example, write_mtx, write_10x, tmp_path):
    write_mtx(tmp_path / "filtered_feature_bc_matrix")
    write_10x(tmp_path / "filtered_feature_bc_matrix.h5")
    write_mtx(tmp_path / "raw_feature_bc_matrix")
    write_10x(tmp_path / "raw_feature_bc_matrix.h5")
    (tmp_path / "web_summary.html").write_text("<html>")
    adata = read(tmp_path)
    example.check(adata)
    assert "'filtered_feature_bc_matrix.h5' was read; other matrices there: 3" in notes(adata)


def test_starsolo(example, write_mtx, tmp_path):
    folder = write_mtx(tmp_path / "Solo.out/Gene/filtered", zipped=False)
    shutil.copy(folder / "matrix.mtx", folder / "UniqueAndMult-EM.mtx")
    write_mtx(tmp_path / "Solo.out/Gene/raw", zipped=False)
    example.check(read(tmp_path / "Solo.out"))
    example.check(read(folder))


def test_starsolo_genes_are_preferred_and_noted(example, write_mtx, write_kb, tmp_path):
    write_mtx(tmp_path / "Solo.out/Gene/filtered", zipped=False)
    write_mtx(tmp_path / "Solo.out/Gene/raw", zipped=False)
    write_mtx(tmp_path / "Solo.out/SJ/raw", zipped=False)
    for kind in ("raw", "filtered"):
        folder = write_mtx(tmp_path / f"Solo.out/GeneFull/{kind}", zipped=False)
        io.mmwrite(folder / "matrix.mtx", sparse.coo_matrix(example.sparse.T * 2))
    adata = read(tmp_path / "Solo.out")
    example.check(adata)
    assert "'Gene/filtered/matrix.mtx' was read; other matrices there: 4" in notes(adata)
    shutil.rmtree(tmp_path / "Solo.out/Gene/filtered")
    assert "'Gene/raw/matrix.mtx' was read" in notes(read(tmp_path / "Solo.out"))
    assert read(tmp_path / "Solo.out/GeneFull").X.sum() == 2 * example.dense.sum()


@pytest.mark.parametrize("prefix", ["GSM1_", "sample 1-"])
def test_outs_folder_with_prefixes(example, write_mtx, write_10x, tmp_path, prefix):
    (tmp_path / "outs/analysis").mkdir(parents=True)
    write_10x(tmp_path / f"outs/{prefix}raw_feature_bc_matrix.h5")
    write_10x(tmp_path / f"outs/{prefix}filtered_feature_bc_matrix.h5")
    (tmp_path / "outs/analysis/clusters.csv").write_text("Barcode,Cluster\nA,1\n")
    adata = read(tmp_path / "outs")
    example.check(adata)
    assert f"'{prefix}filtered_feature_bc_matrix.h5' was read; other matrices there: 1" in notes(
        adata
    )


def test_kb_is_transposed(example, write_kb, tmp_path):
    adata = read(write_kb(tmp_path))
    example.check(adata)
    assert "cells x genes" in notes(adata)


@pytest.mark.parametrize("end", ["", " ", " \t", "\r", "\n\n", "\2", " x", " 7"])
@pytest.mark.parametrize("zipped", [False, True])
def test_whatever_the_last_line_ends_with(example, write_mtx, tmp_path, end, zipped):
    folder = write_mtx(tmp_path, zipped=False)
    content = (folder / "matrix.mtx").read_bytes().rstrip() + end.encode()
    (folder / "matrix.mtx").unlink()
    (folder / f"matrix.mtx{'.gz' * zipped}").write_bytes(
        gzip.compress(content) if zipped else content
    )
    example.check(read(folder))


def test_kb_with_as_many_cells_as_genes(example, write_kb, tmp_path):
    example.dense = example.dense[:7]
    example.barcodes = example.barcodes[:7]
    np.testing.assert_array_equal(read(write_kb(tmp_path)).X.toarray(), example.dense)


def test_names_of_parent_folders_do_not_count(example, write_mtx, tmp_path):
    outs = tmp_path / "filtered_samples/outs"
    write_mtx(outs / "raw_feature_bc_matrix")
    write_mtx(outs / "filtered_feature_bc_matrix")
    adata = read(outs)
    example.check(adata)
    assert "'filtered_feature_bc_matrix/matrix.mtx.gz' was read; other matrices there: 1" in notes(
        adata
    )


@pytest.fixture
def kb_nac(example, write_kb, tmp_path):
    """Return a folder as of ``kb count --workflow nac``, and its matrices by kind."""
    folder = write_kb(tmp_path / "kb/counts_unfiltered")
    (folder / "cells_x_genes.mtx").unlink()
    kinds = {
        "ambiguous": example.sparse * 3,
        "mature": example.sparse,
        "nascent": example.sparse[::-1] * 2,
    }
    for kind, matrix in kinds.items():
        io.mmwrite(folder / f"cells_x_genes.{kind}.mtx", sparse.coo_matrix(matrix))
    return folder, {kind: matrix.toarray() for kind, matrix in kinds.items()}


def test_kb_parts_are_added_up_and_noted(example, kb_nac, tmp_path):
    folder, kinds = kb_nac
    for given in (folder, tmp_path / "kb"):
        adata = read(given)
        np.testing.assert_array_equal(adata.X.toarray(), sum(kinds.values()))
        assert list(adata.var["gene_ids"]) == example.ids
        for words in (
            "were added up",
            f"'cells_x_genes.nascent.mtx' {kinds['nascent'].sum():,}",
            "--sum",
        ):
            assert words in notes(adata)
    assert "'counts_unfiltered/cells_x_genes.ambiguous.mtx', " in notes(adata)


def test_kb_one_part_is_read_if_given(kb_nac):
    folder, kinds = kb_nac
    adata = read(folder / "cells_x_genes.mature.mtx")
    np.testing.assert_array_equal(adata.X.toarray(), kinds["mature"])
    assert "added up" not in notes(adata)


@pytest.mark.parametrize("wanted", ["cell", "nucleus", "total"])
def test_kb_requested_sum_is_read_and_noted(example, kb_nac, wanted):
    folder, kinds = kb_nac
    sums = {
        "cell": kinds["mature"] + kinds["ambiguous"],
        "nucleus": kinds["nascent"] + kinds["ambiguous"],
        "total": sum(kinds.values()),
    }
    for kind in sums if wanted == "total" else [wanted]:  # kb writes all three with --sum total
        io.mmwrite(folder / f"cells_x_genes.{kind}.mtx", sparse.coo_matrix(sums[kind]))
    adata = read(folder)
    np.testing.assert_array_equal(adata.X.toarray(), sums[wanted])
    others = 5 if wanted == "total" else 3
    assert f"'cells_x_genes.{wanted}.mtx' was read; other matrices there: {others}" in notes(adata)


def test_kb_filtered_parts_are_preferred(example, kb_nac):
    folder, kinds = kb_nac
    filtered = shutil.copytree(folder, folder.parent / "counts_filtered")
    for kind, matrix in kinds.items():
        io.mmwrite(filtered / f"cells_x_genes.{kind}.mtx", sparse.coo_matrix(matrix * 5))
    adata = read(folder.parent)
    np.testing.assert_array_equal(adata.X.toarray(), 5 * sum(kinds.values()))
    assert "other matrices there: 3" in notes(adata)


def test_kb_incomplete_parts_are_not_guessed(kb_nac):
    folder, _ = kb_nac
    (folder / "cells_x_genes.ambiguous.mtx").unlink()
    refused(folder, "2 matrices", "the path of the one you mean")
    shutil.copy(folder / "cells_x_genes.mature.mtx", folder / "other_cells_x_genes.ambiguous.mtx")
    refused(folder, "3 matrices", "the path of the one you mean")


def test_kb_parts_that_do_not_fit_are_reported(example, kb_nac):
    folder, _ = kb_nac
    io.mmwrite(folder / "cells_x_genes.nascent.mtx", sparse.coo_matrix(example.sparse[:-1]))
    refused(folder, "matrix is", "as one program wrote them together")


def test_kb_parts_never_add_up_past_the_largest_integer(example, kb_nac):
    folder, _ = kb_nac
    for kind in ("mature", "nascent"):
        dense = example.dense.copy()
        dense[0, 0] = 2**31 - 5
        io.mmwrite(folder / f"cells_x_genes.{kind}.mtx", sparse.coo_matrix(dense))
    refused(folder, "add up to more than 2,147,483,647", "Copy or download")


def test_alevin_fry_fractions_only_on_request(example, write_kb, tmp_path):
    folder = write_kb(tmp_path, matrix=example.sparse * 1.1)
    for old, new in (("mtx", ".mtx"), ("barcodes.txt", "_rows.txt"), ("genes.txt", "_cols.txt")):
        (folder / f"cells_x_genes.{old}").rename(folder / f"quants_mat{new}")
    (folder / "cells_x_genes.genes.names.txt").unlink()
    problem = refused(folder, "not whole numbers", "--round_counts")
    assert "'ENSG" in problem.what
    assert example.barcodes[0] in problem.what
    adata = read(folder, round_counts=True)
    np.testing.assert_array_equal(adata.X.toarray(), np.rint(example.dense * 1.1))
    assert "rounded" in notes(adata)


def test_alevin_binary(example, write_alevin, tmp_path):
    folder = write_alevin(tmp_path / "out/alevin")
    (tmp_path / "link").mkdir()
    (tmp_path / "link/quants_mat.gz").symlink_to(folder / "quants_mat.gz")
    for path in (
        tmp_path / "out",
        folder,
        folder / "quants_mat.gz",
        tmp_path / "link/quants_mat.gz",
    ):
        adata = read(path)
        np.testing.assert_array_equal(adata.X.toarray(), example.dense)
        assert list(adata.obs_names) == example.barcodes
        assert list(adata.var["gene_ids"]) == example.ids


def test_alevin_fractions_only_on_request(example, write_alevin, tmp_path):
    folder = write_alevin(tmp_path, factor=1.1)
    refused(folder, "not whole numbers", "--round_counts")
    adata = read(folder, round_counts=True)
    np.testing.assert_array_equal(adata.X.toarray(), np.rint(np.float32(1.1) * example.dense))
    settings = {"sample": "s", "overrides": {"round_counts": True}}
    assert abs(read_sample(folder, settings=settings)[0].X - adata.X).nnz == 0


def test_alevin_text_is_preferred_to_its_binary(example, write_alevin, write_kb, tmp_path):
    folder = write_alevin(tmp_path / "alevin", factor=2)
    write_kb(tmp_path / "kb")
    shutil.copy(tmp_path / "kb/cells_x_genes.mtx", folder / "quants_mat.mtx")
    adata = read(folder)
    np.testing.assert_array_equal(adata.X.toarray(), example.dense)
    assert "'quants_mat.mtx' was read; other matrices there: 1" in notes(adata)


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("quants_mat_rows.txt", lambda text: text + b"AAAA\n", ["ends before"]),
        (
            "quants_mat_rows.txt",
            lambda text: text[: text.rindex(b"\n", 0, -1) + 1],
            ["more than the cells"],
        ),
        ("quants_mat_cols.txt", lambda text: text[: text.rindex(b"\n", 0, -40) + 1], ["damaged"]),
        ("quants_mat.gz", lambda text: text[:-20], ["damaged"]),
    ],
)
def test_alevin_that_does_not_fit(write_alevin, tmp_path, file, change, words):
    path = write_alevin(tmp_path) / file
    path.write_bytes(change(path.read_bytes()))
    refused(tmp_path, *words)
    path.unlink()
    refused(tmp_path, "no" if file == "quants_mat.gz" else file)


def test_alevin_fry_splicing_is_added_up(example, tmp_path):
    spliced, unspliced, ambiguous = (
        np.random.default_rng(seed).poisson(2, example.dense.shape) for seed in range(3)
    )
    io.mmwrite(
        tmp_path / "quants_mat.mtx", sparse.coo_matrix(np.hstack([spliced, unspliced, ambiguous]))
    )
    names = [f"{name}{end}" for end in ("", "-U", "-A") for name in example.ids]
    (tmp_path / "quants_mat_cols.txt").write_text("\n".join(names) + "\n")
    (tmp_path / "quants_mat_rows.txt").write_text("\n".join(example.barcodes) + "\n")
    adata = read(tmp_path)
    np.testing.assert_array_equal(adata.X.toarray(), spliced + ambiguous)
    assert list(adata.var["gene_ids"]) == example.ids
    assert f"{unspliced.sum()} unspliced" in notes(adata)


def test_repeated_mtx_entries_are_added_up_and_noted(write_mtx, tmp_path):
    folder = write_mtx(tmp_path, zipped=False)
    text = "%%MatrixMarket matrix coordinate integer general\n7 12 3\n1 1 4\n1 1 5\n2 1 1\n"
    (folder / "matrix.mtx").write_text(text)
    adata = read(folder)
    assert adata.X[0, 0] == 9
    assert "Repeated counts of a gene and barcode: 1" in notes(adata)


def test_mtx_sums_never_wrap_around(write_mtx, tmp_path):
    folder = write_mtx(tmp_path, zipped=False)
    text = (
        "%%MatrixMarket matrix coordinate integer general\n7 12 2\n1 1 2000000000\n1 1 2000000000\n"
    )
    (folder / "matrix.mtx").write_text(text)
    refused(folder, "add up to more than")


def test_mtx_dense(example, write_mtx, tmp_path):
    folder = write_mtx(tmp_path, zipped=False)
    values = "\n".join(str(value) for value in example.dense.flatten())
    (folder / "matrix.mtx").write_text(
        f"%%MatrixMarket matrix array integer general\n7 12\n{values}\n"
    )
    example.check(read(folder))


@pytest.mark.parametrize("name", ["barcodes.tsv", "features.tsv"])
def test_mtx_that_does_not_fit_its_names(write_mtx, tmp_path, name):
    folder = write_mtx(tmp_path, zipped=False)
    (folder / name).write_text("\n".join((folder / name).read_text().splitlines()[1:]))
    refused(folder, "the matrix is 7 x 12", name)


@pytest.mark.parametrize("name", ["barcodes.tsv", "features.tsv"])
def test_mtx_without_its_names(write_mtx, tmp_path, name):
    folder = write_mtx(tmp_path, zipped=False)
    (folder / name).unlink()
    refused(folder, "there is none", name)


@pytest.mark.parametrize(
    "text",
    [
        "%%MatrixMarket matrix coordinate integer general\n7 12 99999999999999\n1 1 1\n",
        "%%MatrixMarket matrix coordinate integer general\n7 12 -1\n1 1 1\n",
        "%%MatrixMarket matrix coordinate integer general\n7 12 2\n1 1 1\n",
        "%%MatrixMarket matrix coordinate integer general\n7 12 1\n8 1 1\n",
        "%%MatrixMarket matrix coordinate integer general\n7 12 1\n1 1 x\n",
        "%%MatrixMarket matrix coordinate complex general\n7 12 1\n1 1 1 1\n",
        "%%MatrixMarket matrix coordinate integer symmetric\n7 7 1\n1 1 1\n",
        "%%MatrixMarket\n",
    ],
)
def test_mtx_that_is_damaged(write_mtx, tmp_path, text):
    folder = write_mtx(tmp_path, zipped=False)
    (folder / "matrix.mtx").write_text(text)
    refused(folder)


def test_features_other_than_genes_are_left_out(example, write_mtx, write_10x, tmp_path):
    types = ["Gene Expression"] * 5 + ["Antibody Capture"] * 2
    for path in (write_mtx(tmp_path / "a", types=types), write_10x(tmp_path / "b.h5", types=types)):
        adata = read(path)
        assert list(adata.var_names) == example.symbols[:5]
        np.testing.assert_array_equal(adata.X.toarray(), example.dense[:, :5])
        assert "2 Antibody Capture" in notes(adata)
    refused(
        write_mtx(tmp_path / "c", types=["Antibody Capture"] * 7), "no genes", "7 Antibody Capture"
    )


def test_ambiguous_folders_are_rejected(write_mtx, tmp_path):
    write_mtx(tmp_path / "two" / "a")
    write_mtx(tmp_path / "two" / "b")
    refused(tmp_path / "two", "holds 2 matrices", "a/matrix.mtx.gz")
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "notes.txt").write_text("x")
    refused(tmp_path / "none", "no matrix", "notes.txt", "matrix.mtx")


def test_links_in_a_circle(write_mtx, example, tmp_path):
    folder = write_mtx(tmp_path / "a")
    (folder / "again").symlink_to(tmp_path)
    example.check(read(tmp_path))
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refused(tmp_path / "loop", "leads back to itself")


# --- HDF5 ---


@pytest.mark.parametrize("version", [2, 3])
def test_10x_hdf5(example, write_10x, tmp_path, version):
    adata = read(write_10x(tmp_path / "named_like.csv", version=version))
    example.check(adata)
    assert json.loads(adata.uns["intake"])["format"] == f"10x HDF5 v{version}"


def test_10x_hdf5_genomes_side_by_side(example, write_10x, tmp_path):
    path = write_10x(tmp_path / "x.h5", version=2)
    first = list(example.barcodes)
    example.barcodes = first[::-1]
    write_10x(path, version=2, genome="mm10", mode="a")
    adata = read(path)
    assert list(adata.obs_names) == first
    np.testing.assert_array_equal(
        adata.X.toarray(), np.hstack([example.dense, example.dense[::-1]])
    )
    assert "GRCh38, mm10" in notes(adata)
    assert adata.var_names.is_unique


@pytest.mark.parametrize("missing", ["barcodes", "indices", "shape", "features"])
def test_10x_hdf5_incomplete(write_10x, tmp_path, missing):
    path = write_10x(tmp_path / "x.h5")
    with h5py.File(path, "a") as file:
        del file[f"matrix/{missing}"]
    refused(path)


def test_10x_hdf5_indices_out_of_range(write_10x, tmp_path):
    path = write_10x(tmp_path / "x.h5")
    with h5py.File(path, "a") as file:
        file["matrix/indices"][0] = 2**40
    refused(path, "inconsistent")


def test_10x_hdf5_truncated(write_10x, tmp_path):
    path = write_10x(tmp_path / "x.h5")
    path.write_bytes(path.read_bytes()[:-200])
    refused(path, "truncated")


def layered(example, place):
    adata = example.adata()
    raw = adata.X.copy()
    if place == "raw.X":
        adata.raw = adata.copy()
        adata = adata[:, :3].copy()
    elif place != "X":
        adata.layers[place] = raw
    if place != "X":
        adata.X = adata.X.multiply(0.3).tocsr()
    return adata


@pytest.mark.parametrize("place", ["counts", "spliced", "raw.X", "X"])
def test_h5ad_finds_the_raw_counts(example, tmp_path, place):
    layered(example, place).write_h5ad(tmp_path / "x.h5ad")
    adata = read(tmp_path / "x.h5ad")
    example.check(adata)
    assert place in notes(adata)


@pytest.mark.parametrize(
    "convert",
    [sparse.csc_matrix, lambda matrix: matrix.toarray(), lambda matrix: matrix.astype("i8")],
)
def test_h5ad_layouts(example, tmp_path, convert):
    adata = example.adata()
    adata.X = convert(adata.X)
    adata.write_h5ad(tmp_path / "x.h5ad", compression="gzip")
    example.check(read(tmp_path / "x.h5ad"))


def test_h5ad_without_whole_numbers(example, tmp_path):
    adata = example.adata()
    adata.X = adata.X.multiply(0.3).tocsr()
    adata.write_h5ad(tmp_path / "x.h5ad")
    refused(tmp_path / "x.h5ad", "not whole numbers", "in X", "'ACTB'", example.barcodes[0])


def test_h5ad_with_ids_as_names(example, tmp_path):
    adata = example.adata()
    adata.var = pd.DataFrame({"feature_name": pd.Categorical(example.symbols)}, index=example.ids)
    adata.write_h5ad(tmp_path / "x.h5ad")
    example.check(read(tmp_path / "x.h5ad"))


def test_h5ad_without_symbols(example, tmp_path):
    adata = example.adata()
    adata.var = pd.DataFrame(index=example.ids)
    adata.write_h5ad(tmp_path / "x.h5ad")
    found = read(tmp_path / "x.h5ad")
    assert (
        list(found.var_names)
        == list(found.var["gene_ids"])
        == list(found.var["gene_symbols"])
        == example.ids
    )


def test_h5ad_other_features(example, tmp_path):
    adata = example.adata()
    adata.var["feature_types"] = ["Gene Expression"] * 6 + ["Peaks"]
    adata.write_h5ad(tmp_path / "x.h5ad")
    assert read(tmp_path / "x.h5ad").n_vars == 6


def test_h5ad_keeps_only_the_counts(example, tmp_path):
    adata = example.adata()
    adata.obs["label"] = "T"
    adata.obsm["X_umap"] = np.zeros((adata.n_obs, 2))
    adata.uns["neighbors"] = {"secret": "label"}
    adata.write_h5ad(tmp_path / "x.h5ad")
    found = read(tmp_path / "x.h5ad")
    assert (found.obs.shape[1], len(found.obsm), len(found.layers), sorted(found.uns)) == (
        0,
        0,
        0,
        ["intake", "settings"],
    )


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "f8", "i8", "u1", "?"])
def test_hdf5_with_x(example, tmp_path, dtype):
    example.dense = np.minimum(example.dense, 1 if dtype == "?" else 200)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["X"] = example.dense.astype(dtype)
        file["Y"] = np.arange(12)
    example.check(read(tmp_path / "x.h5"), ids=False, barcodes=False, genes=False)


def test_hdf5_with_x_turned_and_named(example, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["X"], file["Y"] = example.dense.T, np.arange(12)
        file["gene_names"] = example.symbols
        file["barcodes"] = example.barcodes
    adata = read(tmp_path / "x.h5")
    example.check(adata, ids=False)
    assert "genes x cells" in notes(adata)


@pytest.mark.parametrize("shape", [(-1,), (-1, 1), (1, -1)])
@pytest.mark.parametrize("turned", [False, True])
def test_hdf5_with_lists_as_matrices_of_one_row_or_column(example, tmp_path, shape, turned):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["X"] = example.dense.T if turned else example.dense
        file["Y"] = np.arange(12).reshape(shape)
        file["gene_names"] = np.array(example.symbols, dtype="S").reshape(shape)
        file["barcodes"] = np.array(example.barcodes, dtype="S").reshape(shape)
    adata, labels = read_sample(tmp_path / "x.h5", settings={"labels": "Y"})
    example.check(adata, ids=False)
    assert list(labels["label"]) == [str(number) for number in range(12)]


def test_hdf5_with_sparse_x(example, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for name in ("data", "indices", "indptr"):
            file[f"X/{name}"] = getattr(example.sparse, name)
        file["X/shape"] = example.dense.shape
    example.check(read(tmp_path / "x.h5"), ids=False, barcodes=False, genes=False)


@pytest.mark.parametrize(
    "values", [np.zeros(5), np.zeros((2, 2, 2)), np.array([["a", "b"]], dtype="S1")]
)
def test_hdf5_with_an_x_that_is_not_a_matrix(tmp_path, values):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["X"] = values
    refused(tmp_path / "x.h5", "matrix")


def test_hdf5_without_x(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["table"] = [1, 2]
        file["gone"] = h5py.SoftLink("/nowhere")
    refused(tmp_path / "x.h5", "no count matrix", "'table'")


def test_hdf5_that_claims_too_much(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("X", (10**7, 10**5), "f4", chunks=(1000, 1000))
    refused(tmp_path / "x.h5", "cannot hold")


@pytest.mark.parametrize("names", [("CellID", "Gene"), ("obs_names", "var_names")])
def test_loom(example, tmp_path, names):
    with h5py.File(tmp_path / "x.loom", "w") as file:
        file["matrix"] = example.dense.T.astype("f4")
        file[f"col_attrs/{names[0]}"] = np.array(example.barcodes, dtype="S")
        file[f"row_attrs/{names[1]}"] = np.array(example.symbols, dtype="S")
        file["row_attrs/Accession"] = np.array(example.ids, dtype="S")
    example.check(read(tmp_path / "x.loom"))


@pytest.mark.parametrize("name", ["col_attrs/CellID", "row_attrs/Gene"])
def test_loom_with_more_names_than_counts(example, tmp_path, name):
    with h5py.File(tmp_path / "x.loom", "w") as file:
        file["matrix"] = example.dense.T
        file["col_attrs/CellID"] = np.array(example.barcodes, dtype="S")
        file["row_attrs/Gene"] = np.array(example.symbols, dtype="S")
        names = file[name][()]
        del file[name]
        file[name] = np.append(names, names[:1])
    refused(tmp_path / "x.loom", f"/{name} does not have the length of the matrix", "again")


def test_loom_with_counts_in_a_layer(example, tmp_path):
    with h5py.File(tmp_path / "x.loom", "w") as file:
        file["matrix"] = example.dense.T * 0.3
        file["layers/raw"] = example.dense.T
        file.create_group("row_attrs")
        file.create_group("col_attrs")
    adata = read(tmp_path / "x.loom")
    example.check(adata, ids=False, barcodes=False, genes=False)
    assert "layer 'raw'" in notes(adata)


# --- tables ---


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("delimiter", [",", "\t", ";", " "])
@pytest.mark.parametrize("zipped", [False, True])
def test_table(example, tmp_path, turned, delimiter, zipped):
    table = example.table().T if turned else example.table()
    table.to_csv(tmp_path / "x.dat", sep=delimiter, compression="gzip" if zipped else None)
    adata = read(tmp_path / "x.dat")
    example.check(adata, ids=False)
    assert "by their names" in notes(adata)


def test_table_as_written_by_r_and_drop_seq(example, tmp_path):
    text = example.table().T.to_csv(sep="\t")
    (tmp_path / "r.txt").write_text(text.removeprefix("\t"))
    with gzip.open(tmp_path / "dge.txt.gz", "wt") as file:
        file.write("GENE" + text)
    example.check(read(tmp_path / "r.txt"), ids=False)
    example.check(read(tmp_path / "dge.txt.gz"), ids=False)


def test_table_with_bom_and_crlf(example, tmp_path):
    (tmp_path / "x.csv").write_bytes(
        b"\xef\xbb\xbf" + example.table().to_csv(lineterminator="\r\n").encode() + b"\r\n"
    )
    example.check(read(tmp_path / "x.csv"), ids=False)


def test_table_without_names(example, tmp_path):
    np.savetxt(tmp_path / "x.csv", example.dense.T, fmt="%d", delimiter=",")
    adata = read(tmp_path / "x.csv")
    # The longer side is taken for genes.
    np.testing.assert_array_equal(adata.X.toarray(), example.dense.T)
    assert "by the shape alone" in notes(adata)


def test_table_with_a_header_only_above(example, tmp_path):
    example.table().to_csv(tmp_path / "x.csv", index=False)
    example.check(read(tmp_path / "x.csv"), ids=False, barcodes=False)


def test_table_with_numbers_as_names(example, tmp_path):
    pd.DataFrame(example.dense).to_csv(tmp_path / "x.csv")
    adata = read(tmp_path / "x.csv")
    np.testing.assert_array_equal(adata.X.toarray(), example.dense.T)
    assert "by the shape alone" in notes(adata)


def test_table_recognised_by_its_corner(tmp_path):
    (tmp_path / "x.csv").write_text("gene,left,right,middle\none,1,2,3\ntwo,4,5,6\n")
    assert list(read(tmp_path / "x.csv").var_names) == ["one", "two"]


def test_table_in_several_blocks(example, tmp_path, monkeypatch):
    monkeypatch.setattr("scsiameseclu.intake.formats._blocks.VALUES", 20)
    example.table().to_csv(tmp_path / "x.csv")
    example.check(read(tmp_path / "x.csv"), ids=False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b,c\nx,1,NA\n", ["'NA'", "row 2", "column 'c'"]),
        (",b,c\nx,1,\n", ["''"]),
        (",b,c\nx,1,2\ny,3\n", []),
        (",b,c\nx,1,2\ny,3,4,5\n", []),
        (",b,c\nx,1,2,3,4\n", ["fields"]),
        (",b,c\n", ["one line"]),
        ("AAA\nBBB\n", ["one column"]),
        ("\n\n\n", ["no line"]),
        (",b,c\nx,1,True\n", ["'True'"]),
        (",b,c\nx,1,nan\n", []),
        (",b,c\nx,1,inf\n", ["not finite"]),
        (",b,c\nx,1,-2\n", ["negative", "'c'", "'x'"]),
        (",b,c\nx,1,2.5\n", ["2.5", "--round_counts"]),
        (",b,c\nx,1,1_0\n", ["'1_0'"]),
        (",b,c\nx,1,99999999999999999999999\n", ["too large"]),
        (",b,c\nx,0,0\n", ["no counts"]),
    ],
)
def test_table_refused(tmp_path, text, words):
    (tmp_path / "x.csv").write_text(text)
    refused(tmp_path / "x.csv", *words)


# --- archives and others ---


@pytest.mark.parametrize("inside", ["filtered/", ""])
def test_archives(example, write_mtx, tmp_path, monkeypatch, inside):
    monkeypatch.chdir(tmp_path)
    folder = write_mtx(tmp_path / "filtered")
    with zipfile.ZipFile("x.zip", "w") as zipped, tarfile.open("x.tar.gz", "w:gz") as tarred:
        for path in sorted(folder.iterdir()):
            zipped.write(path, inside + path.name)
            tarred.add(path, inside + path.name)
    for name in ("x.zip", "x.tar.gz"):
        example.check(read(tmp_path / name))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["filtered", "x.tar.gz", "x.zip"]


def test_archive_never_writes_outside(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    with zipfile.ZipFile("x.zip", "w") as zipped:
        zipped.writestr("../escaped.csv", ",A\nx,1\n")
    with tarfile.open("x.tar", "w") as tarred:
        tarred.add("x.zip", "../escaped.csv")
    read(tmp_path / "in" / "x.zip")
    refused(tmp_path / "in" / "x.tar", "damaged")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_archives_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.zip").write_bytes(b"PK\3\4" + b"x" * 50)
    refused(tmp_path / "a.zip", "damaged")
    with zipfile.ZipFile("b.zip", "w"):
        pass
    refused(tmp_path / "b.zip", "empty")
    with zipfile.ZipFile("c.xlsx", "w") as zipped:
        zipped.writestr("[Content_Types].xml", "x")
    refused(tmp_path / "c.xlsx", "spreadsheet")
    with zipfile.ZipFile("d.zip", "w") as zipped:
        zipped.write("b.zip")
    refused(tmp_path / "d.zip", "holds an archive")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(b"X\n\0\0\0\3\0\4\1"), ["damaged"]),
        (b"RDX3\nX\n", ["R objects", "saveRDS"]),
        (b"@read1\nACGT\n+\nFFFF\n", ["reads"]),
        (b"", ["empty"]),
        (b"\0\1\2\3" * 50, ["format of the file is not recognised"]),
        ("gène,é\nx,1\n".encode("latin-1"), ["UTF-8"]),
        (gzip.compress(b",A,B\n" + b"x,1,2\n" * 500)[:-30], ["damaged"]),
        (b"\x1f\x8bnot gzip at all", []),
    ],
)
def test_other_files(tmp_path, content, words):
    (tmp_path / "x").write_bytes(content)
    refused(tmp_path / "x", *words)


def test_paths_that_cannot_be_read(tmp_path, monkeypatch):
    refused(tmp_path / "nothing.h5", "no such file")
    refused(tmp_path / ("x" * 5000), "length")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "neither a file nor a folder")
    (tmp_path / "x.csv").write_text(",A\nx,1\n")

    def deny(self, *_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", deny)
    refused(tmp_path / "x.csv", "permission", "chmod")


def test_every_reader_is_asked_by_content(example, write_10x, tmp_path):
    path = write_10x(tmp_path / "matrix.mtx.gz")
    assert read_matrix(path).format == "10x HDF5 v3"
    ad.AnnData(example.sparse).write_h5ad(tmp_path / "x.loom")
    assert read_matrix(tmp_path / "x.loom").format == "h5ad"
