"""The label-free choice between trained clusters and consensus."""

from __future__ import annotations

import numpy as np
from scsiameseclu.clustering.choice import choose

from tests.clustering.simulated_counts import planted_clusters, simulated


def test_the_truth_is_preferred_to_errors_and_errors_are_not_preferred_to_it():
    cells = simulated()
    truth = planted_clusters(cells)
    wrong = truth.copy()
    wrong[:20] = (wrong[:20] + 1) % 3
    mended = choose(cells.X, trained=truth, consensus=wrong)
    assert mended["reason"] == ""
    assert mended["cells_changed"] == 20
    assert mended["likelihood_trained"] > mended["likelihood_consensus"]
    assert "held-out cells worse" in choose(cells.X, trained=wrong, consensus=truth)["reason"]


def test_a_lost_cluster_is_not_accepted():
    cells = simulated()
    truth = planted_clusters(cells)
    assert choose(cells.X, trained=np.minimum(truth, 1), consensus=truth)["reason"] == "training lost 1 of the clusters"


def test_equal_clusters_are_accepted():
    cells = simulated()
    labels = np.arange(cells.n_obs) % 2
    assert choose(cells.X, trained=labels, consensus=labels)["reason"] == ""
