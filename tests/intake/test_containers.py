"""Containers and folders of many programs: the matrix taken, its names, and notes."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tarfile
import zipfile
from pathlib import Path

import anndata as ad
import h5py
import hdf5plugin
import numpy as np
import pandas as pd
import pytest
from scipy import io, sparse
from scsiameseclu.intake.formats import read_matrix
from scsiameseclu.intake.read_counts import read_sample

from tests.intake.reading import notes, read, refused

TEXT = h5py.string_dtype()


@pytest.fixture(autouse=True)
def _run_in_a_folder(tmp_path, monkeypatch):
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    yield
    assert list((tmp_path / "cwd").iterdir()) == []


# --- which matrix ---


@pytest.fixture
def parts(example):
    """Split the counts as velocyto, alevin-fry and kb do."""
    draw = np.random.default_rng(5)
    first = draw.binomial(example.dense, 0.5)
    second = draw.binomial(example.dense - first, 0.8)
    return first, second, example.dense - first - second


def layered(example, x, **layers):
    adata = example.adata()
    adata.X = sparse.csr_matrix(np.asarray(x, dtype=np.float32))
    for name, layer in layers.items():
        adata.layers[name] = sparse.csr_matrix(np.asarray(layer, dtype=np.float32))
    return adata


def velocity(parts, names=("spliced", "unspliced", "ambiguous")):
    return dict(zip(names, parts, strict=True))


NAC = ("mature", "nascent", "ambiguous")


@pytest.mark.parametrize("x", ["log", "spliced"])
def test_velocity_h5ad_gives_the_layer_of_all(example, parts, tmp_path, x):
    """anndata.read_loom puts spliced counts into X, and all into the layer matrix."""
    values = np.log1p(example.dense) if x == "log" else parts[0]
    layered(example, values, matrix=example.dense, **velocity(parts)).write_h5ad(tmp_path / "x")
    adata = read(tmp_path / "x")
    example.check(adata)
    assert "taken from layers['matrix']" in notes(adata)
    assert f"{parts[1].sum():,}" in notes(adata) or x == "spliced"


def test_velocity_h5ad_whose_spliced_counts_are_in_x_only(example, parts, tmp_path):
    layered(
        example, parts[0], matrix=example.dense, unspliced=parts[1], ambiguous=parts[2]
    ).write_h5ad(tmp_path / "x")
    example.check(read(tmp_path / "x"))


@pytest.mark.parametrize(
    "names", [("spliced", "unspliced", "ambiguous"), NAC, ("Spliced", "Unspliced", "Ambiguous")]
)
@pytest.mark.parametrize("x", ["log", "first", "second"])
def test_parts_are_not_taken_for_all_counts(example, parts, tmp_path, names, x):
    values = {"log": np.log1p(example.dense), "first": parts[0], "second": parts[1]}[x]
    layered(example, values, **velocity(parts, names)).write_h5ad(tmp_path / "x")
    adata = read(tmp_path / "x")
    example.check(adata)
    assert "sum of the layers" in notes(adata)
    assert f"{parts[1].sum():,}" in notes(adata)


@pytest.mark.parametrize("factor", [1, 0.5])
def test_parts_without_any_other_matrix(example, parts, tmp_path, factor):
    adata = layered(
        example, parts[0], **{name: part * factor for name, part in velocity(parts).items()}
    )
    adata.X = None
    adata.write_h5ad(tmp_path / "x")
    if factor == 1:
        example.check(read(tmp_path / "x"))
    else:
        refused(tmp_path / "x", "not whole numbers")


def test_two_parts_are_added_up_too(example, parts, tmp_path):
    """Kb's workflow lamanno knows no ambiguous counts."""
    layered(example, parts[0], spliced=parts[0], unspliced=example.dense - parts[0]).write_h5ad(
        tmp_path / "x"
    )
    example.check(read(tmp_path / "x"))


def test_a_sum_that_was_asked_for_is_kept(example, parts, tmp_path):
    """X of kb --sum=cell is mature and ambiguous counts.

    X of Cell Ranger with velocyto's layers is none of these.
    """
    for name, x in (("cell", parts[0] + parts[2]), ("other", example.dense + 1)):
        layered(example, x, **velocity(parts, NAC)).write_h5ad(tmp_path / name)
        adata = read(tmp_path / name)
        np.testing.assert_array_equal(adata.X.toarray(), x)
        assert "taken from X" in notes(adata)


def test_kb_gives_the_same_as_folder_and_as_h5ad(example, parts, write_kb, tmp_path):
    layered(example, parts[0], **velocity(parts, NAC)).write_h5ad(tmp_path / "adata.h5ad")
    folder = write_kb(tmp_path / "kb")
    (folder / "cells_x_genes.mtx").unlink()
    for kind, part in velocity(parts, NAC).items():
        io.mmwrite(folder / f"cells_x_genes.{kind}.mtx", sparse.coo_matrix(part))
    shutil.copy(tmp_path / "adata.h5ad", folder)
    for path in (tmp_path / "adata.h5ad", folder):
        example.check(read(path))


