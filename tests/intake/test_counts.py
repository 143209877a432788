"""The contract of counts, and the names of genes and barcodes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from scsiameseclu.errors import InputError
from scsiameseclu.intake import names
from scsiameseclu.intake.counts import Counts, check_counts, to_adata

PATH = Path("x")


def counts(matrix, barcodes=("b1", "b2"), ids=("i1", "i2", "i3"), symbols=("A", "B", "C")):
    return Counts(sparse.csr_matrix(matrix), list(barcodes), list(ids), list(symbols), "test")


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (np.nan, "not finite"),
        (np.inf, "not finite"),
        (-1, "negative"),
        (0.5, "not whole"),
        (2.0**60, "large"),
    ],
)
def test_the_first_offender_is_named(value, word):
    with pytest.raises(InputError) as caught:
        check_counts(counts([[1.0, 0, 2], [0, value, 0]]), PATH)
    assert word in caught.value.problems[0].what
    assert "gene 'B' and barcode 'b2'" in caught.value.problems[0].what


@pytest.mark.parametrize(
    ("largest", "dtype"), [(2**31 - 1, np.int32), (2**31, np.int64), (2**53, np.int64)]
)
@pytest.mark.parametrize("stored", [np.int64, np.uint64, np.float64])
def test_integers_are_as_wide_as_needed(largest, dtype, stored):
    found = check_counts(counts(np.array([[largest, 0, 1], [0, 2, 0]], dtype=stored)), PATH).matrix
    assert found.dtype == dtype
    assert found[0, 0] == largest


def test_repeated_entries_are_added_without_wrapping():
    matrix = sparse.csr_matrix((np.array([2**31 - 1, 1], "i4"), [0, 0], [0, 2, 2]), shape=(2, 3))
    found = check_counts(counts(matrix), PATH)
    assert found.matrix[0, 0] == 2**31
    assert "added up" in found.notes[-1]


def test_rounding_is_half_to_even_and_drops_zeros():
    found = check_counts(counts([[0.5, 1.5, 2.4], [0, 3, 0]]), PATH, round_counts=True)
    assert found.matrix.toarray().tolist() == [[0, 2, 2], [0, 3, 0]]
    assert found.matrix.nnz == 3


@pytest.mark.parametrize("matrix", [np.zeros((2, 3)), np.zeros((0, 3)), np.zeros((2, 0))])
def test_a_matrix_of_zeros(matrix):
    with pytest.raises(InputError, match="no counts"):
        check_counts(counts(matrix, [], [], []), PATH)


def test_names_that_do_not_fit():
    with pytest.raises(InputError, match="3 barcodes"):
        check_counts(counts(np.ones((2, 3)), barcodes=["a", "b", "c"]), PATH)


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_names_that_cannot_be_written(name):
    with pytest.raises(InputError, match="not text"):
        check_counts(counts(np.ones((2, 3)), symbols=["A", name, "C"]), PATH)


def test_names_are_completed_and_made_unique():
    found = check_counts(counts(np.ones((2, 3)), ["b", "b"], ["i", "", "k"], ["A", "A", ""]), PATH)
    adata = to_adata(found, {"sample": "s"})
    assert list(adata.obs_names) == ["b", "b-1"]
    assert list(adata.var_names) == ["A", "A-1", "k"]
    assert list(adata.var["gene_ids"]) == ["i", "A", "k"]
    assert list(adata.var["gene_symbols"]) == ["A", "A", "k"]
    notes = " ".join(json.loads(adata.uns["intake"])["notes"])
    assert "Duplicate barcodes: 1" in notes
    assert "Duplicate gene names: 1" in notes
    assert json.loads(adata.uns["settings"]) == {"sample": "s"}


def test_unique_does_not_collide():
    assert names.unique(["a", "a-1", "a"])[0] == ["a", "a-1", "a-2"]


@pytest.mark.parametrize("name", ["ENSG00000000001", "ENSMUSG00000026034.17"])
def test_ensembl(name):
    assert names.are_ids([name])


@pytest.mark.parametrize("name", ["ENSA", "ENGASE", "ACTB", "1007", "AACTCAGAGAGTCGGT"])
def test_not_ensembl(name):
    assert not names.are_ids([name])


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        (["AACTCAGAGAGTCGGT-1"], ["Xkr4"], True),
        (["Xkr4"], ["s1_AACTCAGAGAGTCGGT"], False),
        (["x", "y"], ["Actb", "Xkr4"], True),
        (["ENSG00000000001"], ["x"], False),
        (["cell_1"], ["gene_1"], True),
        (["x"], ["y"], None),
    ],
)
def test_orientation_by_names(rows, columns, expected):
    assert names.rows_are_cells(rows, columns) is expected
