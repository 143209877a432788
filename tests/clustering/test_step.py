"""The clustering step: its files, and the record of the dendrogram."""

from __future__ import annotations

import json
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scsiameseclu import ScSiameseClu
from scsiameseclu.clustering.consensus import guard
from scsiameseclu.clustering.consensus.levels import COARSEST, FINEST
from scsiameseclu.clustering.network.train import Training
from scsiameseclu.clustering.scsiameseclu import cluster, dendrogram_record
from scsiameseclu.files import read_json, read_table, set_settings

from tests.clustering.simulated_counts import nested, simulated, with_components


@pytest.fixture(scope="module")
def adata() -> ad.AnnData:
    return with_components(simulated())


@pytest.fixture
def expression_file(adata, tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    group = adata.copy()
    set_settings(group, {"group": "G", "n_clusters": 3, "samples": []})
    group.write_h5ad("G.expression.h5ad")
    return Path("G.expression.h5ad")


def test_the_command_writes_its_four_files(adata, expression_file):
    cluster(prefix="G", expression=expression_file, device="cpu", stability_resamples=1)
    result = ad.read_h5ad("G.clustering.h5ad")
    assert result.shape == (160, 0)
    assert list(result.obs_names) == list(adata.obs_names)
    levels = ["cluster", "cluster_coarse", "cluster_fine"]
    assert list(result.obs) == [*levels, "cluster_confidence", "consensus"]
    assert (result.obs[[*levels, "consensus"]].dtypes == "category").all()
    assert nested(result.obs["cluster_fine"].to_numpy(), result.obs["cluster"].to_numpy())
    assert nested(result.obs["cluster"].to_numpy(), result.obs["cluster_coarse"].to_numpy())
    assert result.obsm["X_scsiameseclu"].dtype == np.float32
    history = read_table("G.training_history.tsv")
    assert list(history) == ["step", "phase", "crr", "lrr", "pr", "rec", "zinb", "otc", "total"]
    summary = read_json("G.clustering.json")
    assert summary["n_clusters"] == summary["n_clusters_requested"] == 3
    assert summary["stability_ari"] > 0.9
    assert set(summary["cluster_stability"]) == {"0", "1", "2"}
    assert summary["seconds"] > 0
    assert summary["peak_memory_mb"] > 10
    assert summary["device"] == "cpu"
    assert summary["levels"] == {name: result.obs[name].nunique() for name in levels}
    assert summary["cuts"] == {"cluster_coarse": COARSEST, "cluster": None, "cluster_fine": FINEST}
    limits = {
        "need": guard.MIXED,
        "validity": guard.VALID,
        "shared": guard.SHARED,
        "cluster": guard.DOUBTFUL,
    }
    assert summary["limits"] == limits
    loaded = ScSiameseClu.load("G.model.safetensors")
    assert summary["dendrogram"] == dendrogram_record(loaded)
    np.testing.assert_array_equal(loaded.labels_, result.obs["cluster"].astype(int))


def test_the_command_says_why_it_did_not_train(expression_file):
    cluster(prefix="G", expression=expression_file, method="consensus", stability_resamples=0)
    summary = read_json("G.clustering.json")
    assert summary["method"] == "consensus"
    assert summary["stability_ari"] is None
    assert any("training-free consensus was asked for" in note for note in summary["notes"])
    assert read_table("G.training_history.tsv").empty


def test_the_command_cuts_at_the_detail_asked_for(adata, expression_file):
    group = adata.copy()
    set_settings(group, {"group": "G", "n_clusters": "auto", "samples": []})
    group.write_h5ad(expression_file)
    cluster(
        prefix="G",
        expression=expression_file,
        method="consensus",
        cluster_detail=0.0,
        stability_resamples=0,
    )
    result = ad.read_h5ad("G.clustering.h5ad").obs
    assert result["cluster"].astype(str).tolist() == result["cluster_coarse"].astype(str).tolist()
    assert read_json("G.clustering.json")["cuts"]["cluster"] == COARSEST


def test_the_command_says_that_fewer_clusters_can_be_distinguished(expression_file):
    group = with_components(ad.AnnData(csr_matrix(np.full((30, 20), 3))))
    set_settings(group, {"group": "G", "n_clusters": 4, "samples": []})
    group.write_h5ad(expression_file)
    cluster(prefix="G", expression=expression_file, stability_resamples=0)
    summary = read_json("G.clustering.json")
    assert summary["n_clusters"] == 1
    assert any("4 clusters were asked for, and 1 can be" in note for note in summary["notes"])
    assert summary["dendrogram"]["merges"] == []
    assert summary["dendrogram"]["leaves"] == [
        {"n_cells": 30, "cluster": 0, "cluster_coarse": 0, "cluster_fine": 0}
    ]


@pytest.mark.parametrize("n_clusters", [3, 8, "auto"])
def test_the_record_of_the_dendrogram_is_complete_and_adds_up(adata, n_clusters):
    training = Training(warmup_steps=5, clustering_steps=5, n_genes=60)
    model = ScSiameseClu(n_clusters=n_clusters, device="cpu", training=training).fit(adata)
    record = json.loads(json.dumps(dendrogram_record(model)))
    assert set(record) == {"leaves", "merges", "stability"}
    leaves, merges, m = record["leaves"], record["merges"], len(record["leaves"])
    assert m == model.dendrogram_.n_leaves
    assert len(merges) == m - 1
    assert len(record["stability"]) == 2 * m - 1
    assert all(0 < value <= 1 for value in record["stability"])
    assert sum(leaf["n_cells"] for leaf in leaves) == 160
    assert all(
        set(leaf) == {"n_cells", "cluster", "cluster_coarse", "cluster_fine"} for leaf in leaves
    )
    for name, labels in model.levels().items():
        sizes = np.zeros(labels.max() + 1, dtype=int)
        for leaf in leaves:
            sizes[leaf[name]] += leaf["n_cells"]
        assert sizes.tolist() == np.bincount(labels).tolist()
    assert all(set(merge) == {"nodes", "co_association"} for merge in merges)
    assert sorted(node for merge in merges for node in merge["nodes"]) == list(range(2 * m - 2))
    met = [merge["co_association"] for merge in merges]
    assert met == sorted(met, reverse=True)
    cells = [leaf["n_cells"] for leaf in leaves]
    for merge in merges:
        cells.append(sum(cells[node] for node in merge["nodes"]))
    assert cells[m:] == model.dendrogram_.merges[:, 3].astype(int).tolist()
