"""The methods of the paper find planted types, see no label and are deterministic."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from scipy.stats import multivariate_normal
from scsiameseclu.benchmark.baselines import BASELINES, _common, is_installed, scdsc, scgnn
from scsiameseclu.benchmark.baselines.pcareduce import _cluster, _log_density
from scsiameseclu.benchmark.methods import METHODS
from scsiameseclu.benchmark.run import code_of
from scsiameseclu.expression.normalize import normalize
from sklearn.metrics import adjusted_rand_score

from tests.clustering.simulated_counts import simulated

BIN = Path(__file__).parents[2] / "bin"
LONG = ("suscc", "scname", "scdsc", "scgnn", "scvi")
INSTALLED = [method for method in BASELINES if is_installed(method)]
NAMES = [
    pytest.param(m.name, marks=[pytest.mark.slow] if m.name in LONG else []) for m in INSTALLED
]
ONE_CELL_WRONG = 0.97
"""Lowest ARI of the graph network, after so few steps."""


@pytest.fixture(scope="module")
def cells():
    """Return cells of three types that lie apart, normalized."""
    return normalize(simulated(sizes=(60, 45, 30), n_genes=300, seed=1))


@pytest.fixture
def few_steps(monkeypatch):
    """Let a training end early: enough for these cells."""
    monkeypatch.setattr(_common, "MOST_STEPS", 100)


def fitted(name, cells, seed=0, n_clusters=3):
    return METHODS[name].fit(cells, n_clusters=n_clusters, seed=seed).labels


@pytest.mark.parametrize("name", NAMES)
def test_planted_types_are_found_without_the_labels_and_to_the_byte(name, cells, few_steps):
    labels = fitted(name, cells)
    assert adjusted_rand_score(cells.obs["label"], labels) >= (
        ONE_CELL_WRONG if name == "scdsc" else 1
    )
    assert labels.dtype == np.int64
    others = cells.copy()
    others.obs["label"] = np.random.default_rng(0).permutation(cells.obs["label"])
    torch.manual_seed(99)
    assert fitted(name, others).tobytes() == labels.tobytes()


@pytest.mark.parametrize("method", INSTALLED, ids=lambda method: method.name)
def test_one_cluster_needs_no_training(method, cells):
    assert not method.fit(cells, n_clusters=1, seed=0).labels.any()


@pytest.mark.slow
def test_scgnn_finds_a_number_of_clusters(cells, few_steps, monkeypatch):
    monkeypatch.setattr(scgnn, "ITERATIONS", 1)
    found = fitted("scgnn", cells, n_clusters="auto")
    assert len(set(found)) >= 2
    assert adjusted_rand_score(cells.obs["label"], found) > 0.4


def test_results_depend_on_the_methods_own_code_and_on_the_common_parts():
    modules = {module.rpartition(".")[2] for module, _ in code_of(METHODS["scdsc"]).texts}
    assert {"scdsc", "_common", "losses", "transport"} <= modules
    assert "scgnn" not in modules
    assert len({code_of(method).digest for method in BASELINES}) == len(BASELINES)


def test_seeds_differ_and_torch_settings_are_restored():
    before = torch.random.get_rng_state()
    drawn = []
    for seed in (0, 0, 1):
        with _common.seeded(seed, "cpu"):
            drawn.append(torch.rand(3).tolist())
    assert drawn[0] == drawn[1] != drawn[2]
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_target_sharpens_by_hand():
    q = torch.tensor([[0.6, 0.4], [0.2, 0.8]])
    weight = q**2 / q.sum(0)
    torch.testing.assert_close(_common.sharpened(q.log()), weight / weight.sum(1, keepdim=True))


def test_batches_are_epochs_up_to_the_most_steps(monkeypatch):
    monkeypatch.setattr(_common, "MOST_STEPS", 5)
    found = list(_common.batches(10, epochs=3, size=4))
    assert [len(batch) for batch in found] == [4, 4, 2, 4, 4]
    assert sorted(torch.cat(found[:3]).tolist()) == list(range(10))


def test_a_subgraph_has_all_neighbors_of_its_seeds():
    graph = csr_matrix(np.eye(6, k=1, dtype=np.float32) + np.eye(6, k=-1, dtype=np.float32))
    with _common.seeded(0, "cpu"):
        found = list(_common.subgraphs(graph, epochs=1, seeds=2))
    dense = graph.toarray() + np.eye(6)
    for cells, adjacency in found:
        np.testing.assert_array_equal(adjacency.numpy(), dense[np.ix_(cells, cells)])
    assert set(torch.cat([cells for cells, _ in found]).tolist()) == set(range(6))
    rows = _common.whole(graph, "cpu").to_dense()
    torch.testing.assert_close(
        rows, _common.row_normalized(torch.from_numpy(dense.astype(np.float32)))
    )


def test_scdsc_joins_cells_of_the_largest_products():
    x = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    products = (x - x.mean()) @ (x - x.mean()).T
    found = scdsc._similar(torch.from_numpy(x)).toarray()
    for cell, row in enumerate(products):
        assert set(np.flatnonzero(found[cell])) == set(np.argsort(row)[-11:]) - {cell}


@pytest.mark.parametrize("most", [40, 39])
def test_scdsc_sees_all_of_few_cells_and_neighborhoods_of_many(most, monkeypatch):
    monkeypatch.setattr(scdsc, "WHOLE", most)
    monkeypatch.setattr(scdsc, "SEEDS", 2)
    toward = scdsc._similar(torch.randn(40, 5))
    graph = csr_matrix(toward.maximum(toward.T))
    with _common.seeded(0, "cpu"):
        found = list(scdsc._neighborhoods(graph, toward))
    assert len(found) == scdsc.STEPS
    assert all((len(cells) == 40) == (most == 40) for cells, _ in found)
    dense = graph.toarray() + np.eye(40)
    cells, adjacency = found[0]
    np.testing.assert_array_equal(adjacency.numpy(), dense[np.ix_(cells, cells)])


def test_the_density_of_a_pair_is_that_of_its_cells():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(20, 3)), rng.normal(2, 1, size=(30, 3))
    mean = (20 * a.mean(axis=0) + 30 * b.mean(axis=0)) / 50
    covariance = 0.4 * np.cov(a.T) + 0.6 * np.cov(b.T) + 0.05 * np.eye(3)
    expected = multivariate_normal(mean, covariance).logpdf(np.vstack([a, b])).sum()
    assert _log_density(_cluster(a), _cluster(b), 3) == pytest.approx(expected)


def test_the_page_does_not_import_their_libraries():
    code = "import sys; import scsiameseclu.benchmark.baselines; print('torch' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=BIN, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "False"