def test_simpleaf_gives_the_same_as_h5ad_and_as_matrix_market(example, parts, tmp_path):
    adata = layered(example, sum(parts), **velocity(parts))
    adata.uns["quant_info"] = "{}"
    adata.write_h5ad(tmp_path / "quants.h5ad")
    found = read(tmp_path / "quants.h5ad")
    np.testing.assert_array_equal(found.X.toarray(), parts[0] + parts[2])
    assert f"unspliced {parts[1].sum():,}" in notes(found)
    assert "left out" in notes(found)


def test_unspliced_counts_within_x_are_noted(example, parts, tmp_path):
    layered(example, sum(parts), **velocity(parts)).write_h5ad(tmp_path / "x")
    adata = read(tmp_path / "x")
    example.check(adata)
    assert f"include unspliced counts: {parts[1].sum():,}" in notes(adata)


def write_loom(path, example, matrix, layers=(), genes="Gene", cells="CellID", **more):
    with h5py.File(path, "w") as file:
        file["matrix"] = np.asarray(matrix).T
        file[f"row_attrs/{genes}"], file[f"col_attrs/{cells}"] = (
            np.array(names, dtype=TEXT) for names in (example.symbols, example.barcodes)
        )
        for name, values in dict(layers).items():
            file[f"layers/{name}"] = np.asarray(values).T
        for name, values in more.items():
            file[name.replace("__", "/")] = np.array(values, dtype=TEXT)
    return path


def test_velocity_loom(example, parts, tmp_path):
    path = write_loom(tmp_path / "x", example, np.log1p(example.dense), velocity(parts))
    adata = read(path)
    example.check(adata, ids=False)
    assert "sum of the layers" in notes(adata)


@pytest.mark.parametrize("name", ["raw_counts", "zz_unknown", "UMI"])
def test_a_mask_is_not_a_count_matrix(example, tmp_path, name):
    mask = example.dense > 0
    layered(example, np.log1p(example.dense), detected=mask, **{name: example.dense}).write_h5ad(
        tmp_path / "x"
    )
    example.check(read(tmp_path / "x"))
    layered(example, mask, **{name: example.dense}).write_h5ad(tmp_path / "y")
    adata = read(tmp_path / "y")
    example.check(adata)
    assert "X: 0 and 1 only" in notes(adata)
    example.check(
        read(write_loom(tmp_path / "z", example, mask * 0.5, {"a": mask, name: example.dense})),
        ids=False,
    )


def test_a_mask_is_not_used_if_there_are_no_counts(example, tmp_path):
    layered(example, example.dense * 0.3, detected=example.dense > 0).write_h5ad(tmp_path / "x")
    refused(tmp_path / "x", "not whole numbers", "in X")
    layered(example, example.dense * 0.3, counts=example.dense > 0).write_h5ad(tmp_path / "y")
    assert read(tmp_path / "y").X.max() == 1


def test_layers_of_unknown_names_are_not_guessed(example, tmp_path):
    layered(
        example, np.log1p(example.dense), ranks=example.dense[::-1], b=example.dense
    ).write_h5ad(tmp_path / "x")
    refused(tmp_path / "x", "layers['b']", "layers['ranks']", "layers['counts']")
    layered(example, np.log1p(example.dense), a=example.dense, b=example.dense).write_h5ad(
        tmp_path / "y"
    )
    example.check(read(tmp_path / "y"))


@pytest.mark.parametrize("kind", ["bool", "pattern", "ones"])
def test_a_matrix_of_zeros_and_ones_is_noted(example, write_mtx, tmp_path, kind):
    path = write_mtx(tmp_path / "m", zipped=False)
    if kind == "bool":
        with h5py.File(path := tmp_path / "x.h5", "w") as file:
            file["X"] = example.dense > 0
    elif kind == "pattern":
        io.mmwrite(path / "matrix.mtx", sparse.coo_matrix(example.sparse.T > 0), field="pattern")
    else:
        layered(example, example.dense > 0).write_h5ad(path := tmp_path / "x.h5ad")
    adata = read(path)
    np.testing.assert_array_equal(adata.X.toarray(), example.dense > 0)
    assert "No count is larger than 1" in notes(adata)


def test_10x_hdf5_with_two_matrices_is_not_read_as_the_first(write_10x, tmp_path):
    path = write_10x(tmp_path / "x.h5")
    with h5py.File(path, "a") as file:
        file.copy("matrix", "other")
    refused(path, "2 matrices", "'/matrix', '/other'")


# --- which names ---


FLY = ["mt:CoI", "elav", "repo", "Act5C", "RpL13", "nan", "Gad1"]


