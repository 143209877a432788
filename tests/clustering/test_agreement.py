"""Agreement with many partitions: against scikit-learn's index, and as what an exchange raises."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scsiameseclu.clustering.agreement import MAX_ASKED, Agreement, Exchanges, adjusted_rand_index, mean_agreement
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


def test_exchanges_take_a_wrong_merge_back():
    types = np.repeat([0, 1, 2], 10)
    partitions = np.tile(types[:, None], (1, 5)).astype(np.int32)
    similarity = (types[:, None] == types).astype(float)
    wrong = np.where(types == 2, 1, types)
    wrong[:3] = 2  # two types in one cluster, one type in two
    agreement = Agreement(partitions, np.arange(30))
    found = Exchanges(agreement, similarity, gammas=(0.0,), merit=agreement.of).improve(wrong)
    assert adjusted_rand_score(types, found) == 1


def test_of_the_exchanges_that_agree_best_the_one_of_most_merit_is_made():
    partitions, micro = random_partitions(), np.arange(60) % 20
    agreement, similarity = Agreement(partitions, micro), np.eye(20)
    labels = np.arange(20) % 5
    asked: list[np.ndarray] = []

    def third_of_the_first(candidate):
        if candidate is labels:
            return 0.5
        if not any(candidate is known for known in asked):
            asked.append(candidate)
        return float(candidate is asked[2]) if len(asked) > 2 else 0.0

    found = Exchanges(agreement, similarity, gammas=(0.0, 0.3), merit=third_of_the_first).improve(labels)
    agreements = [agreement.of(candidate) for candidate in asked[:MAX_ASKED]]
    assert agreements == sorted(agreements, reverse=True)
    assert agreements[-1] > agreement.of(labels)
    assert found is asked[2]
    assert len(np.unique(found)) == 5 == found.max() + 1
    assert Exchanges(agreement, similarity, gammas=(0.0,), merit=lambda _: 1.0).improve(labels) is labels


@pytest.mark.parametrize("k", [1, 5, 20])
def test_exchanges_never_lower_the_agreement_and_keep_the_number(k):
    partitions, micro = random_partitions(), np.arange(60) % 20
    agreement = Agreement(partitions, micro)
    labels = np.arange(20) % k
    found = Exchanges(agreement, np.eye(20), gammas=(0.0, 0.3), merit=agreement.of).improve(labels)
    assert len(np.unique(found)) == k == found.max() + 1
    assert agreement.of(found) >= agreement.of(labels)
