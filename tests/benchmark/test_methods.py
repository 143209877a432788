"""The methods, mainly the one that only the benchmark has: Louvain as in Seurat."""

from __future__ import annotations

from dataclasses import fields
from importlib.resources import files

import numpy as np
import pytest
from scsiameseclu.benchmark.methods import (
    COMPARED,
    METHODS,
    OURS,
    SWITCHES,
    louvain_labels,
    seurat_graph,
)
from scsiameseclu.clustering.network.train import Components
from scsiameseclu.expression.normalize import normalize
from sklearn.metrics import adjusted_rand_score

from tests.clustering.simulated_counts import simulated, with_components


@pytest.fixture(scope="module")
def adata():
    return with_components(simulated())


def test_seurat_graph_by_hand():
    scores = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    graph = seurat_graph(scores).toarray()
    distances = np.linalg.norm(scores[:, None] - scores[None], axis=2)
    sets = [set(np.argsort(row)[:20].tolist()) for row in distances]
    expected = np.array([[len(a & b) / len(a | b) for b in sets] for a in sets])
    expected[expected < 1 / 15] = 0
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(graph, expected, rtol=1e-5)


def test_louvain_finds_planted_types(adata):
    labels = louvain_labels(seurat_graph(adata.obsm["X_pca"]))
    assert adjusted_rand_score(adata.obs["label"], labels) > 0.9
    assert np.array_equal(labels, louvain_labels(seurat_graph(adata.obsm["X_pca"])))


def test_louvain_of_equal_cells_is_one_cluster():
    assert not louvain_labels(seurat_graph(np.zeros((1, 2), dtype=np.float32))).any()


@pytest.mark.parametrize(
    ("name", "mode"),
    [(method.name, mode) for method in COMPARED if method is not OURS for mode in method.modes],
)
def test_methods_without_a_network_find_planted_types(adata, name, mode):
    """Of every method that is compared: a new one is tested here without another line."""
    n_types = adata.obs["label"].nunique()
    found = METHODS[name].fit(adata, n_clusters=n_types if mode == "true" else mode, seed=0)
    assert mode == "auto" or found.labels.max() + 1 == n_types
    assert found.trained is None
    assert adjusted_rand_score(adata.obs["label"], found.labels) > 0.5


def test_the_page_describes_every_method():
    page = (files("scsiameseclu.benchmark") / "page.md").read_text(encoding="utf-8")
    assert [method.title for method in COMPARED if f"*{method.title}*" not in page] == []


def test_every_component_has_its_ablation():
    switched = {name for switches in SWITCHES.values() for name in switches}
    assert switched == {field.name for field in fields(Components)}


def test_scanpys_path_ends_in_clusters(adata):
    found = METHODS["scanpy"].fit(normalize(adata), n_clusters="auto", seed=0)
    assert adjusted_rand_score(adata.obs["label"], found.labels) > 0.5