@pytest.mark.parametrize(
    ("index", "columns"),
    [
        ("numbers", {"gene_id": "ids", "gene_name": "symbols"}),
        ("numbers", {"Ensembl.ID": "ids", "Gene Symbol": "symbols"}),
        ("numbers", {"gene_ids": "ids", "features": "symbols"}),
        ("numbers", {"id": "ids", "name": "symbols"}),
        ("ids", {"feature_name": "symbols"}),
        ("ids", {"gene_ids": "ids", "hgnc": "symbols"}),
        ("ids", {"gene_id": "ids", "original_name": "symbols"}),
        ("symbols", {"gene_id": "ids", "hgnc": "hgnc_ids"}),
        ("symbols", {"gene_ids": "ids", "name": "descriptions"}),
        ("fly", {"gene_id": "fly", "gene_symbol": "fly_symbols"}),
        ("fly", {"gene": "fly_symbols"}),
        ("unknown", {"gene_id": "unknown", "gene_name": "symbols"}),
        ("worm", {"gene_name": "symbols"}),
    ],
)
def test_symbols_beside_ids(example, tmp_path, index, columns):
    n = range(7)
    known = {
        "ids": example.ids,
        "symbols": example.symbols,
        "numbers": list(map(str, n)),
        "fly_symbols": FLY,
    }
    known |= {"fly": [f"FBgn{13670 + i:07d}" for i in n], "hgnc_ids": [f"HGNC:{i}" for i in n]}
    known |= {"unknown": [f"Smp_{i:06d}" for i in n], "worm": [f"WBGene{i:08d}" for i in n]}
    known |= {"descriptions": [f"protein of kind {i}" for i in n]}
    var = pd.DataFrame({name: known[kind] for name, kind in columns.items()}, index=known[index])
    ad.AnnData(example.sparse.astype("f4"), pd.DataFrame(index=example.barcodes), var).write_h5ad(
        tmp_path / "x"
    )
    adata = read(tmp_path / "x")
    assert list(adata.var_names) == (FLY if index == "fly" else example.symbols)
    ids = known[index] if index in ("fly", "unknown", "worm") else example.ids
    assert list(adata.var["gene_ids"]) == ids


def test_cells_that_are_only_numbered(example, tmp_path):
    adata = example.adata()
    adata.obs_names = list(map(str, range(12)))
    adata.obs["barcodes"] = example.barcodes
    adata.write_h5ad(tmp_path / "x")
    example.check(read(tmp_path / "x"))


@pytest.mark.parametrize("lacking", ["raw", "var"])
def test_symbols_that_only_one_of_var_and_raw_has(example, tmp_path, lacking):
    adata = example.adata()
    adata.var = pd.DataFrame(index=example.ids)
    symbols = pd.Categorical(example.symbols)
    if lacking == "var":
        adata.var["feature_name"] = symbols
    adata.raw = adata.copy()
    if lacking == "var":
        del adata.var["feature_name"]
        with_counts, adata.raw = adata.raw.to_adata(), None
        with_counts.X = with_counts.X.multiply(0.3).tocsr()
        adata.raw = with_counts
    else:
        adata.X = adata.X.multiply(0.3).tocsr()
        adata.var["feature_name"] = symbols
        adata = adata[:, ::-1].copy()
    adata.write_h5ad(tmp_path / "x")
    example.check(read(tmp_path / "x"))


def test_numbers_of_two_tables_are_not_the_same_genes(example, tmp_path):
    """raw.var numbers all genes, var the kept ones: var's symbols say nothing of raw.X."""
    adata = example.adata()
    adata.var = pd.DataFrame(index=list(map(str, range(7))))
    adata.raw = adata.copy()
    adata = adata[:, 3:].copy()
    adata.X = adata.X.multiply(0.3).tocsr()
    adata.var = pd.DataFrame({"gene_name": example.symbols[3:]}, index=list(map(str, range(4))))
    adata.write_h5ad(tmp_path / "x")
    found = read(tmp_path / "x")
    np.testing.assert_array_equal(found.X.toarray(), example.dense)
    assert list(found.var_names) == list(map(str, range(7)))


@pytest.mark.parametrize(
    ("genes", "ids", "cells"),
    [
        ("gene_short_name", "id", "cell.names"),
        ("GeneName", "Accession", "Barcode"),
        ("Gene.Symbol", "EnsemblID", "obs_names"),
        ("something", None, "anything"),
    ],
)
def test_loom_of_other_names(example, tmp_path, genes, ids, cells):
    more = {f"row_attrs__{ids}": example.ids} if ids else {}
    adata = read(
        write_loom(tmp_path / "x", example, example.dense, genes=genes, cells=cells, **more)
    )
    example.check(adata, ids=ids is not None)


def test_loom_without_known_names_lists_its_attributes(example, tmp_path):
    more = {"row_attrs__b": example.symbols[::-1], "col_attrs__d": example.barcodes[::-1]}
    adata = read(write_loom(tmp_path / "x", example, example.dense, genes="a", cells="c", **more))
    example.check(adata, ids=False, barcodes=False, genes=False)
    assert "genes is known as their name: 'a', 'b'" in notes(adata)
    assert "cells is known as their name: 'c', 'd'" in notes(adata)


