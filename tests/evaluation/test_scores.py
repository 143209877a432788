"""Scores, against scikit-learn."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scsiameseclu.evaluation import scores as module
from scsiameseclu.evaluation.scores import (
    accuracy,
    marker_agreement,
    score,
    score_clusters,
    silhouette,
)
from scsiameseclu.files import read_json, read_table, write_h5ad, write_json, write_table
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score

from tests.annotation.conftest import TYPES, simulate

METRICS = {
    "n_cells",
    "n_genes",
    "n_clusters",
    "silhouette",
    "stability_ari",
    "device",
    "seconds",
    "peak_memory_mb",
}


@pytest.fixture
def adata(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return simulate()


@pytest.fixture
def gold(adata):
    """Return the planted types, two cells of each sample left out."""
    names = adata.obs["cluster"].astype(str).map(dict(zip("012", TYPES, strict=True)))
    return names.where(adata.obs.groupby("sample").cumcount() > 1)


def run(adata, gold=None):
    annotated = adata.copy()
    if gold is not None:
        annotated.obs["label"] = pd.Categorical(gold)
    write_h5ad(annotated, "g.h5ad")
    write_json(
        {"stability_ari": 0.9, "device": "cpu", "seconds": 1.5, "peak_memory_mb": 100.0},
        "g.clustering.json",
    )
    clusters = adata.obs["cluster"].astype(str)
    methods = {
        "barcode": adata.obs_names,
        "scsiameseclu": clusters,
        "leiden": clusters.replace("2", "1"),
    }
    write_table(pd.DataFrame(methods).iloc[::-1], "g.comparison.tsv")
    files = {
        "annotated": "g.h5ad",
        "summary": "g.clustering.json",
        "comparison": "g.comparison.tsv",
    }
    score(prefix="g", **{name: Path(path) for name, path in files.items()})
    return read_json("g.metrics.json")


def test_without_labels(adata):
    metrics = run(adata)

    assert set(metrics) == METRICS | {"comparison", "agreement"}
    assert metrics["n_cells"] == adata.n_obs
    assert metrics["device"] == "cpu"
    expected = silhouette_score(adata.obsm["X_pca"], adata.obs["cluster"])
    assert metrics["silhouette"] == pytest.approx(expected)
    assert set(metrics["comparison"]) == {"leiden"}
    assert set(metrics["comparison"]["leiden"]) == {"n_clusters", "silhouette"}
    assert metrics["agreement"]["leiden"]["leiden"] == 1
    assert (
        metrics["agreement"]["leiden"]["scsiameseclu"]
        == metrics["agreement"]["scsiameseclu"]["leiden"]
    )
    assert not Path("g.contingency.tsv").exists()


def test_with_labels_the_unlabelled_are_left_out(adata, gold):
    metrics = run(adata, gold)

    assert metrics["n_labelled"] == adata.n_obs - 4
    assert (metrics["acc"], metrics["nmi"], metrics["ari"]) == (1, 1, 1)
    leiden = metrics["comparison"]["leiden"]
    codes = adata.obs["cluster"].cat.codes.to_numpy()
    keep = gold.notna().to_numpy()
    merged = np.minimum(codes, 1)
    assert leiden["ari"] == pytest.approx(adjusted_rand_score(codes[keep], merged[keep]))
    assert leiden["nmi"] == pytest.approx(normalized_mutual_info_score(codes[keep], merged[keep]))
    assert leiden["acc"] == pytest.approx(1 - (codes[keep] == 2).sum() / keep.sum())
    table = read_table("g.contingency.tsv")
    assert list(table) == ["label", "0", "1", "2"]
    assert table[["0", "1", "2"]].to_numpy().sum() == metrics["n_labelled"]


def test_markers_against_the_gold_standard(adata, gold):
    found = run(adata, gold)["marker_agreement"]

    assert found["top_n"] == 50
    assert {about["label"] for about in found["clusters"].values()} == set(TYPES)
    assert found["mean"] > 0.9
    by_hand = marker_agreement(adata, gold.where(gold != "B cell", "T cell"), top_n=5)
    assert by_hand["clusters"]["2"] == {"label": "monocyte", "share": 1.0}
    assert by_hand["clusters"]["1"]["label"] == "T cell"
    assert 0 <= by_hand["clusters"]["1"]["share"] < 1
    assert by_hand["mean"] == pytest.approx(
        np.mean([about["share"] for about in by_hand["clusters"].values()])
    )


def test_clusters_without_a_label_have_no_share(adata, gold):
    gold[(adata.obs["cluster"] == "2").to_numpy()] = None

    found = marker_agreement(adata, gold)

    assert found["clusters"]["2"] == {"label": None, "share": None}
    assert found["mean"] is not None


def test_accuracy_is_the_best_pairing():
    rng = np.random.default_rng(0)
    truth, found = rng.integers(0, 3, 50), rng.integers(0, 4, 50)
    best = max(
        sum((np.array(pairing)[found] == truth).tolist())
        for pairing in set(itertools.permutations([0, 1, 2, -1]))
    )
    assert accuracy(truth, found) == pytest.approx(best / 50)


def test_silhouette_is_sampled_and_none_if_undefined(monkeypatch):
    rng = np.random.default_rng(0)
    embedding, clusters = rng.normal(size=(60, 3)), np.repeat(["a", "b"], 30)
    assert silhouette(np.repeat("a", 60), embedding) is None
    assert silhouette(np.arange(60), embedding) is None
    whole = silhouette(clusters, embedding)
    monkeypatch.setattr(module, "MOST_CELLS", 40)
    assert silhouette(clusters, embedding) == silhouette(clusters, embedding) != whole


def test_no_cell_with_a_label(adata, gold):
    metrics = run(adata, gold.where(gold == "none of them"))
    assert metrics["n_labelled"] == 0
    assert metrics["marker_agreement"]["mean"] is None
    assert read_table("g.contingency.tsv").empty
    clusters = pd.Series(["a", "b", "a"])
    result = score_clusters(clusters, np.zeros((3, 2)), pd.Series([None, None, None], dtype=object))
    assert (result["acc"], result["nmi"], result["ari"]) == (None, None, None)
