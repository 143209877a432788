"""The consensus and its levels: planted clusters, noise, odd input, nested levels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scsiameseclu.clustering.consensus.levels import (
    COARSEST,
    DETAIL,
    FINEST,
    Consensus,
    by_falling_size,
    consensus_clustering,
    dendrogram_of,
    levels,
)
from scsiameseclu.clustering.consensus.linkage import Dendrogram, average_linkage
from scsiameseclu.clustering.consensus.partitions import Partitions, cell_co_association
from sklearn.metrics import adjusted_rand_score

from tests.clustering.simulated_counts import nested, planted_clusters, random_partitions, simulated


def consensus_of(counts, **options):
    matrix = csr_matrix(counts).astype(np.float32)
    return consensus_clustering(
        matrix, highly_variable=np.ones(matrix.shape[1], dtype=bool), **options
    )


@pytest.fixture(scope="module")
def typed():
    adata = simulated(n_genes=300)
    return adata.X, planted_clusters(adata)


@pytest.fixture(scope="module")
def found(typed):
    return consensus_of(typed[0])


def tree_of(m=20, cells=70, seed=0):
    """Return a dendrogram with merges at co-associations between 0 and 1."""
    rng = np.random.default_rng(seed)
    leaves = rng.permutation(np.concatenate([np.arange(m), rng.integers(m, size=cells - m)]))
    similarity = rng.random((m, m))
    return Dendrogram(
        average_linkage((similarity + similarity.T) / 2, np.bincount(leaves).astype(float)), leaves
    )


# --- the consensus


def test_planted_types_are_found_with_and_without_their_number(typed, found):
    counts, truth = typed
    for consensus in (found, consensus_of(counts, n_clusters=3)):
        assert consensus.n_clusters == 3
        assert adjusted_rand_score(truth, consensus.labels) == 1
        assert (np.diff(np.bincount(consensus.labels)) <= 0).all()
        assert consensus.labels.dtype == np.int64
        assert consensus.partitions.labels.dtype == np.int32


@pytest.mark.parametrize("k", [1, 2, 5, 12])
def test_as_many_clusters_as_wanted(typed, k):
    consensus = consensus_of(typed[0], n_clusters=k)
    assert consensus.n_clusters == k
    assert np.bincount(consensus.labels).min() >= min(8, 160 / (4 * k))


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_one_cluster_at_every_level(seed):
    noise = np.random.default_rng(seed).poisson(2, size=(150, 100))
    consensus = consensus_of(noise, random_state=seed)
    assert consensus.n_clusters == 1
    assert consensus.partitions.agreement < 0.5
    assert consensus.dendrogram.n_leaves == 1
    assert all(not labels.any() for labels in levels(consensus.dendrogram))
    assert consensus_of(noise, n_clusters=4).n_clusters == 4


def test_the_same_seed_gives_the_same_bytes(typed):
    first, again = (consensus_of(typed[0], random_state=3) for _ in range(2))
    assert first.labels.tobytes() == again.labels.tobytes()
    assert first.partitions.labels.tobytes() == again.partitions.labels.tobytes()
    assert first.dendrogram.merges.tobytes() == again.dendrogram.merges.tobytes()
    assert first.dendrogram.leaves.tobytes() == again.dendrogram.leaves.tobytes()


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 15, 16, 20, 40])
def test_few_cells(n):
    counts = simulated(sizes=(n,), n_genes=30).X
    for wanted in {1, 2, n, "auto"}:
        consensus = consensus_of(counts, n_clusters=wanted)
        assert consensus.labels.shape == (n,)
        assert (
            consensus.n_clusters == min(wanted, n)
            if wanted != "auto"
            else consensus.n_clusters <= n
        )


def test_equal_cells_are_one_cluster():
    for n_clusters in (1, 4, 30, "auto"):
        assert consensus_of(np.full((30, 10), 2), n_clusters=n_clusters).n_clusters == 1


@pytest.mark.parametrize("n_clusters", [3, 5, 120, "auto"])
def test_duplicates_of_a_few_cells_are_kept_together(n_clusters):
    """Also where more clusters are wanted than there are distinct cells."""
    profiles = np.random.default_rng(0).poisson(5, size=(3, 40))
    copies = np.repeat([0, 1, 2], 40)
    assert (
        adjusted_rand_score(copies, consensus_of(profiles[copies], n_clusters=n_clusters).labels)
        == 1
    )


def test_one_gene_expressed():
    counts = np.zeros((60, 30))
    counts[:, 3] = np.arange(60) % 7
    assert consensus_of(counts).n_clusters == 1
    assert 1 <= consensus_of(counts, n_clusters=2).n_clusters <= 2


def test_an_empty_cell_and_constant_genes_do_no_harm():
    adata = simulated()
    counts = adata.X.toarray()
    counts[:, 0] = 1
    counts[7] = 0
    consensus = consensus_of(counts, n_clusters=3)
    assert consensus.n_clusters == 3
    assert adjusted_rand_score(planted_clusters(adata), consensus.labels) > 0.95


def test_partitions_that_do_not_agree_are_one_leaf_unless_a_number_is_given():
    voted = Partitions(labels=random_partitions(), graph=csr_matrix((60, 60)), agreement=0.49)
    assert dendrogram_of(voted, n_clusters="auto").n_leaves == 1
    assert dendrogram_of(voted, n_clusters=4).n_leaves >= 4
    agreeing = Partitions(labels=voted.labels, graph=voted.graph, agreement=0.5)
    assert dendrogram_of(agreeing, n_clusters="auto").n_leaves > 1


# --- levels


@pytest.mark.parametrize("n_clusters", ["auto", 1, 2, 7, 20, 99])
@pytest.mark.parametrize("detail", [0.0, 0.3, 1.0])
def test_levels_are_nested(n_clusters, detail):
    coarse, default, fine = levels(tree_of(), n_clusters=n_clusters, detail=detail)
    assert nested(fine, default)
    assert nested(default, coarse)


def test_levels_of_the_consensus_are_nested(typed):
    for k in (2, 12, "auto"):
        coarse, default, fine = levels(
            consensus_of(typed[0], n_clusters=k).dendrogram, n_clusters=k
        )
        assert nested(fine, default)
        assert nested(default, coarse)
        assert len(np.unique(coarse)) <= len(np.unique(default)) <= len(np.unique(fine))


def test_the_ends_of_the_detail_are_the_other_levels():
    tree = tree_of()
    coarse, default, fine = levels(tree)
    np.testing.assert_array_equal(coarse, tree.at(COARSEST))
    np.testing.assert_array_equal(default, tree.at(COARSEST + DETAIL * (FINEST - COARSEST)))
    np.testing.assert_array_equal(fine, tree.at(FINEST))
    np.testing.assert_array_equal(levels(tree, detail=0)[1], coarse)
    np.testing.assert_array_equal(levels(tree, detail=1)[1], fine)


def test_more_detail_never_gives_fewer_clusters():
    tree = tree_of(40, 200)
    cuts = [levels(tree, detail=detail)[1] for detail in np.linspace(0, 1, 11)]
    for coarser, finer in pairwise(cuts):
        assert nested(finer, coarser)
    assert len(np.unique(cuts[0])) < len(np.unique(cuts[-1]))


def test_a_number_beyond_the_fine_level_is_honored_by_the_default_level():
    tree = tree_of()
    coarse, default, fine = levels(tree, n_clusters=20)
    np.testing.assert_array_equal(default, tree.leaves)
    np.testing.assert_array_equal(fine, default)
    np.testing.assert_array_equal(coarse, tree.at(COARSEST))
    coarse, default, fine = levels(tree, n_clusters=1)
    assert len(np.unique(default)) == 1
    np.testing.assert_array_equal(coarse, default)
    np.testing.assert_array_equal(fine, tree.at(FINEST))


def test_labels_by_falling_size_keep_their_order_among_equals():
    assert by_falling_size(np.array([5, 2, 2, 9, 9, 7])).tolist() == [2, 0, 0, 1, 1, 3]


# --- cells that change their cluster


def changed(consensus, n_cells=25, seed=0):
    rng = np.random.default_rng(seed)
    labels = consensus.labels.copy()
    cells = rng.choice(len(labels), n_cells, replace=False)
    labels[cells] = rng.integers(consensus.n_clusters, size=n_cells)
    return labels


@pytest.fixture
def split():
    """Return a consensus of 4 clusters with several leaves each."""
    tree = tree_of(12, 90)
    voted = Partitions(
        labels=random_partitions(n=90, p=6), graph=csr_matrix((90, 90)), agreement=1.0
    )
    return Consensus(partitions=voted, dendrogram=tree, labels=by_falling_size(tree.into(4)))


def test_nothing_moves_if_no_label_changes(split):
    np.testing.assert_array_equal(split.moved(split.labels).leaves, split.dendrogram.leaves)


def test_moved_cells_go_to_the_leaf_of_their_new_cluster_that_they_meet_most(split):
    labels = changed(split)
    moved = split.moved(labels)
    assert moved.n_leaves == 12
    assert adjusted_rand_score(labels, moved.into(4)) == 1
    stay = labels == split.labels
    np.testing.assert_array_equal(moved.leaves[stay], split.dendrogram.leaves[stay])
    met = cell_co_association(split.dendrogram.leaves, split.partitions.labels)
    cluster_of = dict(zip(split.dendrogram.leaves.tolist(), split.labels.tolist(), strict=True))
    for cell in np.flatnonzero(~stay):
        allowed = [leaf for leaf, cluster in cluster_of.items() if cluster == labels[cell]]
        assert moved.leaves[cell] in allowed
        assert met[cell, moved.leaves[cell]] == met[cell, allowed].max()


def test_a_leaf_without_cells_is_removed(split):
    labels = split.labels.copy()
    leaf = next(
        leaf
        for leaf in range(12)
        if (labels == labels[split.dendrogram.leaves == leaf][0]).sum() > 20
    )
    emptied = split.dendrogram.leaves == leaf
    labels[emptied] = (labels[emptied] + 1) % 4
    moved = split.moved(labels)
    assert moved.n_leaves == 11 == len(np.unique(moved.leaves))
    assert adjusted_rand_score(labels, moved.into(4)) == 1
    assert moved.merges[-1, 3] == 90


def test_levels_stay_nested_when_cells_have_moved(split):
    moved = split.moved(changed(split))
    coarse, default, fine = levels(moved, n_clusters=4)
    assert nested(fine, default)
    assert nested(default, coarse)