def test_seuratdisk(example, tmp_path):
    with h5py.File(tmp_path / "x.h5ad", "w") as file:
        for place, names in (
            ("obs", example.barcodes),
            ("var", example.symbols),
            ("raw/var", example.symbols),
        ):
            group = file.create_group(place)
            group["_index"] = np.array(names, dtype=TEXT)
            group.attrs["_index"] = "_index"
        file["obs/label"] = np.zeros(12, dtype=int)
        file["obs/__categories/label"] = np.array(["T"], dtype=TEXT)
        file["obs/label"].attrs["categories"] = file["obs/__categories/label"].ref
        file["obs"].attrs["encoding-type"], file["obs"].attrs["encoding-version"] = (
            "dataframe",
            "0.1.0",
        )
        file["obs"].attrs["column-order"] = ["label"]
        file["var/features"] = np.array(example.symbols, dtype=TEXT)
        for place, factor in (("raw/X", 1), ("X", 0.3)):
            group = file.create_group(place)
            for name in ("data", "indices", "indptr"):
                group[name] = getattr(example.sparse, name) * (factor if name == "data" else 1)
            group.attrs["shape"] = example.dense.shape
    adata, labels = read_sample(tmp_path / "x.h5ad", settings={"labels": "label"})
    example.check(adata, ids=False)
    assert set(labels["label"]) == {"T"}
    with h5py.File(tmp_path / "x.h5ad", "a") as file:
        del file["obs"].attrs["encoding-type"], file["var/_index"], file["var"].attrs["_index"]
        file["var/index"] = np.array(example.symbols, dtype=TEXT)
    example.check(read(tmp_path / "x.h5ad"), ids=False)


def probes(example):
    """Return three probes a gene, and counts of the probes that sum to those of the genes."""
    names = [
        f"{i}|{s}|{n}abc"
        for i, s in zip(example.ids, example.symbols, strict=True)
        for n in range(3)
    ]
    counts = np.zeros((12, 21), dtype=int)
    counts[:, ::3], counts[:, 2::3] = example.dense // 2, example.dense - example.dense // 2
    return names, counts


@pytest.mark.parametrize("excluded", [False, True])
@pytest.mark.parametrize("named", [True, False])
def test_probes_of_flex_are_added_up(example, tmp_path, named, excluded):
    names, counts = probes(example)
    if excluded:
        counts[:, 1::3] = 9
    columns = sparse.csc_matrix(counts.T)
    with h5py.File(tmp_path / "raw_probe_bc_matrix.h5", "w") as file:
        group = file.create_group("matrix")
        group["data"], group["indices"], group["indptr"] = (
            columns.data,
            columns.indices,
            columns.indptr,
        )
        group["shape"], group["barcodes"] = columns.shape, np.array(example.barcodes, dtype="S")
        given = names if not named else [f"probe{number}" for number in range(21)]
        group["features/id"], group["features/name"] = (
            np.array(given, dtype="S") for _ in range(2)
        )
        group["features/feature_type"] = np.array(["Gene Expression"] * 21, dtype="S")
        if named:
            group["features/gene_id"] = np.repeat(np.array(example.ids, dtype="S"), 3)
            group["features/gene_name"] = np.repeat(np.array(example.symbols, dtype="S"), 3)
        if excluded:
            group["features/filtered_probes"] = np.arange(21) % 3 != 1
    adata = read(tmp_path / "raw_probe_bc_matrix.h5")
    example.check(adata)
    n_probes = 14 if excluded else 21
    assert f"{n_probes} probes: their counts were added up for 7 genes" in notes(adata)
    assert ("Of 21 probes, 7 that Cell Ranger excludes" in notes(adata)) == excluded


def test_probes_in_an_h5ad_are_added_up(example, tmp_path):
    names, counts = probes(example)
    var = pd.DataFrame(
        {"gene_name": np.repeat(example.symbols, 3), "gene_ids": np.repeat(example.ids, 3)},
        index=names,
    )
    adata = ad.AnnData(
        sparse.csr_matrix(counts.astype("f4")), pd.DataFrame(index=example.barcodes), var
    )
    adata.write_h5ad(tmp_path / "x")
    example.check(read(tmp_path / "x"))


# --- folders of Matrix Market ---


def rewrite(path, change):
    path.write_text("".join(f"{line}\n" for line in change(path.read_text().splitlines())))


@pytest.mark.parametrize("separator", [" ", "  ", ","])
@pytest.mark.parametrize("version", [2, 3])
def test_genes_without_tabs(example, write_mtx, tmp_path, separator, version):
    folder = write_mtx(tmp_path / "x", version=version, zipped=False)
    name = "features.tsv" if version == 3 else "genes.tsv"
    rewrite(folder / name, lambda lines: [line.replace("\t", separator) for line in lines])
    example.check(read(folder))


