"""The tree of clusters: what is drawn of it, and where it is cut."""

from __future__ import annotations

import numpy as np
import pytest
from scsiameseclu import ScSiameseClu
from scsiameseclu.clustering.scsiameseclu import dendrogram_record
from scsiameseclu.report.cluster_tree import Branch, Drawing, read_tree


def leaf(n_cells: int, coarse: int, cluster: int, fine: int) -> dict[str, int | None]:
    levels = {"cluster_coarse": coarse, "cluster": cluster, "cluster_fine": fine}
    return {"n_cells": n_cells, **(levels if n_cells else dict.fromkeys(levels))}


def record(
    leaves: list[dict[str, int | None]], merges: list[tuple[int, int, float]]
) -> dict[str, object]:
    return {
        "dendrogram": {
            "leaves": leaves,
            "merges": [
                {"nodes": [one, other], "co_association": met} for one, other, met in merges
            ],
            "stability": [round(1 - node / 100, 2) for node in range(len(leaves) + len(merges))],
        }
    }


@pytest.fixture
def tree() -> Branch:
    """Two coarse clusters; three default ones, the first of two fine ones; an empty leaf."""
    leaves = [leaf(10, 0, 0, 1), leaf(30, 0, 0, 0), leaf(20, 0, 1, 2), leaf(5, 1, 2, 3)]
    tree = read_tree(record(leaves, [(0, 1, 0.5), (4, 2, 0.3), (5, 3, 0.1)]))
    assert tree is not None
    return tree


def test_branches_know_their_cells_and_clusters(tree):
    assert tree.n_cells == 65
    assert [branch.n_cells for branch in tree.leaves] == [30, 10, 20, 5], "the larger side first"
    clusters = tree.clusters("cluster")
    assert {name: branch.n_cells for name, branch in clusters.items()} == {"0": 40, "1": 20, "2": 5}
    assert [branch.stability for branch in clusters.values()] == [0.96, 0.98, 0.97]


def test_every_cut_parts_its_level(tree):
    assert [
        tree.cut(level) for level in ("cluster_coarse", "cluster", "cluster_fine")
    ] == pytest.approx([0.2, 0.4, 0.75])


def test_rows_and_spans(tree):
    drawing = Drawing(tree)
    assert drawing.level == "cluster_fine"
    assert drawing.spans("cluster") == {"0": (0, 1), "1": (2, 2), "2": (3, 3)}
    assert drawing.spans("cluster_coarse") == {"0": (0, 2), "1": (3, 3)}
    assert drawing.rows[id(drawing.tree)] == pytest.approx((1.25 + 3) / 2)


@pytest.mark.parametrize(("n_fine", "n_rows"), [(40, 40), (41, 2)])
def test_too_many_fine_clusters_are_not_drawn(n_fine, n_rows):
    leaves = [leaf(9, 0, min(place, 1), place) for place in range(n_fine)]
    merges = [
        (1, 2, 0.6),
        *((n_fine + step, step + 3, 0.59 - step / 1000) for step in range(n_fine - 3)),
    ]
    tree = read_tree(record(leaves, [*merges, (2 * n_fine - 3, 0, 0.3)]))
    assert tree is not None
    assert len(Drawing(tree).tree.leaves) == n_rows


def test_fine_clusters_that_are_the_default_ones_are_not_drawn_twice():
    tree = read_tree(record([leaf(9, 0, 0, 0), leaf(8, 0, 1, 1)], [(0, 1, 0.3)]))
    assert tree is not None
    assert Drawing(tree).level == "cluster"


@pytest.mark.parametrize("summary", [{}, record([leaf(9, 0, 0, 0)], [])])
def test_a_single_leaf_is_no_tree(summary):
    assert read_tree(summary) is None


def test_the_tree_of_a_fitted_model_has_its_clusters_and_their_stability():
    rng = np.random.default_rng(0)
    profiles = rng.gamma(0.5, 1.0, (4, 200))
    counts = np.vstack(
        [rng.poisson(1000 * profile / profile.sum(), (40, 200)) for profile in profiles]
    )
    model = ScSiameseClu(method="consensus").fit(counts.astype(np.float32))
    tree = read_tree({"dendrogram": dendrogram_record(model)})
    assert tree is not None
    for level, labels in model.levels().items():
        sizes = {str(cluster): int(size) for cluster, size in enumerate(np.bincount(labels))}
        assert {name: branch.n_cells for name, branch in tree.clusters(level).items()} == sizes
    stability = {int(name): branch.stability for name, branch in tree.clusters("cluster").items()}
    assert stability == model.cluster_stability_
    assert tree.cut("cluster_coarse") <= tree.cut("cluster") <= tree.cut("cluster_fine")
