"""The rule for the number of clusters."""

from __future__ import annotations

from scsiameseclu.clustering.number_of_clusters import Rung, choose_n_clusters


def rung(resolution, n, agreement, size=50):
    return Rung(resolution=resolution, sizes=(size,) * n, agreement=agreement)


def test_finest_rung_nearly_as_good_as_the_best():
    curve = [rung(0.1, 3, 0.90), rung(0.3, 5, 0.95), rung(0.5, 7, 0.93), rung(0.8, 12, 0.80)]
    assert choose_n_clusters(curve) == 7


def test_views_that_disagree_see_noise():
    assert choose_n_clusters([rung(0.1, 4, 0.14), rung(0.5, 9, 0.1)]) == 1


def test_agreement_on_a_single_cluster_is_no_evidence():
    assert choose_n_clusters([rung(0.1, 1, 1.0), rung(0.5, 9, 0.1)]) == 1
    assert choose_n_clusters([rung(0.1, 1, 1.0), rung(0.5, 4, 0.8)]) == 4
    assert choose_n_clusters([rung(0.1, 1, 1.0)]) == 1


def test_tiny_clusters_are_not_counted():
    curve = [Rung(resolution=0.5, sizes=(100, 50, 7, 1), agreement=0.9)]
    assert choose_n_clusters(curve) == 2
    assert choose_n_clusters([Rung(resolution=0.5, sizes=(4, 3), agreement=0.9)]) == 1


def test_a_rung_tells_its_point_of_the_curve():
    assert rung(0.5, 3, 0.9).as_dict() == {"resolution": 0.5, "n_clusters": 3, "agreement": 0.9}
