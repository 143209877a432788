"""Gold labels are looked up and kept apart."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from scsiameseclu.errors import InputError
from scsiameseclu.intake.read_counts import read_sample


@pytest.fixture
def h5ad(example, tmp_path):
    adata = example.adata()
    adata.obs["kind"] = ["T", None] * 6
    adata.obs["kind"] = adata.obs["kind"].astype("category")
    adata.obs["number"] = np.arange(12)
    adata.write_h5ad(tmp_path / "x.h5ad")
    return tmp_path / "x.h5ad"


def labels_of(path, column=None, labels_file=None):
    return read_sample(path, settings={"labels": column}, labels_file=labels_file)[1]


def test_column(h5ad, example):
    labels = labels_of(h5ad, "kind")
    assert list(labels["barcode"]) == example.barcodes
    assert list(labels["label"]) == ["T", ""] * 6
    assert list(labels_of(h5ad, "number")["label"]) == [str(number) for number in range(12)]
    assert labels_of(h5ad) is None


def test_missing_column_lists_those_there(h5ad):
    with pytest.raises(InputError, match=r"'kinds'.*'kind', 'number'"):
        labels_of(h5ad, "kinds")


def test_y(example, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["X"], file["Y"] = example.dense, np.arange(12) % 3
    assert list(labels_of(tmp_path / "x.h5", "Y")["label"]) == [
        str(number % 3) for number in range(12)
    ]


@pytest.mark.parametrize(
    "header", ["", "barcode,label\n", "cell,age,cell_type\n", "label,barcode\n"]
)
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_file(h5ad, example, tmp_path, header, delimiter):
    pairs = [(barcode, f"t{number}") for number, barcode in enumerate(example.barcodes)]
    row = {"cell,age,cell_type\n": "{0},8,{1}\n", "label,barcode\n": "{1},{0}\n"}.get(
        header, "{0},{1}\n"
    )
    text = header + "".join(row.format(*pair) for pair in pairs[:-2])
    path = tmp_path / "labels.csv"
    path.write_text("\ufeff" + text.replace(",", delimiter), encoding="utf-8")
    adata, labels = read_sample(h5ad, settings={"labels": "kind"}, labels_file=path)
    assert list(labels["label"]) == [f"t{number}" for number in range(10)] + ["", ""]
    assert "2 of 12 barcodes have no gold label" in adata.uns["intake"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("barcode,label\nAAA,x\n", "No barcode"),
        ("", "empty"),
        ("barcode\nAAA\n", "one column"),
        ("barcode,label\nAAA\n", "too few"),
        ("barcode,label\nAAA,x\nAAA,y\n", "two labels"),
    ],
)
def test_file_refused(h5ad, tmp_path, text, word):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(InputError, match=word):
        labels_of(h5ad, labels_file=tmp_path / "labels.csv")


def test_file_missing(h5ad, tmp_path):
    with pytest.raises(InputError, match="cannot be found"):
        labels_of(h5ad, labels_file=tmp_path / "labels.csv")


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("barcode,donor,Cell type", "{0},D1,{1}"),
        (",barcode,cell_type", "{2},{0},{1}"),
        (",barcode,annotation", "{2},{0},{1}"),
        ("index,cell_id,label", "{2},{0},{1}"),
        ("nCount_RNA,celltype", "{0},100,{1}"),
        ("cluster,CB", "{1},{0}"),
        ("barcode,cell_type,label", "{0},x,{1}"),
    ],
)
def test_columns_of_a_file_are_found(h5ad, example, tmp_path, header, row):
    rows = [row.format(name, f"t{n}", n) for n, name in enumerate(example.barcodes)]
    (tmp_path / "labels.csv").write_text("\n".join([header, *rows]))
    labels = labels_of(h5ad, labels_file=tmp_path / "labels.csv")
    assert list(labels["label"]) == [f"t{n}" for n in range(12)]


@pytest.mark.parametrize("header", ["barcode,nCount_RNA,annotation\n", ""])
def test_a_file_with_several_columns_of_labels_is_refused(h5ad, example, tmp_path, header):
    rows = [f"{name},8,T" for name in example.barcodes]
    (tmp_path / "labels.csv").write_text(header + "\n".join(rows))
    shown = "'nCount_RNA', 'annotation'" if header else "'8', 'T'"
    with pytest.raises(InputError, match=f"may hold the labels: {shown}"):
        labels_of(h5ad, labels_file=tmp_path / "labels.csv")
