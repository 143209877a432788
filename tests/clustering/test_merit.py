"""The merit of a clustering: held-out likelihood against its definition, and what the product prefers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scsiameseclu.clustering.agreement import Agreement
from scsiameseclu.clustering.merit import PSEUDOCOUNT, Merit, by_first_member, held_out_likelihood

from tests.clustering.simulated_counts import planted_clusters, random_partitions, simulated


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


def test_cells_without_counts_do_not_matter():
    assert held_out_likelihood(csr_matrix((4, 3), dtype=np.float32), np.array([0, 0, 1, 1])) == 0


def test_merit_is_agreement_times_what_is_added_to_the_likelihood():
    counts = csr_matrix(np.random.default_rng(0).poisson(1.5, (60, 12)) + 3 * np.eye(60, 12, dtype=int))
    partitions, micro = random_partitions(), np.arange(60) % 20
    agreement, labels = Agreement(partitions, micro), (np.arange(20) % 12).astype(np.int64)
    added = held_out_likelihood(counts, labels[micro]) - held_out_likelihood(counts, np.zeros(60, dtype=np.int64))
    assert Merit(agreement, micro, counts).of(labels) == pytest.approx(agreement.of(labels) * max(added, 0))
    assert Merit(agreement, micro, None).of(labels) == agreement.of(labels)


def test_of_clusterings_that_agree_alike_the_one_that_predicts_has_merit():
    cells = simulated()
    truth = planted_clusters(cells)
    chance = np.random.default_rng(0).permutation(truth)
    partitions = np.column_stack([truth, chance]).astype(np.int32)
    micro = np.arange(cells.n_obs)
    merit = Merit(Agreement(partitions, micro), micro, csr_matrix(cells.X))
    assert merit.of(truth) > 0 == merit.of(chance)


def test_the_names_of_the_clusters_do_not_matter():
    assert by_first_member(np.array([5, 2, 2, 9, 5])).tolist() == [0, 1, 1, 2, 0]
    partitions, micro = random_partitions(), np.arange(60)
    counts = csr_matrix(np.random.default_rng(0).poisson(2, (60, 9)))
    merit, labels = Merit(Agreement(partitions, micro), micro, counts), partitions[:, 0].astype(np.int64)
    assert merit.of(labels.max() - labels) == merit.of(labels)
