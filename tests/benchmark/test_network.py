"""The measures of the network: calibration, placing and embedding, on known values."""

from __future__ import annotations

from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scsiameseclu.benchmark import network
from scsiameseclu.benchmark.network import (
    benchmark_network,
    calibration,
    classified,
    embedding_scores,
    place,
    placed_ari,
    projected,
)
from scsiameseclu.benchmark.results import read_results
from scsiameseclu.benchmark.sections import MEASURES
from scsiameseclu.benchmark.sections import network as network_section
from scsiameseclu.expression.normalize import normalize

from tests.clustering.simulated_counts import planted_clusters, simulated


@pytest.fixture
def expression():
    adata = simulated()
    gold = pd.Series(adata.obs["label"].astype(str))
    gold.iloc[0] = np.nan
    return normalize(adata), gold


def test_calibration_by_hand():
    labels = np.array([0, 0, 0, 0, 1, 1])
    truth = np.array(["a", "a", "a", "b", "b", "b"])
    found = calibration(labels, np.array([0.95, 0.95, 0.55, 0.95, 0.65, 1.0]), truth)
    assert found["right"] == pytest.approx(5 / 6)
    assert found["sure"] == pytest.approx(4 / 6)
    assert found["sure_right"] == pytest.approx(3 / 4)
    # Four cells above 0.9, three of them right.
    gaps = [abs(3 - (3 * 0.95 + 1)), 1 - 0.55, 1 - 0.65]
    assert found["calibration_error"] == pytest.approx(sum(gaps) / 6)
    assert calibration(labels, np.full(6, 0.5), truth)["sure_right"] is None


def test_new_cells_are_projected_as_those_that_were_seen(expression):
    adata, _ = expression
    known = projected(ad.AnnData(adata.layers["counts"], var=adata.var), adata)
    np.testing.assert_allclose(known, adata.obsm["X_pca"], atol=1e-3)


def test_cells_are_placed_by_their_neighbors_or_by_the_model(expression):
    adata, _ = expression
    truth = planted_clusters(simulated())
    model = SimpleNamespace(labels_=truth, network_=None)
    assert np.mean(place(model, adata, adata.obsm["X_pca"]) == truth) > 0.95
    able = SimpleNamespace(
        labels_=truth, network_=object(), place=lambda scores: np.full(len(scores), 7)
    )
    assert set(place(able, adata, adata.obsm["X_pca"])) == {7}


def test_held_out_cells_are_seen_by_no_fit(expression, monkeypatch):
    adata, gold = expression
    seen = []

    def fitted(cells, method, seed):
        seen.append(cells)
        return SimpleNamespace(
            labels_=planted_clusters(simulated())[adata.obs_names.isin(cells.obs_names)]
        )

    monkeypatch.setattr(network, "_fitted", fitted)
    assert placed_ari(adata, gold, method="consensus") > 0.9
    assert seen[0].n_obs == round(0.8 * adata.n_obs)


def test_purity_and_silhouette_of_types_apart():
    embedding = np.repeat([[0.0, 0.0], [9.0, 9.0]], 20, axis=0) + np.random.default_rng(0).normal(
        0, 0.1, (40, 2)
    )
    found = embedding_scores(embedding, np.repeat(["a", "b"], 20))
    assert found["purity"] == 1
    assert found["silhouette"] > 0.9


def test_types_apart_are_predicted_and_noise_is_not():
    rng = np.random.default_rng(0)
    truth = np.repeat(["a", "b"], 100)
    apart = np.where(truth == "a", 0.0, 9.0)[:, None] + rng.normal(0, 0.1, (200, 2))
    assert classified(apart, truth) == {"accuracy": 1.0, "macro_f1": 1.0}
    assert classified(rng.normal(size=(200, 2)), truth)["accuracy"] < 0.7


def test_a_type_that_was_not_learned_is_wrong():
    truth = np.array(["a"] * 9 + ["b"])
    found = [classified(np.zeros((10, 2)), truth, seed=seed) for seed in range(8)]
    assert {score["accuracy"] for score in found} == {0.8, 1.0}
    assert min(score["macro_f1"] for score in found) == pytest.approx((8 / 9) / 2)


@pytest.fixture
def asked(monkeypatch):
    """Stand in for the measurements; the list has the seeds asked for."""
    seeds = []

    def measures(adata, gold, *, seed):
        seeds.append(seed)
        if len(gold) == 180:
            raise ValueError("too\nhard")
        labels = {
            "ari": 0.5 + 0.1 * seed,
            "calibration_error": 0.1,
            "sure": 0.5,
            "sure_right": 0.9,
            "placed_ari": 0.4,
        }
        embedding = {"purity": 0.8, "silhouette": 0.2, "accuracy": 0.9, "macro_f1": 0.7}
        return {
            "scsiameseclu": labels | embedding,
            "consensus": labels | embedding,
            "pca": embedding,
        }

    monkeypatch.setattr(network, "measures", measures)
    return seeds


def test_the_command_measures_once_and_names_failures(folder, tmp_path, asked, capsys):
    output = tmp_path / "bench"
    for _ in range(2):
        benchmark_network(data=folder, output=output, seeds=2)
    assert asked == [0, 1, 0, 1, 0, 1]  # the set that fails is tried again
    table = read_results(output / "network.tsv", network.COLUMNS)
    assert len(table) == 2 * 2 * 3
    text = (tmp_path / "bench.md").read_text()
    assert "**Failed** on arrays.h5, which is left out: hard." in text
    assert "| ARI of the labels | 1 | 55.0 | 55.0 | – | +0.0 |" in text
    assert "ValueError" in capsys.readouterr().err


def test_scvi_that_fails_leaves_the_other_methods_their_data_set():
    known = {"dataset": "a.h5ad", "cells": 10, "error": None, **dict.fromkeys(MEASURES, 0.5)}
    rows = [{**known, "method": name} for name in ("scsiameseclu", "consensus", "pca")]
    rows += [{**row, "dataset": "b.h5ad"} for row in rows]
    rows.append({**known, "method": "scvi"})
    failed = {**known, **dict.fromkeys(MEASURES), "dataset": "b.h5ad", "error": "hard"}
    text = network_section(pd.DataFrame([*rows, {**failed, "method": "scvi"}]))
    assert "**Failed**: scVI on b.h5ad: hard." in text
    assert "| ARI of the labels | 2 |" in text
    assert "left out" not in text
