"""The linkage against scipy's; the dendrogram's cuts, leaves and stability by definition."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from scsiameseclu.clustering.consensus.linkage import (
    SMALLEST,
    Dendrogram,
    _between,
    average_linkage,
    dendrogram,
)
from scsiameseclu.clustering.consensus.partitions import co_association
from sklearn.metrics import adjusted_rand_score

from tests.clustering.simulated_counts import nested, random_partitions


def random_distances(m, seed=0):
    return squareform(np.random.default_rng(seed).random(m * (m - 1) // 2))


def tree_of(m=20, seed=0, cells=70):
    rng = np.random.default_rng(seed)
    leaves = rng.permutation(np.concatenate([np.arange(m), rng.integers(m, size=cells - m)]))
    return Dendrogram(
        average_linkage(1 - random_distances(m, seed), np.bincount(leaves).astype(float)), leaves
    )


def members(tree, node):
    """Return the mask of the cells of a node, by walking down the merges."""
    if node < tree.n_leaves:
        return tree.leaves == node
    first, second = tree.merges[node - tree.n_leaves, :2].astype(int)
    return members(tree, first) | members(tree, second)


def test_linkage_of_single_cells_is_scipys_average_linkage():
    distances = random_distances(40)
    expected = linkage(squareform(distances), "average")
    merges = average_linkage(1 - distances, np.ones(40))
    np.testing.assert_array_equal(np.sort(merges[:, :2], axis=1), np.sort(expected[:, :2], axis=1))
    np.testing.assert_allclose(1 - merges[:, 2], expected[:, 2])
    np.testing.assert_array_equal(merges[:, 3], expected[:, 3])
    for k in (1, 2, 7, 20, 40):
        cut = Dendrogram(merges, np.arange(40)).into(k)
        assert adjusted_rand_score(fcluster(expected, k, "maxclust"), cut) == 1


@pytest.mark.parametrize("seed", range(5))
def test_linkage_of_clusters_is_scipys_of_their_cells(seed):
    distances = random_distances(15, seed)
    sizes = np.random.default_rng(seed).integers(1, 9, size=15)
    cells = np.repeat(np.arange(15), sizes)
    of_cells = linkage(squareform(distances[np.ix_(cells, cells)]), "average")
    merges = average_linkage(1 - distances, sizes.astype(float))
    np.testing.assert_allclose(1 - merges[:, 2], of_cells[-14:, 2])
    np.testing.assert_array_equal(merges[:, 3], of_cells[-14:, 3])
    for k in (1, 2, 5, 14):
        cut = Dendrogram(merges, cells).into(k)
        assert adjusted_rand_score(fcluster(of_cells, k, "maxclust"), cut) == 1


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1, 1, 1), (90, 1, 1, 30, 1, 7)])
def test_clusters_that_never_meet_are_merged_once_each(sizes):
    """A large and a small cluster that meet in all partitions, and others that they never meet."""
    similarity = np.eye(6)
    similarity[0, 1] = similarity[1, 0] = 0.9
    merges = average_linkage(similarity, np.array(sizes, dtype=float))
    assert sorted(merges[:, :2].ravel().tolist()) == list(range(10))
    assert merges[:, 2].tolist() == [0.9, 0, 0, 0, 0]
    assert merges[-1, 3] == sum(sizes)


def test_linkage_of_one_cluster_has_no_merges():
    assert average_linkage(np.ones((1, 1)), np.ones(1)).shape == (0, 4)


def test_similarity_falls_from_merge_to_merge():
    assert (np.diff(tree_of(40, cells=200).merges[:, 2]) <= 0).all()


def test_cuts_into_numbers_are_nested_and_have_that_many_clusters():
    tree = tree_of()
    cuts = {k: tree.into(k) for k in range(1, 21)}
    for k, cut in cuts.items():
        assert len(np.unique(cut)) == k
        assert nested(cut, cuts[max(k - 1, 1)])
    np.testing.assert_array_equal(cuts[20], tree.leaves)
    np.testing.assert_array_equal(tree.into(99), tree.leaves)
    np.testing.assert_array_equal(tree.into(0), cuts[1])


def test_cuts_at_co_associations_are_nested_and_end_where_merges_fall_below():
    tree = tree_of()
    cuts = [tree.at(met) for met in (0.0, 0.2, 0.4, 0.6, 0.8, 1.1)]
    for coarser, finer in pairwise(cuts):
        assert nested(finer, coarser)
        assert (coarser >= finer).all()
    assert len(np.unique(cuts[0])) == 1
    np.testing.assert_array_equal(cuts[-1], tree.leaves)
    third = tree.merges[2, 2]
    assert len(np.unique(tree.at(third))) == 20 - 3


def test_nodes_of_a_cut_hold_the_cells_that_the_merges_say():
    tree = tree_of()
    for k in (1, 4, 11):
        cut = tree.into(k)
        for node in np.unique(cut):
            np.testing.assert_array_equal(cut == node, members(tree, node))
    for i, cells in enumerate(tree.merges[:, 3]):
        assert members(tree, 20 + i).sum() == cells
        assert tree.merges[i, :2].max() < 20 + i


def test_stability_of_a_node_is_its_mean_best_jaccard_index():
    tree = tree_of(8, cells=40)
    labels = random_partitions(n=40, p=5, k=4)
    found = tree.stability(labels)
    assert found.shape == (15,)
    for node in range(15):
        own = members(tree, node)
        best = [
            max(
                (own & (partition == c)).sum() / (own | (partition == c)).sum()
                for c in np.unique(partition)
            )
            for partition in labels.T
        ]
        assert found[node] == pytest.approx(np.mean(best))
    assert found[-1] == found.max() or found[-1] > 0


def test_stability_of_a_single_leaf_is_that_of_all_cells():
    labels = np.array([[0], [0], [0], [1]], dtype=np.int32)
    assert Dendrogram(np.empty((0, 4)), np.zeros(4, dtype=np.int64)).stability(labels).tolist() == [
        0.75
    ]


def test_leaves_left_empty_are_taken_out_and_the_rest_stays():
    tree = tree_of()
    leaves = tree.leaves.copy()
    leaves[np.isin(leaves, (3, 7, 8, 19))] = 0
    fewer = tree.with_leaves(leaves)
    assert fewer.n_leaves == 16
    assert len(np.unique(fewer.leaves)) == 16
    assert adjusted_rand_score(leaves, fewer.leaves) == 1
    kept = {}
    for met in np.linspace(0, 1, 21):
        kept[met] = Dendrogram(tree.merges, leaves).at(met)
        assert adjusted_rand_score(kept[met], fewer.at(met)) == 1
    for i, cells in enumerate(fewer.merges[:, 3]):
        assert members(fewer, 16 + i).sum() == cells
    assert set(fewer.merges[:, 2]) <= set(tree.merges[:, 2])
    for k in range(1, 17):
        assert len(np.unique(fewer.into(k))) == k


def test_the_same_leaves_give_the_same_dendrogram():
    tree = tree_of()
    same = tree.with_leaves(tree.leaves)
    assert same.merges.tolist() == tree.merges.tolist()
    assert same.leaves.tolist() == tree.leaves.tolist()
    alone = Dendrogram(np.empty((0, 4)), np.zeros(4, dtype=np.int64))
    assert alone.with_leaves(alone.leaves).merges.shape == (0, 4)


# --- the dendrogram of micro-clusters


def planted(sizes, *, within=0.9, between=0.1):
    """Return the co-association of micro-clusters of those sizes, and each cell's one."""
    similarity = np.full((len(sizes), len(sizes)), between)
    np.fill_diagonal(similarity, within)
    return similarity, np.repeat(np.arange(len(sizes)), sizes)


