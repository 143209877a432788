"""R's .rds, from our own writer and from R, if it is installed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scsiameseclu.annotation.r_objects.writing import (
    NO_SLOT,
    RValue,
    by_cell,
    data_frame,
    dense,
    named_list,
    numbers,
    plain_list,
    s4,
    text,
    write_rds,
)
from scsiameseclu.intake.read_counts import read_sample

from tests.intake.reading import notes, read, refused
from tests.r import run_r

NOTHING = dense(np.empty((0, 0)))


@pytest.fixture
def names(example):
    return text(example.symbols), text(example.barcodes)


@pytest.fixture
def counts(example, names) -> RValue:
    return by_cell(example.sparse.astype(float), *names)


@pytest.fixture
def metadata(example, names) -> RValue:
    obs = pd.DataFrame({"type": [f"t{n % 2}" for n in range(len(example.barcodes))]})
    return data_frame(obs, names[1])


def assay(
    counts: RValue, about: pd.DataFrame | None = None, rows: RValue | None = None, name="Assay"
):
    slots = {"counts": counts, "data": NOTHING}
    if about is not None:
        slots["meta.features"] = data_frame(about, rows)
    return s4(name, "SeuratObject", **slots)


def seurat(metadata: RValue, **assays: RValue) -> RValue:
    slots = {"assays": named_list(assays), "meta.data": metadata, "active.assay": text(["SCT"])}
    return s4("Seurat", "SeuratObject", **slots)


def frame(columns: dict[str, RValue], n_rows: int, rows: RValue = NO_SLOT) -> RValue:
    slots = {
        "listData": named_list(columns),
        "nrows": numbers(np.array([n_rows])),
        "rownames": rows,
    }
    return s4("DFrame", "S4Vectors", **slots)


def experiment(example, names, *, about=None, beside=None, **assays: RValue) -> RValue:
    n_genes, n_cells = len(example.symbols), len(example.barcodes)
    data = s4("SimpleList", "S4Vectors", listData=named_list(assays))
    ranges = s4("IRanges", "IRanges", NAMES=names[0])
    others = frame({"altExps": frame(beside or {}, n_cells)}, n_cells)
    return s4(
        "SingleCellExperiment",
        "SingleCellExperiment",
        assays=s4("SimpleAssays", "SummarizedExperiment", data=data),
        colData=frame({"type": text(["a"] * n_cells)}, n_cells, names[1]),
        rowRanges=s4(
            "GRanges", "GenomicRanges", ranges=ranges, elementMetadata=frame(about or {}, n_genes)
        ),
        int_colData=others,
        NAMES=NO_SLOT,
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.rds"


# --- valid files ---


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_seurat_object_however_packed(example, names, counts, metadata, path, pack):
    about = pd.DataFrame({"gene_ids": example.ids})
    write_rds(seurat(metadata, RNA=assay(counts, about, names[0])), path)
    path.write_bytes(pack(gzip.decompress(path.read_bytes())))
    example.check(read(path))


@pytest.mark.parametrize("kind", ["dgTMatrix", "dgRMatrix", "matrix"])
def test_other_matrices(example, names, metadata, path, kind):
    genes = sparse.coo_matrix(example.sparse.T.astype(float))
    slots = {"Dim": numbers(np.array(genes.shape)), "Dimnames": plain_list(names)}
    if kind == "matrix":
        matrix = dense(genes.toarray(), *names)
    elif kind == "dgTMatrix":
        slots |= {"i": numbers(genes.row), "j": numbers(genes.col), "x": numbers(genes.data)}
        matrix = s4(kind, "Matrix", **slots)
    else:
        rows = genes.tocsr()
        slots |= {"j": numbers(rows.indices), "p": numbers(rows.indptr), "x": numbers(rows.data)}
        matrix = s4(kind, "Matrix", **slots)
    write_rds(seurat(metadata, RNA=assay(matrix)), path)
    example.check(read(path), ids=False)


def layered(counts: RValue, names, layers: list[str]) -> RValue:
    """Return an assay of Seurat 5, whose matrices have no names."""
    bare = RValue(counts.kind, None, {**counts.attributes, "Dimnames": plain_list([NO_SLOT] * 2)})
    maps = {}
    for axis, rows in zip(("features", "cells"), names, strict=True):
        size = rows.content[0]
        kept = np.ones((size, len(layers)), bool)
        maps[axis] = dense(kept, rows, text(layers))
    return s4("Assay5", "SeuratObject", layers=named_list(dict.fromkeys(layers, bare)), **maps)


def test_seurat_5(example, names, counts, metadata, path):
    write_rds(seurat(metadata, RNA=layered(counts, names, ["counts", "data"])), path)
    example.check(read(path), ids=False)


def test_proteins_and_hashtags_are_kept(example, names, counts, metadata, path):
    beside = by_cell(example.sparse[:, :2].astype(float), text(["CD3", "CD4"]), names[1])
    assays = {
        "RNA": assay(counts),
        "ADT": assay(beside),
        "HTO": assay(beside),
        "SCT": assay(counts),
    }
    write_rds(seurat(metadata, **assays), path)
    adata = read(path)
    example.check(adata, ids=False)
    assert list(adata.uns["captured"]["kind"]) == ["protein"] * 2 + ["hashtag"] * 2
    np.testing.assert_array_equal(
        adata.obsm["captured"].toarray(), np.tile(example.dense[:, :2], 2)
    )


def test_single_cell_experiment(example, names, counts, path):
    beside = s4(
        "SummarizedExperiment",
        "SummarizedExperiment",
        assays=s4(
            "A",
            "B",
            data=s4("C", "D", listData=named_list({"counts": dense(example.dense[:, :2].T)})),
        ),
        colData=frame({}, len(example.barcodes)),
        NAMES=text(["CD3", "CD4"]),
    )
    others = {"Antibody Capture": s4("SummarizedExperimentByColumn", "B", se=beside)}
    about = {"ID": text(example.ids), "Symbol": text(example.symbols)}
    value = experiment(example, names, about=about, beside=others, logcounts=counts, counts=counts)
    write_rds(value, path)
    adata = read(path)
    example.check(adata)
    assert list(adata.uns["captured"]["name"]) == ["CD3", "CD4"]


def test_labels_are_a_column_of_the_metadata(example, counts, metadata, path):
    write_rds(seurat(metadata, RNA=assay(counts)), path)
    _, labels = read_sample(path, settings={"sample": "s", "labels": "type"})
    assert list(labels["label"]) == [f"t{n % 2}" for n in range(len(example.barcodes))]


# --- rejected files ---


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (data_frame(pd.DataFrame({"a": [1]}), text(["x"])), ("'data.frame'", "neither")),
        (plain_list([text(["a"])]), ("'list'", "one Seurat object")),
        (numbers(np.arange(3.0)), ("'numeric'", "neither")),
        (s4("seurat", "Seurat", **{"raw.data": NOTHING}), ("'seurat'", "UpdateSeuratObject")),
        (s4("dgCMatrix", "Matrix", x=numbers(np.ones(1))), ("'dgCMatrix'", "neither")),
    ],
)
def test_objects_that_are_neither_are_rejected(value, words, path):
    write_rds(value, path)
    refused(path, *words)


def test_seurat_object_without_counts(metadata, counts, path):
    write_rds(seurat(metadata, RNA=assay(NOTHING)), path)
    refused(path, "assay 'RNA'", "no raw counts", "DietSeurat")
    write_rds(seurat(metadata, RNA=s4("Assay5", "SeuratObject", layers=named_list({}))), path)
    refused(path, "no raw counts")
    write_rds(seurat(metadata, ADT=assay(counts)), path)
    refused(path, "no assay of genes", "'ADT'")


def test_corrected_counts_are_not_raw_counts(metadata, counts, path):
    write_rds(seurat(metadata, SCT=assay(counts, name="SCTAssay")), path)
    refused(path, "SCTransform", "RNA")


def test_layers_that_are_split(names, counts, metadata, path):
    layers = ["counts.one", "counts.it's", "data.one"]
    write_rds(seurat(metadata, RNA=layered(counts, names, layers)), path)
    refused(path, "split into 2 layers", "'counts.one'", "JoinLayers")


def test_counts_that_are_not_in_the_file(metadata, path):
    write_rds(seurat(metadata, RNA=assay(s4("RenameDims", "BPCells"))), path)
    refused(path, "'RenameDims'", "not in the file", "dgCMatrix")


def test_experiment_without_counts(example, names, counts, path):
    write_rds(experiment(example, names, logcounts=counts), path)
    refused(path, "no assay 'counts'", "'logcounts'", "counts(x) <-")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_part_of_a_file(example, names, counts, metadata, path, share):
    write_rds(seurat(metadata, RNA=assay(counts)), path)
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(content[: int(share * len(content))])
    refused(path, "damaged")


@pytest.mark.parametrize("kind", ["dgCMatrix", "dgRMatrix", "dgTMatrix"])
@pytest.mark.parametrize("place", [10**6, -(10**6)])
def test_indices_outside_of_the_matrix(metadata, path, kind, place):
    one, shape = numbers(np.ones(1)), numbers(np.array([3, 3]))
    far, ends = numbers(np.array([place])), numbers(np.array([0, 1, 1, 1]))
    slots = {"i": far, "j": far, "p": ends, "x": one, "Dim": shape}
    write_rds(seurat(metadata, RNA=assay(s4(kind, "Matrix", **slots))), path)
    refused(path, "damaged")


def test_a_vector_that_claims_too_much(path):
    path.write_bytes(b"X\n" + struct.pack(">5i", 3, 0x40203, 0x30500, 14, 2**31 - 1))
    refused(path, "damaged")
    path.write_bytes(b"X\n" + struct.pack(">7i", 2, 0x40203, 0x20300, 14, -1, 2**20, 0))
    refused(path, "claims")


@pytest.mark.parametrize("start", [b"A\n3\n", b"RDX3\nX\n", b"B\n\3\0\0\0"])
def test_other_formats_of_r(path, start):
    path.write_bytes(start + b"\0" * 50)
    refused(path, "saveRDS")


# --- R ---

MAKE = """
set.seed(1)
m <- as(as.matrix(read.csv("counts.csv", row.names = 1, check.names = FALSE)), "dgCMatrix")
"""
SEURAT = """
x <- CreateSeuratObject(m)
x[["ADT"]] <- CreateAssayObject(m[1:2, ] * 2)
x <- FindVariableFeatures(NormalizeData(x, verbose = FALSE), verbose = FALSE)
x <- suppressWarnings(RunPCA(ScaleData(x, verbose = FALSE), npcs = 3, verbose = FALSE))
x <- FindNeighbors(x, dims = 1:3, k.param = 3, verbose = FALSE)
x$type <- factor(rep(c("a", NA, "\\u00fc"), length.out = ncol(x)))
Misc(x, "fun") <- list(f = function(x) x + 1, e = new.env(), i = 1:10, call = quote(a + b), na = NA)
saveRDS(x, "x.rds")
setClass("LogMap", contains = "matrix")
setClass("Assay5", slots = c(layers = "list", cells = "LogMap", features = "LogMap"))
bare <- m
dimnames(bare) <- NULL
inside <- function(names) {
  new("LogMap", matrix(TRUE, length(names), 1, dimnames = list(names, "counts")))
}
maps <- list(cells = inside(colnames(m)), features = inside(rownames(m)))
x@assays <- list(RNA = do.call(new, c("Assay5", list(layers = list(counts = bare)), maps)))
saveRDS(x, "five.rds", compress = "xz")
"""
EXPERIMENT = """
x <- SingleCellExperiment(list(counts = m, logcounts = log1p(m)))
x$type <- factor(rep(c("a", NA, "\\u00fc"), length.out = ncol(x)))
altExp(x, "ADT") <- SummarizedExperiment(list(counts = as.matrix(m[1:2, ] * 2)))
reducedDim(x, "PCA") <- matrix(0, ncol(x), 2)
saveRDS(x, "x.rds")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "script"), [("Seurat", SEURAT), ("SingleCellExperiment", EXPERIMENT)]
)
def test_files_written_by_r(example, tmp_path, package, script):
    example.table().T.to_csv(tmp_path / "counts.csv")
    load = f"suppressMessages(library({package}))\n"
    (tmp_path / "make.R").write_text(load + MAKE + script, encoding="utf-8")
    run_r(tmp_path / "make.R", package, folder=tmp_path)
    for path in tmp_path.glob("*.rds"):
        adata, labels = read_sample(path, settings={"sample": "s", "labels": "type"})
        example.check(adata, ids=False)
        assert list(labels["label"]) == ["a", "", "ü"] * 4
        if path.name == "x.rds":
            assert "2 Antibody Capture" in notes(adata)
            np.testing.assert_array_equal(
                adata.obsm["captured"].toarray(), 2 * example.dense[:, :2]
            )
