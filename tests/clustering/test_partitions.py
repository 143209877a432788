"""Partitions of the cells, micro-clusters and co-association, each against its definition."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scsiameseclu.clustering.consensus import partitions as module
from scsiameseclu.clustering.consensus.neighbors import shared_neighbor_graph
from scsiameseclu.clustering.consensus.normalizations import Normalization
from scsiameseclu.clustering.consensus.partitions import (
    FEWEST_STARTS,
    KMEANS_CLUSTERS,
    MOST_STARTS,
    RESOLUTIONS,
    agreement_of,
    as_igraph,
    cell_co_association,
    co_association,
    kmeans_partitions,
    leiden,
    micro_clusters,
    one_hot,
    partitions,
    starts,
)
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import normalize as unit_rows

from tests.clustering.simulated_counts import random_partitions


def normalized(n=60, seed=0):
    """Return two normalizations of cells in three groups."""
    rng = np.random.default_rng(seed)
    centers = 6 * np.eye(4)[np.arange(n) % 3]
    return [
        Normalization(name, (centers + rng.normal(size=(n, 4))).astype(np.float32))
        for name in ("log", "pearson")
    ]


def met(labels):
    """Return the share of partitions in which each two cells meet."""
    return (labels[:, None] == labels).mean(axis=2)


def test_each_normalization_is_partitioned_at_each_resolution_and_number():
    found = partitions(normalized())
    n_starts = len(starts(60, 0))
    assert n_starts == MOST_STARTS
    assert found.labels.shape == (60, 2 * n_starts * (len(RESOLUTIONS) + len(KMEANS_CLUSTERS)))
    assert found.labels.dtype == np.int32
    assert (found.labels.min(axis=0) == 0).all()
    by_kmeans = found.labels[:, 2 * n_starts * len(RESOLUTIONS) :]
    assert (by_kmeans.max(axis=0) + 1).tolist() == [*KMEANS_CLUSTERS] * 2 * n_starts
    assert found.agreement > 0.9


def test_many_cells_have_fewer_starts():
    assert [len(starts(n, 0)) for n in (1, 1500, 3000, 1_000_000)] == [
        MOST_STARTS,
        10,
        5,
        FEWEST_STARTS,
    ]
    assert len(set(starts(1, 0))) == MOST_STARTS


def test_the_graph_is_the_mean_of_the_normalizations_graphs():
    found = normalized()
    expected = sum(shared_neighbor_graph(unit_rows(one.components)).toarray() for one in found) / 2
    graph = partitions(found).graph
    assert graph.dtype == np.float32
    assert graph.has_sorted_indices
    np.testing.assert_allclose(graph.toarray(), expected, rtol=1e-6)


def test_lengths_of_the_points_do_not_matter():
    found = normalized()
    longer = [Normalization(one.name, one.components * np.float32(4)) for one in found]
    assert partitions(longer).labels.tobytes() == partitions(found).labels.tobytes()


def test_the_same_seed_gives_the_same_bytes_whatever_the_global_state():
    first = partitions(normalized(), random_state=3)
    np.random.seed(5)  # noqa: NPY002
    again = partitions(normalized(), random_state=3)
    assert first.labels.tobytes() == again.labels.tobytes()
    assert first.graph.data.tobytes() == again.graph.data.tobytes()
    assert first.agreement == again.agreement


@pytest.mark.parametrize("n", [1, 2, 3, 5, 20])
def test_few_cells_have_partitions(n):
    found = partitions(normalized(n))
    assert found.labels.shape == (n, 2 * MOST_STARTS * (len(RESOLUTIONS) + len(KMEANS_CLUSTERS)))
    assert found.labels.max() < n


@pytest.mark.parametrize("n", [5, 60])
def test_fewer_distinct_cells_than_clusters_give_no_warning(n):
    points = np.eye(2, dtype=np.float32)[np.arange(n) % 2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = kmeans_partitions(points)
    assert all(adjusted_rand_score(np.arange(n) % 2, labels) == 1 for labels in found.T)


def test_edges_added_in_parts_are_those_of_the_graph(monkeypatch):
    graph = shared_neighbor_graph(normalized()[0].components)
    monkeypatch.setattr(module, "EDGES_AT_A_TIME", 7)
    network = as_igraph(graph)
    assert network.vcount() == 60
    dense = np.zeros(graph.shape, dtype=np.float32)
    for edge in network.es:
        dense[edge.tuple] = dense[edge.tuple[::-1]] = edge["weight"]
    np.testing.assert_array_equal(dense, graph.toarray())


def test_leiden_of_a_graph_without_edges_is_one_cluster():
    assert not leiden(as_igraph(csr_matrix((5, 5), dtype=np.float32)), resolution=9.0).any()


def test_agreement_is_the_best_mean_rand_index_over_the_resolutions(monkeypatch):
    graphs = [random_partitions(n=50, p=3, k=3, seed=seed) for seed in range(3)]
    for labels in graphs:
        labels[:, 1] = np.arange(50) % 4
    assert agreement_of(graphs) == pytest.approx(1)
    monkeypatch.setattr(module, "JUDGED_CELLS", 20)
    assert agreement_of(graphs) == pytest.approx(1)
    monkeypatch.undo()
    graphs[0][:, 1] = 0  # one cluster is not evidence
    pairs = ((0, 1), (0, 2), (1, 2))
    expected = [
        np.mean([adjusted_rand_score(graphs[a][:, r], graphs[b][:, r]) for a, b in pairs])
        for r in (0, 2)
    ]
    assert agreement_of(graphs) == pytest.approx(max(*expected, 0))


def test_agreement_on_a_single_cluster_is_not_evidence():
    assert agreement_of([np.zeros((9, 2), dtype=np.int32)] * 3) == 0


def test_one_hot_marks_each_cell_once_per_partition():
    labels = np.array([[0, 2], [1, 0], [0, 1]], dtype=np.int32)
    assert one_hot(labels).toarray().tolist() == [[1, 0, 0, 0, 1], [0, 1, 1, 0, 0], [1, 0, 0, 1, 0]]


def test_micro_clusters_are_equal_signatures_or_those_most_like_some_of_them(monkeypatch):
    labels = np.repeat(random_partitions(), 2, axis=0)
    signatures = np.unique(labels, axis=0)
    micro = micro_clusters(labels)
    assert micro.dtype == np.int64
    assert (micro[::2] == micro[1::2]).all()
    assert micro.max() + 1 == len(signatures) == len(np.unique(micro))
    monkeypatch.setattr(module, "MAX_SIGNATURES", 10)
    monkeypatch.setattr(module, "LEAF", 0.0)
    fewer = micro_clusters(labels)
    assert (fewer[::2] == fewer[1::2]).all()
    assert fewer.max() + 1 == len(np.unique(fewer)) == 10
    assert fewer.tobytes() == micro_clusters(labels).tobytes()
    monkeypatch.setattr(module, "LEAF", 1.0)
    assert micro_clusters(labels).max() + 1 == len(signatures)


def test_a_rare_type_is_a_micro_cluster_of_its_own(monkeypatch):
    monkeypatch.setattr(module, "MAX_SIGNATURES", 10)
    common = random_partitions(n=400, p=20, k=2)
    rare = np.full((3, 20), 2, dtype=np.int32)
    micro = micro_clusters(np.vstack([common, rare]))
    assert len(np.unique(micro[-3:])) == 1
    assert micro[-1] not in micro[:-3]


def test_co_association_is_the_mean_over_the_pairs_of_cells():
    labels = random_partitions(n=12, p=4, k=2)
    clusters, pairs = np.array([0, 1, 2, 2, 1, 0, 2, 2, 2, 1, 0, 2]), met(labels)
    expected = [
        [pairs[np.ix_(clusters == a, clusters == b)].mean() for b in range(3)] for a in range(3)
    ]
    np.testing.assert_allclose(co_association(clusters, labels), expected)


def test_co_association_of_cells_with_clusters_is_the_mean_over_their_cells():
    labels = random_partitions(n=25, p=6, k=4)
    clusters = np.arange(25) % 3
    found = cell_co_association(clusters, labels)
    assert found.dtype == np.float32
    for cell in range(25):
        for cluster in range(3):
            members = np.flatnonzero(clusters == cluster)
            expected = np.mean([np.mean(labels[cell] == labels[other]) for other in members])
            assert found[cell, cluster] == pytest.approx(expected, rel=1e-5)
