"""Agreement with many partitions: against scikit-learn's index, and as what an exchange raises."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scsiameseclu.clustering.agreement import Agreement, adjusted_rand_index, exchange, mean_agreement
from sklearn.metrics import adjusted_rand_score

from tests.clustering.simulated_counts import random_partitions


def test_adjusted_rand_index_is_scikit_learns():
    partitions = random_partitions(p=2)
    found = adjusted_rand_index(partitions[:, 0], partitions[:, 1])
    assert found == pytest.approx(adjusted_rand_score(partitions[:, 0], partitions[:, 1]))
    assert adjusted_rand_index(np.zeros(5, dtype=int), np.zeros(5, dtype=int)) == 1
    assert adjusted_rand_index(np.zeros(5, dtype=int), np.arange(5)) == 0


def test_agreement_of_micro_clusters_is_that_of_their_cells():
    partitions, micro = random_partitions(), np.arange(60) % 20
    labels = np.random.default_rng(1).integers(4, size=20)
    agreement = Agreement(partitions, micro)
    expected = np.mean([adjusted_rand_score(labels[micro], partition) for partition in partitions.T])
    assert agreement.of(labels) == pytest.approx(expected)
    assert mean_agreement(labels[micro], partitions) == pytest.approx(expected)


def test_agreement_after_joins_is_that_of_the_joined_clusters():
    agreement = Agreement(random_partitions(), np.arange(60) % 20)
    labels = np.arange(20) % 4
    first, second, values = agreement.of_joins(labels)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == list(combinations(range(4), 2))
    for a, b, value in zip(first, second, values, strict=True):
        joined = np.unique(np.where(labels == b, a, labels), return_inverse=True)[1]
        assert value == pytest.approx(agreement.of(joined))


def test_agreement_with_partitions_into_one_cluster_is_defined():
    agreement = Agreement(np.zeros((6, 2), dtype=np.int32), np.arange(6))
    assert agreement.of(np.zeros(6, dtype=np.int64)) == 1
    assert agreement.of(np.arange(6)) == 0


def test_exchange_takes_a_wrong_merge_back():
    types = np.repeat([0, 1, 2], 10)
    partitions = np.tile(types[:, None], (1, 5)).astype(np.int32)
    similarity = (types[:, None] == types).astype(float)
    wrong = np.where(types == 2, 1, types)
    wrong[:3] = 2  # two types in one cluster, one type in two
    agreement = Agreement(partitions, np.arange(30))
    found = exchange(wrong, agreement, similarity, gammas=(0.0,))
    assert adjusted_rand_score(types, found) == 1


def test_the_best_exchange_that_is_allowed_is_made():
    partitions, micro = random_partitions(), np.arange(60) % 20
    agreement, similarity = Agreement(partitions, micro), np.eye(20)
    labels = np.arange(20) % 5
    asked: list[float] = []

    def only_the_third(candidate):
        asked.append(agreement.of(candidate))
        return len(asked) == 3

    found = exchange(labels, agreement, similarity, gammas=(0.0, 0.3), allowed=only_the_third)
    assert asked[0] >= asked[1] >= asked[2] == agreement.of(found) > agreement.of(labels)
    assert len(np.unique(found)) == 5 == found.max() + 1
    assert exchange(labels, agreement, similarity, gammas=(0.0,), allowed=lambda _: False) is labels


@pytest.mark.parametrize("k", [1, 5, 20])
def test_exchange_never_lowers_the_agreement_and_keeps_the_number(k):
    partitions, micro = random_partitions(), np.arange(60) % 20
    agreement = Agreement(partitions, micro)
    similarity = np.eye(20)
    labels = np.arange(20) % k
    found = exchange(labels, agreement, similarity, gammas=(0.0, 0.3))
    assert len(np.unique(found)) == k == found.max() + 1
    assert agreement.of(found) >= agreement.of(labels)
