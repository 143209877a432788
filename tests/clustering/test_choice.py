"""The label-free choice between trained clusters and consensus."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scsiameseclu.clustering.choice import PSEUDOCOUNT, choose, held_out_likelihood

from tests.clustering.simulated_counts import simulated


def naive_likelihood(counts: np.ndarray, labels: np.ndarray) -> float:
    total = 0.0
    for cell, label in enumerate(labels):
        others = (labels == label) & (np.arange(len(labels)) != cell)
        profile = counts[others].sum(0) + PSEUDOCOUNT
        total += counts[cell] @ np.log(profile / profile.sum())
    return total / counts.sum()


def test_held_out_likelihood_equals_leaving_one_cell_out():
    rng = np.random.default_rng(0)
    counts, labels = rng.poisson(1.5, (30, 12)), np.append(np.arange(29) % 3, 3)
    assert held_out_likelihood(csr_matrix(counts), labels) == pytest.approx(naive_likelihood(counts, labels))


def test_the_truth_is_preferred_to_errors_and_errors_are_not_preferred_to_it():
    cells = simulated()
    truth = np.asarray(cells.obs["label"].astype("category").cat.codes, dtype=np.int64)
    wrong = truth.copy()
    wrong[:20] = (wrong[:20] + 1) % 3
    mended = choose(cells.X, trained=truth, consensus=wrong)
    assert mended["reason"] == ""
    assert mended["cells_changed"] == 20
    assert mended["likelihood_trained"] > mended["likelihood_consensus"]
    assert "held-out cells worse" in choose(cells.X, trained=wrong, consensus=truth)["reason"]


def test_a_lost_cluster_is_not_accepted():
    cells = simulated()
    truth = np.asarray(cells.obs["label"].astype("category").cat.codes, dtype=np.int64)
    assert choose(cells.X, trained=np.minimum(truth, 1), consensus=truth)["reason"] == "training lost 1 of the clusters"


def test_equal_clusters_are_accepted():
    cells = simulated()
    labels = np.arange(cells.n_obs) % 2
    assert choose(cells.X, trained=labels, consensus=labels)["reason"] == ""


def test_cells_without_counts_do_not_matter():
    assert held_out_likelihood(csr_matrix((4, 3), dtype=np.float32), np.array([0, 0, 1, 1])) == 0
