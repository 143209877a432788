"""Mixing of batches and separation of cell types."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scsiameseclu.annotation.assemble import assemble
from scsiameseclu.annotation.celltypes import celltypes
from scsiameseclu.annotation.mixing import (
    Neighborhood,
    lisi,
    mixing,
    neighborhood,
    over_expected,
)
from scsiameseclu.annotation.umap import umap
from scsiameseclu.blocks import evenly
from scsiameseclu.files import read_json, read_table

from .conftest import simulate, write_group
from .test_marker_sets import ASSETS


def names(codes) -> np.ndarray:
    return np.array([f"b{code}" for code in codes], dtype=object)


def cells(
    n: int, *, batches: np.ndarray, apart: float = 0.0, after: bool = False, seed: int = 0
) -> ad.AnnData:
    """Return points at random, with the batches `apart`."""
    points = np.random.default_rng(seed).normal(size=(n, 5))
    shift = apart * np.unique(batches, return_inverse=True)[1][:, None] * np.eye(5)[:1]
    adata = ad.AnnData(
        obs=pd.DataFrame({"batch": batches}, index=[str(place) for place in range(n)])
    )
    adata.obsm["X_pca"] = points + shift
    if after:
        adata.obsm["X_pca_corrected"] = points
    return adata


def test_lisi_is_the_inverse_simpson_index_of_the_weighted_labels():
    near = Neighborhood(
        np.array([[1, 2], [0, 2], [0, 1]]), np.array([[0.5, 0.5], [0.75, 0.25], [0.5, 0.5]])
    )
    labels = names([0, 0, 1])
    assert lisi(labels, near) == pytest.approx([2.0, 1 / (0.75**2 + 0.25**2), 1.0])
    # Of other batches: 1/2, 1/4 and 1; expected 1/2, 1/2 and 1.
    assert over_expected(labels, near) == pytest.approx(1.75 / 2, abs=1e-4)


def test_weights_have_the_perplexity_of_the_paper():
    near = neighborhood(np.random.default_rng(0).normal(size=(500, 5)))
    assert near.cells.shape == (500, 90)
    assert not (near.cells == np.arange(500)[:, None]).any()
    entropy = -(near.weights * np.log(near.weights)).sum(axis=1)
    assert np.exp(entropy) == pytest.approx(30, rel=1e-6)
    assert (np.diff(near.weights, axis=1) <= 1e-12).all(), "the nearest weigh most"


@pytest.mark.parametrize("n_batches", [2, 3, 4])
def test_batches_at_random_nearly_reach_their_number_and_apart_they_are_one(n_batches):
    batches = names(np.arange(2000) % n_batches)
    mixed = cells(2000, batches=batches).obsm["X_pca"]
    value = np.median(lisi(batches, neighborhood(mixed)))
    assert 0.75 * (n_batches - 1) < value - 1 < n_batches - 1
    assert over_expected(batches, neighborhood(mixed)) == pytest.approx(1, abs=0.03)
    parted = neighborhood(cells(2000, batches=batches, apart=100).obsm["X_pca"])
    assert lisi(batches, parted) == pytest.approx(1)
    assert over_expected(batches, parted) == 0


@pytest.mark.parametrize(("n_batches", "said"), [(2, 0.9), (4, 0.8), (8, 0.6)])
def test_mixing_of_random_batches_in_the_report(n_batches, said):
    batches = names(np.arange(2000) % n_batches)
    adata = cells(2000, batches=batches)
    assert mixing(adata, np.full(2000, "T", dtype=object))["all"]["ilisi_before"] == pytest.approx(
        said, abs=0.05
    )


def test_cells_all_alike_weigh_the_same():
    near = neighborhood(np.zeros((20, 3)))
    assert near.weights == pytest.approx(1 / 19)
    assert neighborhood(np.array([[0.0], [1.0]])).weights == pytest.approx(1)


def test_mixing_before_and_after_by_type():
    n = 600
    batches, types = (
        names(np.arange(n) % 2),
        np.where(np.arange(n) < 400, "T cell", "B cell").astype(object),
    )
    adata = cells(n, batches=batches, apart=50, after=True)
    for key in adata.obsm:
        adata.obsm[key][types == "B cell", 1] += 1000

    found = mixing(adata, types)

    assert found["n_batches"] == found["all"]["n_batches"] == 2
    assert found["all"]["n_cells"] == n
    assert [row["cell_type"] for row in found["cell_types"]] == ["B cell", "T cell"]
    assert [row["n_cells"] for row in found["cell_types"]] == [200, 400]
    for row in (found["all"], *found["cell_types"]):
        assert row["ilisi_before"] == row["over_expected_before"] == 0
        assert row["ilisi_after"] > 0.85
        assert row["over_expected_after"] == pytest.approx(1, abs=0.05)
        assert row["clisi_before"] == row["clisi_after"] == 1
    assert mixing(adata, types) == found


def test_without_correction_there_are_no_scores_after_it():
    found = mixing(cells(100, batches=names(np.arange(100) % 2)), np.full(100, "T", dtype=object))
    for row in (found["all"], *found["cell_types"]):
        assert row["ilisi_before"] > 0.8
        assert row["clisi_before"] is None, "there is one type"
        assert row["ilisi_after"] is row["clisi_after"] is row["over_expected_after"] is None


def test_a_tiny_batch_and_a_type_of_one_batch_do_not_count():
    n = 300
    batches, types = names(np.arange(n) % 2), np.where(np.arange(n) < 200, "T", "B").astype(object)
    batches[:5] = "tiny"
    batches[types == "B"] = "b0"
    of_b, of_t = mixing(cells(n, batches=batches), types)["cell_types"]
    assert of_b["n_batches"] == 1
    assert of_b["ilisi_before"] is of_b["over_expected_before"] is None
    assert of_t["n_batches"] == 2, "without the tiny one"
    assert of_t["ilisi_before"] > 0.8


def test_many_cells_are_thinned_evenly():
    assert list(evenly(np.arange(10), 4)) == [0, 2, 5, 7]
    assert list(evenly(np.arange(3), 4)) == [0, 1, 2]
    batches = names(np.arange(12_000) % 2)
    found = mixing(cells(12_000, batches=batches), np.full(12_000, "T", dtype=object))
    assert found["cell_types"][0]["n_cells"] == 12_000
    assert found["all"]["over_expected_before"] == pytest.approx(1, abs=0.03)


def finished(adata: ad.AnnData, folder, *, corrected: bool = False):
    group = write_group(adata, folder)
    if corrected:
        clustering = ad.read_h5ad(group.clustering)
        clustering.obsm["X_pca_corrected"] = adata.obsm["X_pca"] + 1
        clustering.obs["cluster_uncorrected"] = clustering.obs["cluster"]
        clustering.write_h5ad(group.clustering)
    files = {"expression": group.expression, "clustering": group.clustering}
    umap(prefix="g", **files)
    celltypes(prefix="g", **files, markers_db=ASSETS)
    assemble(
        prefix="g", **files, umap=folder / "g.umap.tsv", annotation=folder / "g.annotation.tsv"
    )
    return ad.read_h5ad("g.h5ad")


@pytest.mark.slow
def test_a_group_of_corrected_batches_has_its_figures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    adata = simulate()
    adata.obs["batch"] = adata.obs["sample"].replace("one", "<b>one</b>")

    assembled = finished(adata, tmp_path, corrected=True)

    assert {"X_umap", "X_umap_uncorrected", "X_pca_corrected"} <= set(assembled.obsm)
    assert assembled.obsm["X_umap_uncorrected"].dtype == np.float32
    columns = ["barcode", "umap_1", "umap_2", "uncorrected_1", "uncorrected_2"]
    assert list(read_table("g.umap.tsv")) == columns
    found = read_json("g.mixing.json")
    assert {row["cell_type"] for row in found["cell_types"]} == set(assembled.obs["cell_type"])
    assert found["all"]["ilisi_before"] == found["all"]["ilisi_after"]
    assert json.loads((tmp_path / "g.mixing.json").read_text())["n_batches"] == 2
    assert len(read_table("g.sample_distances.tsv")) == 1


@pytest.mark.slow  # compiles UMAP
def test_a_single_sample_has_no_mixing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    adata = simulate()
    adata = adata[adata.obs["sample"] == "two.x"].copy()
    adata.obs["batch"] = "two.x"

    assembled = finished(adata, tmp_path)

    assert "X_umap_uncorrected" not in assembled.obsm
    assert not (tmp_path / "g.mixing.json").exists()
    assert not (tmp_path / "g.sample_distances.tsv").exists()
