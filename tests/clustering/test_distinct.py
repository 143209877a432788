"""Clusters that no marker genes tell apart are joined; those with markers on both sides stay."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scsiameseclu.clustering.distinct import cluster_profiles, merge_indistinct, n_markers

GENES = 100


def typed(n_cells=60, n_types=3, n_marked=5, seed=0, fold=20.0):
    """Return counts of types with marker genes of their own, and the types."""
    rng = np.random.default_rng(seed)
    rates = np.full((n_types, GENES), 1.0)
    for kind in range(n_types):
        rates[kind, kind * n_marked : (kind + 1) * n_marked] *= fold
    kinds = np.arange(n_cells) % n_types
    return csr_matrix(rng.poisson(rates[kinds])).astype(np.float32), kinds


def test_types_with_markers_stay_apart():
    counts, kinds = typed()
    labels, merges = merge_indistinct(counts, kinds)
    assert labels.tolist() == kinds.tolist()
    assert not merges


def test_a_type_split_at_random_is_joined_again_and_the_merge_is_told():
    counts, kinds = typed(n_cells=300)
    rng = np.random.default_rng(1)
    split = np.where((kinds == 0) & (rng.random(300) < 0.4), 3, kinds)
    labels, merges = merge_indistinct(counts, split)
    assert labels.tolist() == kinds.tolist()
    assert merges == [{"sizes": [int((split == 0).sum()), int((split == 3).sum())], "markers": [0, 0]}]


def test_cells_of_low_depth_are_no_cluster_of_their_own():
    counts, kinds = typed(n_cells=300)
    shallow = counts.toarray()
    low = (kinds == 1) & (np.arange(300) % 2 == 0)
    shallow[low] = np.random.default_rng(2).binomial(shallow[low].astype(int), 0.3)
    labels, merges = merge_indistinct(csr_matrix(shallow), np.where(low, 3, kinds))
    assert labels.tolist() == kinds.tolist()
    assert min(merges[0]["markers"]) == 0


def test_markers_on_one_side_do_not_make_two_clusters():
    counts, kinds = typed(n_cells=300, n_types=2)
    mixed = counts.toarray()
    mixed[kinds == 1] += mixed[kinds == 0]  # doublets: all that the one type has, and more
    profiles = cluster_profiles(csr_matrix(mixed), kinds)
    mine, theirs = n_markers(*profiles)
    assert min(mine, theirs) < 3
    assert merge_indistinct(csr_matrix(mixed), kinds)[0].max() == 0


def test_counts_of_zero_and_single_cells_do_no_harm():
    counts = csr_matrix(np.zeros((4, GENES), dtype=np.float32))
    labels, merges = merge_indistinct(counts, np.arange(4))
    assert labels.tolist() == [0, 0, 0, 0]
    assert len(merges) == 3


@pytest.mark.parametrize("scale", [1, 7])
def test_sums_of_profiles_are_those_of_the_joined_cells(scale):
    counts, kinds = typed()
    first, second, _ = cluster_profiles(counts * scale, kinds)
    joined = cluster_profiles(counts * scale, np.minimum(kinds, 1) * 0 + (kinds == 2))[0]
    np.testing.assert_allclose((first + second).mean, joined.mean)
    np.testing.assert_allclose((first + second).deviation, joined.deviation)
    np.testing.assert_allclose((first + second).share, joined.share)
