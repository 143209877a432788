"""The training-free consensus: its parts, its evidence, its behavior on odd input."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scsiameseclu.clustering import consensus as module
from scsiameseclu.clustering.consensus import (
    as_igraph,
    by_falling_size,
    co_association,
    consensus_clustering,
    consensus_cut,
    from_starts,
    micro_clusters,
    micro_co_association,
)
from scsiameseclu.clustering.graph import shared_neighbor_graph
from scsiameseclu.clustering.views import View, expression_views
from scsiameseclu.errors import InputError
from sklearn.metrics import adjusted_rand_score

from tests.clustering.simulated_counts import planted_clusters, random_partitions, simulated


def views_of(counts, n_pcs=20):
    matrix = csr_matrix(counts)
    return expression_views(matrix, highly_variable=np.ones(matrix.shape[1], dtype=bool), n_pcs=n_pcs)


@pytest.fixture(scope="module")
def typed():
    adata = simulated(n_genes=300)
    return views_of(adata.X), adata.obs["label"].to_numpy()


def test_planted_types_are_found_with_and_without_their_number(typed):
    views, truth = typed
    for n_clusters in (3, "auto"):
        found = consensus_clustering(views, n_clusters=n_clusters)
        assert found.n_clusters == 3
        assert adjusted_rand_score(truth, found.labels) > 0.95
        assert (np.diff(np.bincount(found.labels)) <= 0).all()
        assert found.labels.dtype == np.int64
        assert found.partitions.dtype == np.int32


def test_more_clusters_than_types_and_one_cluster(typed):
    views, _ = typed
    assert consensus_clustering(views, n_clusters=1).n_clusters == 1
    assert consensus_clustering(views, n_clusters=12).n_clusters == 12


def test_noise_is_one_cluster():
    noise = np.random.default_rng(0).poisson(2, size=(400, 200))
    found = consensus_clustering(views_of(noise))
    assert found.n_clusters == 1
    assert all(point["agreement"] < 0.5 for point in found.selection["curve"] if point["n_clusters"] > 1)


def test_the_same_seed_gives_the_same_bytes(typed):
    views, _ = typed
    first, again = (consensus_clustering(views, random_state=3) for _ in range(2))
    assert first.labels.tobytes() == again.labels.tobytes()
    assert first.partitions.tobytes() == again.partitions.tobytes()
    assert first.cell_agreement.tobytes() == again.cell_agreement.tobytes()
    assert json.dumps(first.selection) == json.dumps(again.selection)


def test_evidence_is_complete_and_fits_json(typed):
    found = consensus_clustering(typed[0])
    told = json.loads(json.dumps(found.selection))
    assert told["rule"] == "auto"
    assert told["n_clusters_wanted"] == 3
    assert [set(point) for point in told["curve"]] == [{"resolution", "n_clusters", "agreement"}] * 6
    assert told["gamma"] in [point["gamma"] for point in told["gammas"]]
    assert {key: told[key] for key in ("gamma", "agreement", "merit")} in told["gammas"]
    assert told["merit"] == max(point["merit"] for point in told["gammas"])
    assert found.cell_agreement.dtype == np.float32
    assert ((found.cell_agreement >= 0) & (found.cell_agreement <= 1)).all()
    assert set(found.cluster_stability) == set(range(found.n_clusters))
    assert all(0 < value <= 1 for value in found.cluster_stability.values())


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 15, 16, 40])
@pytest.mark.parametrize("n_clusters", [1, 2, "n", "auto"])
def test_few_cells(n, n_clusters):
    wanted = n if n_clusters == "n" else n_clusters
    if wanted == 2 and n == 1:
        pytest.skip("two clusters of one cell are an input error, tested below")
    counts = simulated(sizes=(n,), n_genes=30).X
    found = consensus_clustering(views_of(counts), n_clusters=wanted)
    assert found.labels.shape == found.cell_agreement.shape == (n,)
    assert 1 <= found.n_clusters <= (n if wanted == "auto" else wanted)


def test_equal_cells_are_one_cluster():
    for n_clusters in (4, "auto"):
        found = consensus_clustering(views_of(np.full((30, 10), 2)), n_clusters=n_clusters)
        assert found.n_clusters == 1
        assert (found.cell_agreement == 1).all()


def test_duplicates_of_a_few_cells_are_kept_together():
    profiles = np.random.default_rng(0).poisson(5, size=(3, 40))
    copies = np.repeat([0, 1, 2], 40)
    found = consensus_clustering(views_of(profiles[copies]), n_clusters=3)
    assert adjusted_rand_score(copies, found.labels) == 1


def test_an_empty_cell_and_constant_genes_do_no_harm():
    counts = simulated().X.toarray()
    counts[:, 0] = 1
    counts[7] = 0
    assert consensus_clustering(views_of(counts), n_clusters=3).n_clusters == 3


@pytest.mark.parametrize("n_clusters", [0, -1, 21])
def test_impossible_numbers_of_clusters_are_refused(n_clusters):
    views = [View("log", np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32))]
    with pytest.raises(InputError, match="clusters were asked for"):
        consensus_clustering(views, n_clusters=n_clusters)


def test_co_association_is_the_share_of_common_partitions():
    partitions = random_partitions()
    rows, columns = np.array([0, 4, 9]), np.array([1, 4, 30])
    expected = [np.mean(partitions[i] == partitions[j]) for i, j in zip(rows, columns, strict=True)]
    np.testing.assert_allclose(co_association(partitions, rows, columns), expected)


def test_micro_clusters_are_equal_signatures_or_kmeans_of_them(monkeypatch):
    partitions = np.repeat(random_partitions(), 2, axis=0)
    micro = micro_clusters(partitions)
    assert (micro[::2] == micro[1::2]).all()
    assert micro.max() + 1 == len(np.unique(partitions, axis=0))
    monkeypatch.setattr(module, "MAX_SIGNATURES", 20)
    monkeypatch.setattr(module, "N_MICRO_CLUSTERS", 10)
    monkeypatch.setattr(module, "KMEANS_SIGNATURES", 40)
    assert micro_clusters(partitions).max() + 1 == 10
    assert micro_clusters(partitions, at_least=15).max() + 1 == 15


def test_micro_co_association_is_the_mean_over_the_cells():
    partitions = random_partitions(n=12, p=4, k=2)
    micro = np.arange(12) % 3
    similarity = micro_co_association(partitions, micro)
    pairs = (partitions[:, None] == partitions).mean(axis=2)
    expected = [[pairs[np.ix_(micro == a, micro == b)].mean() for b in range(3)] for a in range(3)]
    np.testing.assert_allclose(similarity, expected)


def test_labels_by_falling_size_keep_their_order_among_equals():
    assert by_falling_size(np.array([5, 2, 2, 9, 9, 7])).tolist() == [2, 0, 0, 1, 1, 3]


def test_the_cut_with_the_highest_merit_is_taken(monkeypatch):
    cells = simulated()
    truth = planted_clusters(cells)
    chance = np.random.default_rng(0).permutation(truth)
    partitions = np.column_stack([truth, chance, chance]).astype(np.int32)  # micro-cluster: 3 x truth + chance
    monkeypatch.setattr(module.Exchanges, "improve", lambda _self, labels: labels)

    def taken(**options):
        cuts = iter([np.arange(9) % 3] * (len(module.GAMMAS) - 1) + [np.arange(9) // 3])
        monkeypatch.setattr(module, "cut", lambda _merges, _n_clusters: next(cuts))
        return consensus_cut(partitions, 3, **options)

    agreeing, told = taken()
    assert adjusted_rand_score(chance, agreeing) == 1
    assert told["gamma"] == module.GAMMAS[0]
    predicting, told = taken(counts=csr_matrix(cells.X))
    assert adjusted_rand_score(truth, predicting) == 1
    assert told["gamma"] == module.GAMMAS[-1]


def test_many_cells_are_asked_from_fewer_starts(monkeypatch):
    network = as_igraph(shared_neighbor_graph(views_of(simulated().X)[0].scores))
    counts = []
    for asked in (network.vcount() * 100, network.vcount() * 3, 1):
        monkeypatch.setattr(module, "CELLS_ASKED", asked)
        counts.append(from_starts(network, [0.5, 1.0]).shape[1])
    assert counts == [10, 6, 4]


def test_clusterings_are_judged_on_a_sample_of_many_cells(monkeypatch):
    cells = simulated()
    truth = planted_clusters(cells)
    partitions = np.column_stack([truth, truth]).astype(np.int32)
    monkeypatch.setattr(module, "JUDGED_CELLS", cells.n_obs // 2)
    found, _ = consensus_cut(partitions, 3, counts=csr_matrix(cells.X))
    assert adjusted_rand_score(truth, found) == 1


def test_auto_joins_what_no_genes_tell_apart_and_says_so(monkeypatch):
    adata = simulated(n_genes=300)
    monkeypatch.setattr(module, "choose_n_clusters", lambda _curve: 6)
    counts = csr_matrix(adata.X)
    found = consensus_clustering(views_of(adata.X), counts=counts)
    assert found.selection["n_clusters_wanted"] == 6
    assert found.n_clusters == 3 == 6 - len(found.selection["merged"])
    assert adjusted_rand_score(adata.obs["label"].to_numpy(), found.labels) > 0.95
    assert consensus_clustering(views_of(adata.X), counts=counts, n_clusters=6).n_clusters == 6
