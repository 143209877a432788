"""Another cut of a fitted model is a model, which nests with the first."""

from __future__ import annotations

import numpy as np
import pytest
from scsiameseclu import ScSiameseClu
from scsiameseclu.clustering.network.train import Training
from scsiameseclu.clustering.recut import batch_agreement, n_moved, recut
from scsiameseclu.clustering.storage import ARRAYS
from scsiameseclu.errors import InputError

from tests.clustering.simulated_counts import nested, simulated, with_components


@pytest.fixture(scope="module")
def adata():
    return with_components(simulated(sizes=(140, 110, 90, 60)))


@pytest.fixture(scope="module")
def consensus(adata):
    return ScSiameseClu(method="consensus", device="cpu").fit(adata)


@pytest.fixture(scope="module")
def trained(adata):
    training = Training(warmup_steps=5, clustering_steps=5, n_genes=60)
    return ScSiameseClu(device="cpu", training=training).fit(adata)


def test_a_cut_at_the_own_number_is_the_model_itself(trained):
    same = recut(trained, n_clusters=trained.n_clusters_)
    for name in {*ARRAYS, "n_clusters_", "cluster_stability_"} - {
        "centroids_",
        "sketch_",
        "uncorrected_labels_",
        "corrected_components_",
    }:
        np.testing.assert_array_equal(getattr(same, name), getattr(trained, name), err_msg=name)
    assert recut(trained, detail=trained.detail).labels_.tolist() == trained.labels_.tolist()


@pytest.mark.parametrize("n_clusters", [2, 6])
def test_labels_are_those_of_a_new_consensus_with_that_number(adata, consensus, n_clusters):
    assert adata.n_obs >= 32 * n_clusters
    assert consensus.n_clusters_ != n_clusters <= consensus.dendrogram_.n_leaves
    anew = ScSiameseClu(n_clusters=n_clusters, method="consensus", device="cpu").fit(adata)
    found = recut(consensus, n_clusters=n_clusters)
    for name in ("labels_", "coarse_labels_", "fine_labels_", "n_clusters_", "cluster_stability_"):
        np.testing.assert_array_equal(getattr(found, name), getattr(anew, name), err_msg=name)
    assert n_moved(found) == 0


@pytest.mark.parametrize("n_clusters", [1, 2, 3, 6])
def test_cuts_nest_with_the_model_and_probabilities_follow(trained, n_clusters):
    found = recut(trained, n_clusters=n_clusters)
    finer, coarser = sorted((found.labels_, trained.labels_), key=lambda labels: -labels.max())
    assert nested(finer, coarser)
    assert nested(found.labels_, found.coarse_labels_)
    assert nested(found.fine_labels_, found.labels_)
    assert found.n_clusters_ == found.labels_.max() + 1 == n_clusters
    soft = found.soft_assignments_
    assert soft.shape == (len(found.labels_), n_clusters)
    assert soft.dtype == found.centroids_.dtype == np.float32
    np.testing.assert_allclose(soft.sum(axis=1), 1, atol=1e-5)
    assert (soft.argmax(axis=1) == found.labels_).mean() > 0.99
    if n_clusters >= trained.n_clusters_:
        np.testing.assert_array_equal(found.confidence_, trained.confidence_)
    else:
        assert (found.confidence_ >= trained.confidence_ - 1e-6).all()


def test_cells_that_the_network_moved_are_counted(consensus):
    moved = recut(consensus, n_clusters=consensus.n_clusters_)
    moved.labels_ = moved.labels_.copy()
    moved.labels_[np.flatnonzero(moved.labels_ == 0)[:3]] = 1
    assert n_moved(moved) == 3
    finer = recut(consensus, n_clusters=6)
    finer.labels_ = finer.labels_.copy()
    cell = int(np.flatnonzero(finer.consensus_labels_ == 0)[0])
    finer.labels_[cell] = finer.labels_[finer.consensus_labels_ == 1][0]
    assert n_moved(finer) == 1


def test_the_model_is_not_changed_and_can_be_cut_again(consensus):
    before = consensus.labels_.copy(), consensus.get_params()
    two = recut(recut(consensus, n_clusters=6), n_clusters=2)
    np.testing.assert_array_equal(two.labels_, recut(consensus, n_clusters=2).labels_)
    np.testing.assert_array_equal(consensus.labels_, before[0])
    assert consensus.get_params() == before[1]
    assert (two.n_clusters, two.detail) == (2, consensus.detail)


def test_impossible_cuts_are_rejected(consensus):
    leaves = consensus.dendrogram_.n_leaves
    with pytest.raises(InputError, match=f"{leaves + 1} clusters were asked for.*{leaves} leaves"):
        recut(consensus, n_clusters=leaves + 1)
    for wrong in ({"n_clusters": 0}, {"detail": 1.1}, {}, {"n_clusters": 2, "detail": 0.5}):
        with pytest.raises(InputError):
            recut(consensus, **wrong)


def test_clusters_are_compared_between_corrected_batches(adata, consensus):
    batches = np.arange(adata.n_obs) % 2
    found = recut(consensus, n_clusters=3)
    assert batch_agreement(found, adata.layers["counts"], batches) == {}
    found.uncorrected_labels_ = found.labels_
    agreed = batch_agreement(found, adata.layers["counts"], batches)
    assert set(agreed) == {0, 1, 2}
    assert min(agreed.values()) > 0.8, "random batches"