@pytest.mark.parametrize(
    ("matrix", "prefix"), [("DGE.mtx", ""), ("count_matrix.mtx", ""), ("DGE.mtx", "GSM1_")]
)
def test_parse_split_pipe(example, tmp_path, matrix, prefix):
    folder = tmp_path / "sample1/DGE_filtered"
    folder.mkdir(parents=True)
    io.mmwrite(folder / f"{prefix}{matrix}", sparse.coo_matrix(example.dense))
    genes = [f'{i},"{s}",hg38' for i, s in zip(example.ids, example.symbols, strict=True)]
    example.barcodes = [f"01_0{number}_11" for number in range(12)]
    (folder / f"{prefix}all_genes.csv").write_text(
        "gene_id,gene_name,genome\n" + "\n".join(genes) + "\n"
    )
    cells = "".join(f"{name},s1,{number}\n" for number, name in enumerate(example.barcodes))
    (folder / f"{prefix}cell_metadata.csv").write_text("bc_wells,sample,tscp_count\n" + cells)
    (folder / f"{prefix}anndata.h5ad").write_bytes(b"not looked at")
    if prefix:
        io.mmwrite(folder / "GSM2_DGE.mtx", sparse.coo_matrix(example.dense[:5]))
    adata = read(folder / f"{prefix}{matrix}")
    example.check(adata)
    assert "is a header" in notes(adata)
    if not prefix:
        example.check(read(tmp_path))
        shutil.copytree(folder, tmp_path / "sample1/DGE_unfiltered")
        assert "other matrices there: 1" in notes(read(tmp_path))


HEADERS = {
    "genes.tsv": ["ENSEMBL\tSYMBOL", "gene_id\tgene_name", "x\ty", "V1\tV2", "Geneid\tName"],
    "barcodes.tsv": ["Barcode", "cell_id", "x", "anything"],
}


@pytest.mark.parametrize(
    ("name", "header"), [(name, header) for name, lines in HEADERS.items() for header in lines]
)
def test_names_with_a_header(example, write_mtx, tmp_path, name, header):
    folder = write_mtx(tmp_path / "x", version=2)
    rewrite(folder / name, lambda lines: [header, *lines])
    adata = read(folder)
    example.check(adata)
    assert f"The first line of '{name}' is a header" in notes(adata)


def test_both_lists_with_a_header_and_more_columns(example, write_mtx, tmp_path):
    folder = write_mtx(tmp_path / "x", version=2)
    rewrite(
        folder / "genes.tsv",
        lambda lines: ["ENSEMBL\tSYMBOL\tCHR", *(f"{line}\t1" for line in lines)],
    )
    rewrite(
        folder / "barcodes.tsv", lambda lines: ["Barcode\tBatch", *(f"{line}\tb" for line in lines)]
    )
    adata, labels = read_sample(folder, settings={"labels": "Batch"})
    example.check(adata)
    assert set(labels["label"]) == {"b"}


def test_names_as_written_by_r(example, write_mtx, tmp_path):
    folder = write_mtx(tmp_path / "x", version=2)
    rewrite(
        folder / "barcodes.tsv",
        lambda lines: ['"x"', *(f'"{n + 1}"\t"{line}"' for n, line in enumerate(lines))],
    )
    (folder / "genes.tsv").unlink()
    pd.DataFrame({"gene_id": example.ids, "gene_name": example.symbols}, index=range(1, 8)).to_csv(
        folder / "genes.csv"
    )
    example.check(read(folder))


def test_a_surplus_line_that_is_not_a_header(write_mtx, tmp_path):
    folder = write_mtx(tmp_path / "x", version=2)
    rewrite(folder / "barcodes.tsv", lambda lines: ["AAACCCAAGAAACACT-1", *lines])
    refused(folder, "lists 7 genes and 'barcodes.tsv' 13 barcodes", "is a header, take it out")


@pytest.mark.parametrize("place", [0, 3, 6])
def test_features_without_a_place_on_the_genome(example, write_mtx, tmp_path, place):
    folder = write_mtx(tmp_path / "x", zipped=False)
    rewrite(
        folder / "features.tsv",
        lambda lines: [
            line + "\tchr1\t1\t9" * (number != place) for number, line in enumerate(lines)
        ],
    )
    example.check(read(folder))


def test_genes_without_a_symbol(example, write_mtx, tmp_path):
    folder = write_mtx(tmp_path / "x", version=2)
    rewrite(folder / "genes.tsv", lambda lines: [lines[0], lines[1].split("\t")[0], *lines[2:]])
    example.symbols[1] = example.ids[1]
    example.check(read(folder))
    folder = write_mtx(tmp_path / "y", version=2)
    rewrite(folder / "genes.tsv", lambda lines: [*lines[:-1], lines[-1].split("\t")[0]])  # cut off?
    refused(folder, "line 7", "damaged")


def test_symbols_before_ids(example, write_mtx, tmp_path):
    folder = write_mtx(tmp_path / "x", version=2)
    rewrite(
        folder / "genes.tsv", lambda lines: ["\t".join(line.split("\t")[::-1]) for line in lines]
    )
    example.check(read(folder))


@pytest.mark.parametrize("packer", ["gz", "bz2", "xz"])
def test_folder_with_packed_and_unpacked_files(example, write_mtx, tmp_path, packer):
    folder = write_mtx(tmp_path / "x", zipped=False)
    pack = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[packer]
    for file in list(folder.iterdir()):
        file.with_name(f"{file.name}.{packer}").write_bytes(pack(file.read_bytes()))
    adata = read(folder)
    example.check(adata)
    assert "'matrix.mtx' was read; other matrices there: 1" in notes(adata)
    for file in folder.glob("*[!z2]"):
        file.unlink()
    example.check(read(folder))


