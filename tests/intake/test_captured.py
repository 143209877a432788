"""Features other than genes are kept, and checked as strictly."""

from __future__ import annotations

import numpy as np
import pytest

from tests.intake.reading import notes, read, refused

TYPES = ["Gene Expression"] * 4 + [
    "Antibody Capture",
    "Multiplexing Capture",
    "CRISPR Guide Capture",
]


@pytest.mark.parametrize("kind", ["mtx", "hdf5", "h5ad"])
def test_proteins_hashtags_and_guides_are_kept_beside_the_genes(
    kind, example, write_mtx, write_10x, tmp_path
):
    example.symbols[4:] = ["HLA-A/B/C", "CMO301", "GATA1_g1"]
    if kind == "h5ad":
        adata = example.adata()
        adata.var["feature_types"] = TYPES
        adata.write_h5ad(tmp_path / "x.h5ad")
    path = {
        "mtx": lambda: write_mtx(tmp_path / "a", types=TYPES),
        "hdf5": lambda: write_10x(tmp_path / "b.h5", types=TYPES),
        "h5ad": lambda: tmp_path / "x.h5ad",
    }[kind]()
    adata = read(path)
    assert list(adata.var_names) == example.symbols[:4]
    np.testing.assert_array_equal(adata.X.toarray(), example.dense[:, :4])
    np.testing.assert_array_equal(adata.obsm["captured"].toarray(), example.dense[:, 4:])
    features = adata.uns["captured"]
    assert list(features["name"]) == ["HLA-A_B_C", "CMO301", "GATA1_g1"], (
        "HDF5 cannot hold a slash in a name"
    )
    assert list(features["kind"]) == ["protein", "hashtag", "guide"]
    assert list(features["id"]) == example.ids[4:]
    assert (
        "kept as well: 1 Antibody Capture, 1 Multiplexing Capture, 1 CRISPR Guide Capture"
        in notes(adata)
    )


def test_other_features_are_left_out(example, write_10x, tmp_path):
    types = ["Gene Expression"] * 5 + ["Antibody Capture", "Custom"]
    adata = read(write_10x(tmp_path / "b.h5", types=types))
    assert "Features other than genes were left out: 1 Custom" in notes(adata)
    assert adata.obsm["captured"].shape[1] == 1


@pytest.mark.parametrize("kind", ["mtx", "hdf5"])
@pytest.mark.parametrize("missing", ["", "NA"])
def test_a_feature_without_a_type_is_a_gene(kind, missing, example, write_mtx, write_10x, tmp_path):
    types = ["Gene Expression"] * 5 + ["Antibody Capture", missing]
    write = write_mtx if kind == "mtx" else write_10x
    adata = read(write(tmp_path / "x", types=types))
    assert list(adata.var_names) == [*example.symbols[:5], example.symbols[6]]
    assert adata.obsm["captured"].shape[1] == 1


@pytest.mark.parametrize("kinds", [["Gene Expression"], ["Gene Expression", "Antibody Capture"]])
def test_genes_that_only_raw_has_are_read(kinds, example, tmp_path):
    adata = example.adata()
    adata.raw = adata
    adata = adata[:, : len(kinds)].copy()
    adata.X = adata.X.astype(np.float64) / 3
    adata.var["feature_types"] = kinds
    adata.write_h5ad(tmp_path / "x.h5ad")
    assert read(tmp_path / "x.h5ad").n_vars == len(example.symbols) + 1 - len(kinds)


def test_without_them_nothing_is_added(example, write_10x, tmp_path):
    adata = read(write_10x(tmp_path / "b.h5"))
    assert "captured" not in adata.obsm
    assert "captured" not in adata.uns


def test_counts_of_proteins_keep_the_contract(example, tmp_path):
    adata = example.adata()
    adata.var["feature_types"] = ["Gene Expression"] * 6 + ["Antibody Capture"]
    adata.X = adata.X.astype(np.float64)
    adata.X[3, 6] = 2.5
    adata.layers["counts"] = adata.X
    adata.write_h5ad(tmp_path / "x.h5ad")
    refused(tmp_path / "x.h5ad", "whole numbers", "KLK9")
    rounded = read(tmp_path / "x.h5ad", round_counts=True)
    assert rounded.obsm["captured"].dtype.kind == "i"
    assert rounded.obsm["captured"][3, 0] == 2


@pytest.mark.parametrize(
    "text", ["{}\n", "barcode\n{}\n", "{},B cell\n", '"{}"\t1\n', "{}\r\n\r\n"]
)
def test_a_list_of_cells_is_read_in_every_usual_form(text, example, write_10x, tmp_path):
    chosen = example.barcodes[2:5]
    header, line = text.rsplit("{}", 1)[0], "{}" + text.rsplit("{}", 1)[1]
    quote = header[-1:] if header.endswith('"') else ""
    header = header.removesuffix('"')
    (tmp_path / "cells.csv").write_text(
        header + "".join(quote + line.format(name) for name in chosen), newline=""
    )
    adata = read(write_10x(tmp_path / "a.h5"), cells_file=tmp_path / "cells.csv")
    assert list(adata.obs_names[adata.obs["listed"]]) == chosen


@pytest.mark.parametrize("text", ["GRCh38,{}\n", "n,x\n1,{}\n"])
def test_the_column_of_a_list_of_cells_is_found(text, example, write_10x, tmp_path):
    first, last = text.rstrip("\n").rpartition("\n")[::2]
    lines = [first, *(last.format(name) for name in example.barcodes[2:5])]
    (tmp_path / "cells.csv").write_text("\n".join(filter(None, lines)))
    adata = read(write_10x(tmp_path / "a.h5"), cells_file=tmp_path / "cells.csv")
    assert list(adata.obs_names[adata.obs["listed"]]) == example.barcodes[2:5]
    assert "on the list" not in adata.uns["intake"]


def test_unknown_barcodes_of_a_list_are_reported_with_the_remedy(example, write_10x, tmp_path):
    path, cells = write_10x(tmp_path / "a.h5"), tmp_path / "cells.txt"
    cells.write_text("\n".join([example.barcodes[0], "AAAA-1", "CCCC-1"]))
    adata = read(path, cells_file=cells)
    assert (
        "Of the 3 barcodes on the list of cells, 2 are not in the counts ('AAAA-1', 'CCCC-1')"
        in adata.uns["intake"]
    )
    assert "exactly as in the counts" in adata.uns["intake"]
    assert adata.obs["listed"].sum() == 1
    cells.write_text("\n".join(name.removesuffix("-1") for name in example.barcodes))
    refused(path, "No barcode of the list", "with -1 at their end", cells_file=cells)
    cells.write_text("")
    refused(path, "empty", cells_file=cells)
    refused(path, "cannot be found", cells_file=tmp_path / "none.txt")
