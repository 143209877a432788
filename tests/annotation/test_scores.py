"""Scores, against scikit-learn."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scsiameseclu.annotation import clustered
from scsiameseclu.annotation import scores as module
from scsiameseclu.annotation.scores import accuracy, marker_agreement, score_clusters, silhouette, write_scores
from scsiameseclu.files import read_json, read_table
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score

from .conftest import TYPES

METRICS = {"n_cells", "n_genes", "n_clusters", "silhouette", "stability_ari", "device", "seconds", "peak_memory_mb"}


def run(group, labels=None):
    write_scores(
        clustered.read_clustered(group.expression, group.clustering),
        prefix="g",
        summary=read_json(group.summary),
        methods=read_table(group.comparison, dtype=str).set_index("barcode"),
        gold=clustered.read_labels(labels or [], group.adata.obs_names),
    )
    return read_json("g.metrics.json")


def test_without_labels(group):
    metrics = run(group)

    assert set(metrics) == METRICS | {"comparison", "agreement"}
    assert metrics["n_cells"] == group.adata.n_obs
    assert metrics["device"] == "cpu"
    expected = silhouette_score(group.adata.obsm["X_pca"], group.adata.obs["cluster"])
    assert metrics["silhouette"] == pytest.approx(expected)
    assert set(metrics["comparison"]) == {"leiden"}
    assert set(metrics["comparison"]["leiden"]) == {"n_clusters", "silhouette"}
    assert metrics["agreement"]["leiden"]["leiden"] == 1
    assert metrics["agreement"]["leiden"]["scsiameseclu"] == metrics["agreement"]["scsiameseclu"]["leiden"]
    assert not (group.folder / "g.contingency.tsv").exists()


def test_with_labels_joined_by_sample_and_the_unlabelled_left_out(group):
    metrics = run(group, group.labels)

    assert metrics["n_labelled"] == group.adata.n_obs - 4
    assert (metrics["acc"], metrics["nmi"], metrics["ari"]) == (1, 1, 1)
    leiden = metrics["comparison"]["leiden"]
    codes = group.adata.obs["cluster"].cat.codes.to_numpy()
    keep = read_labels(group).notna().to_numpy()
    merged = np.minimum(codes, 1)
    assert leiden["ari"] == pytest.approx(adjusted_rand_score(codes[keep], merged[keep]))
    assert leiden["nmi"] == pytest.approx(normalized_mutual_info_score(codes[keep], merged[keep]))
    assert leiden["acc"] == pytest.approx(1 - (codes[keep] == 2).sum() / keep.sum())
    table = read_table("g.contingency.tsv")
    assert list(table) == ["label", "0", "1", "2"]
    assert table[["0", "1", "2"]].to_numpy().sum() == metrics["n_labelled"]


def test_markers_against_the_gold_standard(group):
    found = run(group, group.labels)["marker_agreement"]

    assert found["top_n"] == 50
    assert {about["label"] for about in found["clusters"].values()} == set(TYPES)
    assert found["mean"] > 0.9
    adata = group.adata
    gold = read_labels(group)
    by_hand = marker_agreement(adata, gold.where(gold != "B cell", "T cell"), top_n=5)
    assert by_hand["clusters"]["2"] == {"label": "monocyte", "share": 1.0}
    assert by_hand["clusters"]["1"]["label"] == "T cell"
    assert 0 <= by_hand["clusters"]["1"]["share"] < 1
    assert by_hand["mean"] == pytest.approx(np.mean([about["share"] for about in by_hand["clusters"].values()]))


def test_clusters_without_a_label_have_no_share(group):
    gold = read_labels(group)
    gold[(group.adata.obs["cluster"] == "2").to_numpy()] = None

    found = marker_agreement(group.adata, gold)

    assert found["clusters"]["2"] == {"label": None, "share": None}
    assert found["mean"] is not None


def read_labels(group):
    return clustered.read_labels(group.labels, group.adata.obs_names)


def test_accuracy_is_the_best_pairing():
    rng = np.random.default_rng(0)
    truth, found = rng.integers(0, 3, 50), rng.integers(0, 4, 50)
    best = max(
        sum((np.array(pairing)[found] == truth).tolist()) for pairing in set(itertools.permutations([0, 1, 2, -1]))
    )
    assert accuracy(truth, found) == pytest.approx(best / 50)


def test_silhouette_is_sampled_and_none_where_undefined(monkeypatch):
    rng = np.random.default_rng(0)
    embedding, clusters = rng.normal(size=(60, 3)), np.repeat(["a", "b"], 30)
    assert silhouette(np.repeat("a", 60), embedding) is None
    assert silhouette(np.arange(60), embedding) is None
    whole = silhouette(clusters, embedding)
    monkeypatch.setattr(module, "MOST_CELLS", 40)
    assert silhouette(clusters, embedding) == silhouette(clusters, embedding) != whole


def test_no_cell_with_a_label():
    clusters = pd.Series(["a", "b", "a"])
    result = score_clusters(clusters, np.zeros((3, 2)), pd.Series([None, None, None], dtype=object))
    assert (result["acc"], result["nmi"], result["ari"]) == (None, None, None)