def test_packed_and_unpacked_files_that_differ(example, write_mtx, tmp_path):
    folder = write_mtx(tmp_path / "x", zipped=False)
    (folder / "barcodes.tsv.gz").write_bytes(
        gzip.compress("\n".join(example.barcodes[::-1]).encode())
    )
    refused(folder, "several could be it", "Leave only the one")
    (folder / "barcodes.tsv.gz").unlink()
    (folder / "matrix.mtx.gz").write_bytes(
        gzip.compress((folder / "matrix.mtx").read_bytes() + b"%")
    )
    refused(folder, "2 matrices")


def test_output_without_a_cell(example, write_mtx, write_10x, tmp_path):
    example.dense, example.barcodes = example.dense[:0], []
    for path in (write_mtx(tmp_path / "x"), write_10x(tmp_path / "y.h5")):
        refused(path, "0 cells", "raw_feature_bc_matrix")
    with h5py.File(tmp_path / "y.h5", "a") as file:
        for name, kind in (("barcodes", "S18"), ("data", "i4"), ("indices", "i8")):
            del file[f"matrix/{name}"]
            file["matrix"].create_dataset(name, data=h5py.Empty(kind))
    refused(tmp_path / "y.h5", "0 cells")


# --- containers ---


@pytest.mark.parametrize("packer", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_hdf5(example, write_10x, tmp_path, packer):
    example.adata().write_h5ad(tmp_path / "x.h5ad")
    write_10x(tmp_path / "x.h5")
    write_loom(tmp_path / "x.loom", example, example.dense)
    for name in ("x.h5ad", "x.h5", "x.loom"):
        (tmp_path / f"{name}.packed").write_bytes(packer((tmp_path / name).read_bytes()))
        adata = read(tmp_path / f"{name}.packed")
        example.check(adata, ids=name != "x.loom")
        assert "was unpacked" in notes(adata)
    problem = refused_packed(tmp_path, packer)
    assert problem.where == f"{tmp_path / 'bad'}, unpacked"


def refused_packed(tmp_path, packer):
    with h5py.File(tmp_path / "bad.h5", "w") as file:
        file["table"] = [1]
    (tmp_path / "bad").write_bytes(packer((tmp_path / "bad.h5").read_bytes()))
    return refused(tmp_path / "bad", "no count matrix")


@pytest.mark.parametrize("packer", [bz2.compress, lzma.compress])
def test_packed_text(example, tmp_path, packer):
    (tmp_path / "x.csv.bz2").write_bytes(packer(example.table().to_csv().encode()))
    example.check(read(tmp_path / "x.csv.bz2"), ids=False)


@pytest.mark.parametrize("name", ["x.h5", "x.h5ad", "x.loom"])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_tar_of_hdf5_is_not_hdf5(example, write_10x, tmp_path, name, mode):
    write_10x(tmp_path / "x.h5")
    example.adata().write_h5ad(tmp_path / "x.h5ad")
    write_loom(tmp_path / "x.loom", example, example.dense)
    for number in (1, 2):
        with tarfile.open(tmp_path / f"{number}.tar", mode) as archive:
            for copy in range(number):
                archive.add(tmp_path / name, f"GSM{copy}_{name}")
    example.check(read(tmp_path / "1.tar"), ids=name != "x.loom")
    refused(
        tmp_path / "2.tar",
        "2 matrices",
        f"GSM0_{name}",
        f"GSM1_{name}",
        "unpack the archive, and give",
    )


def test_tar_of_archives(example, write_mtx, tmp_path):
    folder = write_mtx(tmp_path / "m")
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for name in ("a", "b"):
            archive.add(shutil.make_archive(tmp_path / name, "gztar", folder), f"{name}.tar.gz")
    refused(tmp_path / "x.tar", "a.tar.gz", "b.tar.gz", "unpack it once")


def test_hdf5_behind_a_user_block_is_hdf5(example, tmp_path):
    with h5py.File(tmp_path / "x", "w", userblock_size=512) as file:
        file["X"] = example.dense
    example.check(read(tmp_path / "x"), ids=False, barcodes=False, genes=False)


@pytest.mark.parametrize("name", ["x.h5ad", "x.h5ad.gz", "x.zarr", "x.h5mu", "x.loom"])
def test_folder_with_one_container(example, write_zarr, tmp_path, name):
    folder = tmp_path / "run/counts"
    folder.mkdir(parents=True)
    if name == "x.zarr":
        write_zarr(example.adata(), folder / name)
    elif name == "x.loom":
        write_loom(folder / name, example, example.dense)
    elif name == "x.h5mu":
        with h5py.File(folder / name, "w") as file:
            ad.io.write_elem(file.create_group("mod"), "rna", example.adata())
    else:
        example.adata().write_h5ad(folder / "x.h5ad")
        if name.endswith("gz"):
            (folder / name).write_bytes(gzip.compress((folder / "x.h5ad").read_bytes()))
            (folder / "x.h5ad").unlink()
    (folder / "notes.txt").write_text("x")
    for path in (folder, tmp_path / "run"):
        adata = read(path)
        example.check(adata, ids=name != "x.loom")
    assert f"counts/{name}' was read" in notes(adata)


def test_folder_with_two_containers(example, tmp_path):
    (tmp_path / "x").mkdir()
    for name in "ab":
        example.adata().write_h5ad(tmp_path / f"x/{name}.h5ad")
    refused(tmp_path / "x", "2 matrices", "'a.h5ad', 'b.h5ad'")


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_zarr(example, write_zarr, tmp_path, version, kind):
    adata = example.adata()
    adata.layers["counts"], adata.X = adata.X.copy(), np.log1p(adata.X.toarray())
    adata.obs["label"] = pd.Categorical(["T"] * 12)
    adata.uns["anything"] = {"a": np.arange(3)}
    path = write_zarr(adata, tmp_path / "x.zarr", version=version)
    if kind != "folder":
        path = Path(shutil.make_archive(tmp_path / "packed", kind, path))
    found, labels = read_sample(path, settings={"labels": "label"})
    example.check(found)
    assert "layers['counts']" in notes(found)
    assert set(labels["label"]) == {"T"}


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    "name", ["X/data", "X/indices", "X/indptr", "obs/_index", "var/_index", "var/gene_ids"]
)
def test_zarr_with_a_lost_part(example, write_zarr, tmp_path, version, name):
    """Zarr takes a missing part for zeros or empty names."""
    path = write_zarr(example.adata(), tmp_path / "x.zarr", version=version)
    parts = [
        file for file in (path / name).rglob("*") if file.is_file() and file.name[0] not in ".z"
    ]
    for file in parts:
        file.unlink()
    assert len(parts) == 1
    refused(path, "parts of", name, "download it again")


