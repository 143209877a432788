"""The comparison methods and their command."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scsiameseclu.errors import InputError
from scsiameseclu.evaluation.comparison import (
    compare,
    comparison_labels,
    kmeans_labels,
    matched_leiden_labels,
    standard_graph,
)
from scsiameseclu.files import read_table
from sklearn.metrics import adjusted_rand_score

from tests.clustering.simulated_counts import simulated, with_components

pytestmark = pytest.mark.slow


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expression = with_components(simulated())
    obs = pd.DataFrame(
        {
            "cluster": pd.Categorical(expression.obs["label"].str[-1]),
            "consensus": pd.Categorical(["0"] * expression.n_obs),
        },
        index=expression.obs_names,
    )
    expression.write_h5ad(tmp_path / "g.expression.h5ad")
    ad.AnnData(obs=obs).write_h5ad(tmp_path / "g.clustering.h5ad")
    return tmp_path / "g.expression.h5ad", tmp_path / "g.clustering.h5ad"


def test_the_command_writes_one_row_per_cell(files):
    expression, clustering = files
    compare(prefix="g", expression=expression, clustering=clustering)
    written = (expression.parent / "g.comparison.tsv").read_bytes()
    table = read_table("g.comparison.tsv", dtype=str)
    assert list(table) == ["barcode", "scsiameseclu", "consensus", "leiden", "leiden_k", "kmeans"]
    assert table["barcode"].tolist() == ad.read_h5ad(expression).obs_names.tolist()
    assert adjusted_rand_score(table["scsiameseclu"], table["leiden_k"]) > 0.9
    assert adjusted_rand_score(table["scsiameseclu"], table["kmeans"]) > 0.5
    compare(prefix="g", expression=expression, clustering=clustering)
    assert (expression.parent / "g.comparison.tsv").read_bytes() == written


def test_files_of_different_cells_are_refused(files):
    expression, clustering = files
    fewer = ad.read_h5ad(clustering)[:-1].copy()
    fewer.write_h5ad(clustering)
    with pytest.raises(InputError, match="are not those of"):
        compare(prefix="g", expression=expression, clustering=clustering)


def test_leiden_is_matched_to_the_number_of_clusters():
    graph = standard_graph(with_components(simulated()).obsm["X_pca"])
    for k in (2, 3, 6):
        assert matched_leiden_labels(graph, n_clusters=k).max() + 1 == k


@pytest.mark.parametrize("n", [1, 2, 3, 5, 20])
def test_few_cells(n):
    scores = np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)
    labels = comparison_labels(scores, n_clusters=min(n, 2))
    assert all(found.shape == (n,) for found in labels.values())


def test_kmeans_of_equal_cells_is_one_cluster():
    assert not kmeans_labels(np.ones((10, 2), dtype=np.float32), n_clusters=3).any()


def test_the_standard_graph_is_built_beyond_the_exact_search():
    """Above 8,192 cells scanpy asks pynndescent for neighbors; the versions must fit."""
    scores = np.random.default_rng(0).normal(size=(8200, 5)).astype(np.float32)
    graph = standard_graph(scores)
    assert graph.shape == (8200, 8200)
    assert graph.getnnz(axis=1).min() > 0