def test_small_leaves_join_the_one_that_they_meet_most():
    similarity, micro = planted([40, 30, 3])
    similarity[2, 1] = similarity[1, 2] = 0.3
    tree = dendrogram(similarity, micro)
    assert tree.n_leaves == 2
    assert np.bincount(tree.leaves).tolist() == [40, 33]
    assert tree.leaves[-1] == tree.leaves[40]
    expected = co_association_of_leaves(similarity, micro, tree.leaves)
    assert tree.merges[0].tolist() == pytest.approx([0, 1, expected[0, 1], 73])


def co_association_of_leaves(similarity, micro, leaves):
    cells = similarity[np.ix_(micro, micro)]
    k = leaves.max() + 1
    return np.array(
        [[cells[np.ix_(leaves == a, leaves == b)].mean() for b in range(k)] for a in range(k)]
    )


def test_leaves_have_enough_cells_and_the_merges_are_theirs():
    labels = random_partitions(n=200, p=9, k=3)
    micro = np.unique(labels, axis=0, return_inverse=True)[1].ravel()
    similarity = co_association(micro, labels)
    for k in (1, 4):
        tree = dendrogram(similarity, micro, n_clusters=k)
        sizes = np.bincount(tree.leaves)
        assert len(sizes) == tree.n_leaves
        assert sizes.min() >= SMALLEST
        expected = average_linkage(co_association(tree.leaves, labels), sizes.astype(float))
        np.testing.assert_allclose(tree.merges, expected)


@pytest.mark.parametrize("k", [1, 2, 5, 9])
def test_as_many_clusters_as_wanted_have_enough_cells(k):
    """Single cells are not clusters, although they are joined last."""
    similarity, micro = planted([20] * 9 + [1] * 9, between=0.2)
    similarity[9:, :9] = similarity[:9, 9:] = similarity[9:, 9:] = 0.01
    np.fill_diagonal(similarity, 0.9)
    tree = dendrogram(similarity, micro, n_clusters=k)
    assert tree.n_leaves == 9
    assert np.bincount(tree.into(k)[:180]).max() >= 20
    assert len(np.unique(tree.into(k))) == k


def test_as_many_clusters_as_micro_clusters_and_more():
    similarity, micro = planted([1] * 12)
    for k in (12, 40):
        tree = dendrogram(similarity, micro, n_clusters=k)
        assert tree.n_leaves == 12
        assert len(np.unique(tree.into(k))) == 12


def test_one_micro_cluster_is_one_leaf():
    tree = dendrogram(np.ones((1, 1)), np.zeros(5, dtype=np.int64), n_clusters=3)
    assert tree.n_leaves == 1
    assert not tree.into(3).any()


@pytest.mark.parametrize(("n_leaves", "m"), [(1, 1), (7, 60), (4_000, 5_000)])
def test_what_leaves_share_is_the_sum_over_their_micro_clusters(n_leaves, m):
    """Also of nearly as many leaves as micro-clusters, which a dense product would take long for.

    The similarity is of rank 3, so that the expected value is quick to compute.
    """
    rng = np.random.default_rng(0)
    leaves = rng.permutation(np.concatenate([np.arange(n_leaves), rng.integers(n_leaves, size=m)]))
    leaves = np.unique(leaves[:m], return_inverse=True)[1]
    sizes, factors = rng.integers(1, 9, size=m).astype(float), rng.random((m, 3))
    met, cells = _between(leaves, factors @ factors.T, sizes)
    sums = np.column_stack([np.bincount(leaves, sizes * factor) for factor in factors.T])
    np.testing.assert_allclose(met, sums @ sums.T, rtol=1e-12)
    np.testing.assert_array_equal(cells, np.bincount(leaves, sizes))