def test_dense_zarr_with_a_missing_part(example, write_zarr, tmp_path):
    adata = example.adata()
    adata.X = example.dense.astype("f4")
    path = write_zarr(adata, tmp_path / "x.zarr")
    example.check(read(path))
    adata.layers["counts"] = np.zeros_like(adata.X)
    adata.layers["counts"][0] = example.dense[0] + 1
    found = read(write_zarr(adata, tmp_path / "y.zarr"))
    assert "not in the store" not in notes(found)
    (next((tmp_path / "y.zarr/X").glob("0*"))).unlink()
    assert "Parts of 'X' are not in the store" in notes(read(tmp_path / "y.zarr"))


def test_zarr_of_spatialdata_and_of_cell_ranger(example, write_zarr, write_10x, tmp_path):
    import zarr

    root = zarr.open_group(tmp_path / "s.zarr", mode="w", zarr_format=2)
    root.create_group("images")
    root.create_group("tables")
    write_zarr(example.adata(), tmp_path / "s.zarr/tables/table")
    example.check(read(tmp_path / "s.zarr"))
    write_zarr(example.adata(), tmp_path / "s.zarr/tables/other")
    refused(tmp_path / "s.zarr", "2 tables", "'other', 'table'")
    root = zarr.open_group(tmp_path / "c.zarr", mode="w", zarr_format=2)
    with h5py.File(write_10x(tmp_path / "x.h5")) as file:
        for name in ("data", "indices", "indptr", "shape", "barcodes"):
            root.create_array(f"matrix/{name}", data=file[f"matrix/{name}"][()])
        for name in ("id", "name", "feature_type"):
            root.create_array(f"matrix/features/{name}", data=file[f"matrix/features/{name}"][()])
    example.check(read(tmp_path / "c.zarr"))


@pytest.mark.parametrize("zipped", [False, True])
def test_zarr_of_xenium(example, tmp_path, zipped):
    import zarr

    group = zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=2).create_group(
        "cell_features"
    )
    rows = sparse.csr_matrix(example.dense.T)
    for name in ("data", "indices", "indptr"):
        group.create_array(name, data=getattr(rows, name).astype("u4"))
    group.create_array("cell_id", data=np.array([[number, 1] for number in range(12)], dtype="u4"))
    types = ["gene"] * 6 + ["negative_control_probe"]
    group.attrs.update({"number_cells": 12, "number_features": 7, "feature_types": types})
    group.attrs.update({"feature_keys": example.symbols, "feature_ids": example.ids})
    path = tmp_path / "x.zarr"
    path = Path(shutil.make_archive(path, "zip", path)) if zipped else path
    adata = read(path)
    np.testing.assert_array_equal(adata.X.toarray(), example.dense[:, :6])
    assert list(adata.var_names) == example.symbols[:6]
    assert list(adata.obs_names[[0, 10]]) == ["aaaaaaaa-1", "aaaaaaak-1"]


