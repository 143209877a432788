"""Which files are data sets of the benchmark, and what becomes of their cells and labels."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from scsiameseclu.benchmark.datasets import labelled_datasets, simulated_dataset
from scsiameseclu.errors import InputError


def test_labelled_files_are_prepared_and_others_named(folder, tmp_path, capsys):
    arrays, labelled = sorted(
        labelled_datasets(folder, scratch=tmp_path), key=lambda dataset: dataset.name
    )
    assert (labelled.name, labelled.n_cells, labelled.n_types, labelled.n_genes) == (
        "labelled.h5ad",
        159,
        3,
        120,
    )
    assert (arrays.name, arrays.n_cells, arrays.n_types) == ("arrays.h5", 180, 2)
    reported = capsys.readouterr().err
    assert "unlabelled.h5ad is left out: no cell has a label" in reported
    assert "damaged.h5ad is left out: " in reported
    assert "README" not in reported


def test_empty_cells_are_dropped_and_no_label_stays_with_the_expression(folder, tmp_path):
    dataset = labelled_datasets(folder, scratch=tmp_path, only=["labelled.h5ad"])[0]
    expression = ad.read_h5ad(dataset.expression)
    assert "cell0" not in expression.obs_names
    assert dataset.gold.index.equals(expression.obs_names)
    assert dataset.gold.isna().to_dict()["cell1"]
    assert expression.obs.columns.empty
    assert b"type1" not in dataset.expression.read_bytes()
    np.testing.assert_array_equal(dataset.scores, expression.obsm["X_pca"])


def test_sets_are_taken_by_name_the_smallest_first(folder, tmp_path):
    names = [
        dataset.name
        for dataset in labelled_datasets(folder, scratch=tmp_path, leave_out=["damaged.h5ad"])
    ]
    assert names == ["labelled.h5ad", "arrays.h5"]
    with pytest.raises(InputError, match=r"no data set 'x\.h5'"):
        labelled_datasets(folder, scratch=tmp_path, only=["x.h5"])


def test_a_folder_without_labelled_sets_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match="no labelled data set"):
        labelled_datasets(folder, scratch=tmp_path, only=["unlabelled.h5ad"])
    with pytest.raises(InputError, match="cannot be found"):
        labelled_datasets(tmp_path / "nowhere", scratch=tmp_path)


def test_simulated_cells_are_the_same_each_time(tmp_path):
    one, other = (simulated_dataset(150, scratch=tmp_path) for _ in range(2))
    assert one.n_cells == 150
    assert one.gold.equals(other.gold)
    np.testing.assert_array_equal(one.scores, other.scores)
