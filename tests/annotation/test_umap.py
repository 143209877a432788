"""Coordinates for pictures."""

from __future__ import annotations

import numpy as np
import pytest
from scsiameseclu.annotation.umap import umap, umap_coordinates
from scsiameseclu.files import read_table

pytestmark = pytest.mark.slow


def test_same_seed_gives_same_bytes_and_clusters_stay_apart(group):
    for prefix in ("a", "b"):
        umap(prefix=prefix, expression=group.expression, clustering=group.clustering)

    assert (group.folder / "a.umap.tsv").read_bytes() == (group.folder / "b.umap.tsv").read_bytes()
    table = read_table("a.umap.tsv")
    assert list(table) == ["barcode", "umap_1", "umap_2"]
    assert list(table["barcode"]) == list(group.adata.obs_names)
    points = table[["umap_1", "umap_2"]].to_numpy()
    codes = group.adata.obs["cluster"].cat.codes.to_numpy()
    centers = np.stack([points[codes == k].mean(axis=0) for k in range(3)])
    nearest = np.linalg.norm(points[:, None] - centers, axis=2).argmin(axis=1)
    assert (nearest == codes).mean() > 0.95


@pytest.mark.parametrize("n_cells", [1, 2, 5, 14, 15, 16])
def test_few_cells_have_coordinates(n_cells):
    embedding = np.random.default_rng(0).normal(size=(n_cells, 6))

    coordinates = umap_coordinates(embedding)

    assert coordinates.shape == (n_cells, 2)
    assert np.isfinite(coordinates).all()


@pytest.mark.parametrize(
    "embedding",
    [
        np.zeros((20, 4)),
        np.arange(20.0)[:, None],
        np.zeros((3, 4)),
        np.repeat(np.eye(4), 20, axis=0),
    ],
)
def test_degenerate_embeddings_have_coordinates(embedding):
    assert np.isfinite(umap_coordinates(embedding)).all()


def test_of_many_cells_a_sample_is_laid_out_and_the_others_lie_among_it(monkeypatch):
    types = np.random.default_rng(0).integers(3, size=600)
    embedding = 10 * np.eye(3)[types] + np.random.default_rng(1).normal(size=(600, 3))
    monkeypatch.setattr("scsiameseclu.annotation.umap.LAID_OUT", 200)

    coordinates = umap_coordinates(embedding)

    assert coordinates.dtype == np.float32
    assert coordinates.tobytes() == umap_coordinates(embedding).tobytes()
    assert (np.abs(coordinates) > 0).any(axis=1).all()
    centers = np.stack([coordinates[types == one].mean(axis=0) for one in range(3)])
    nearest = np.linalg.norm(coordinates[:, None] - centers, axis=2).argmin(axis=1)
    assert (nearest == types).mean() > 0.98