def mudata(path, **modalities):
    with h5py.File(path, "w") as file:
        file.attrs["encoding-type"], file.attrs["encoding-version"] = "MuData", "0.1.0"
        for place in ("obs", "var"):
            ad.io.write_elem(file, place, pd.DataFrame(index=["a"]))
        group = file.create_group("mod")
        for name, adata in modalities.items():
            ad.io.write_elem(group, name, adata)
    return path


def test_mudata(example, tmp_path):
    proteins = ad.AnnData(np.ones((12, 3), dtype="f4"))
    for name in ("rna", "gex", "RNA"):
        adata = read(mudata(tmp_path / name, prot=proteins, **{name: example.adata()}))
        example.check(adata)
        assert f"'{name}' was read; 'prot' left out" in notes(adata)
    example.check(read(mudata(tmp_path / "one", anything=example.adata())))
    refused(mudata(tmp_path / "two", a=example.adata(), b=proteins), "'a', 'b'", "mudata.read_h5mu")


@pytest.mark.parametrize("name", ["Zstd", "Blosc", "Blosc2", "LZ4", "Bitshuffle"])
def test_hdf5plugin(example, tmp_path, name):
    with h5py.File(tmp_path / "x.h5ad", "w") as file:
        options = dict(getattr(hdf5plugin, name)())
        ad.io.write_elem(file, "X", example.adata().X, dataset_kwargs=options)
        for place in ("obs", "var"):  # Blosc crashes on strings
            ad.io.write_elem(file, place, getattr(example.adata(), place))
    example.check(read(tmp_path / "x.h5ad"))


def test_filter_that_nobody_has(example, tmp_path):
    example.adata().write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(tmp_path / "x.h5ad", "a") as file:
        values = file["X/data"][()]
        del file["X/data"]
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_chunk((len(values),))
        layout.set_filter(333, h5py.h5z.FLAG_OPTIONAL, (1,))
        h5py.h5d.create(
            file["X"].id,
            b"data",
            h5py.h5t.NATIVE_FLOAT,
            h5py.h5s.create_simple(values.shape),
            layout,
        )
    refused(tmp_path / "x.h5ad", "filter that is not available", "333", "gzip")


def test_bd_rhapsody_archive(example, write_mtx, tmp_path):
    """Features are named by symbols twice, cells by numbers, and some are proteins."""
    example.barcodes = [str(7000313 + number) for number in range(12)]
    example.ids = list(example.symbols)
    folder = write_mtx(tmp_path / "mex", types=["Gene Expression"] * 6 + ["Antibody Capture"])
    with zipfile.ZipFile(tmp_path / "s_RSEC_MolsPerCell_MEX.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    adata = read(tmp_path / "s_RSEC_MolsPerCell_MEX.zip")
    np.testing.assert_array_equal(adata.X.toarray(), example.dense[:, :6])
    assert list(adata.obs_names) == example.barcodes


# --- what stays refused ---


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x28\xb5\x2f\xfd" + b"x" * 50, ["Zstandard", "zstd -d"]),
        (b"7z\xbc\xaf\x27\x1c" + b"x" * 50, ["7-Zip", "7z x"]),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 50, ["spreadsheet", "CSV"]),
        (b"PAR1" + b"\0" * 50, ["Parquet", "to_csv"]),
        (b"\x80\x04\x95" + b"\0" * 50, ["pickle", "anndata"]),
        (b"\x93NUMPY" + b"\0" * 50, ["NumPy", "AnnData"]),
        (gzip.compress(b"##fileformat=VCFv4.2\n"), ["variants"]),
        (bz2.compress(b"RDX3\nX\n"), ["R objects", "saveRDS"]),
    ],
)
def test_other_formats_are_named(tmp_path, content, words):
    (tmp_path / "x").write_bytes(content)
    refused(tmp_path / "x", *words)


def test_numpy_archives_molecules_and_other_stores_are_named(tmp_path):
    sparse.save_npz(tmp_path / "x.npz", sparse.csr_matrix(np.eye(3)))
    refused(tmp_path / "x.npz", "NumPy", "AnnData")
    with h5py.File(tmp_path / "m.h5", "w") as file:
        for name in ("barcode_idx", "feature_idx", "umi"):
            file[name] = [1]
    refused(tmp_path / "m.h5", "molecules", "filtered_feature_bc_matrix.h5")
    (tmp_path / "soma").mkdir()
    (tmp_path / "soma/__tiledb_group.tdb").touch()
    refused(tmp_path / "soma", "TileDB-SOMA", "h5ad")


def test_the_format_of_a_container_is_noted(example, write_zarr, tmp_path):
    assert read_matrix(write_zarr(example.adata(), tmp_path / "x.zarr")).format == "zarr (h5ad)"


@pytest.mark.parametrize("gene", ["CRAMP1", "PAR1", "FEA1", "BZH", "Rar!"])
def test_a_table_whose_first_gene_resembles_a_magic_number_is_a_table(example, tmp_path, gene):
    (tmp_path / "x").write_text(
        "".join(f"{name}\t{n}\t3\n" for n, name in enumerate((gene, "GAPDH", "ACTB")))
    )
    assert gene in read(tmp_path / "x").var_names
