"""Many cells: a sketch of them is clustered, the others are placed."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from scipy.sparse import csr_matrix, vstack
from scsiameseclu import ScSiameseClu
from scsiameseclu.clustering.consensus import batches as correction
from scsiameseclu.clustering.consensus.normalizations import normalizations
from scsiameseclu.clustering.consensus.sketch import sketch
from scsiameseclu.clustering.network.train import Training
from scsiameseclu.errors import InputError
from sklearn.metrics import adjusted_rand_score

from tests.clustering.simulated_counts import nested, planted_clusters, simulated, with_components

pytestmark = pytest.mark.slow

SHORT = Training(warmup_steps=10, clustering_steps=10, n_genes=60)
SIZES = (400, 250, 150)


def model(**options: object) -> ScSiameseClu:
    return ScSiameseClu(
        **{"n_clusters": 3, "device": "cpu", "training": SHORT, "max_cells": 200} | options
    )


@pytest.fixture(scope="module")
def adata() -> ad.AnnData:
    return with_components(simulated(sizes=SIZES))


@pytest.fixture(scope="module")
def fitted(adata) -> ScSiameseClu:
    return model().fit(adata)


def points(n: int = 1000, d: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


ONE_BATCH = np.zeros(1000, dtype=np.int64)


# --- which cells


def test_a_sketch_has_as_many_cells_as_wanted_in_their_order():
    found = sketch(ONE_BATCH, 300)
    assert found.shape == (300,)
    assert (np.diff(found) > 0).all()
    assert found.tobytes() == sketch(ONE_BATCH, 300).tobytes()
    assert found.tobytes() != sketch(ONE_BATCH, 300, random_state=1).tobytes()


def test_of_few_cells_all_are_taken():
    assert np.array_equal(sketch(ONE_BATCH, 1000), np.arange(1000))


def test_all_cells_have_the_same_chance():
    drawn = np.zeros(1000)
    for seed in range(400):
        drawn[sketch(ONE_BATCH, 250, random_state=seed)] += 1 / 400
    assert abs(drawn - 0.25).max() < 0.1


def test_every_batch_is_represented():
    batches = np.repeat([0, 1, 2], [900, 95, 5])
    assert np.bincount(batches[sketch(batches, 90)], minlength=3).min() >= 5


# --- clusters of all cells


def test_all_cells_get_a_cluster_levels_and_a_confidence(adata, fitted):
    n = adata.n_obs
    assert fitted.sketch_.shape == (n,)
    assert fitted.sketch_.sum() == 200
    assert fitted.soft_assignments_.shape == (n, 3)
    np.testing.assert_allclose(fitted.soft_assignments_.sum(1), 1, atol=1e-5)
    assert np.array_equal(
        fitted.confidence_, fitted.soft_assignments_[np.arange(n), fitted.labels_]
    )
    np.testing.assert_allclose(np.linalg.norm(fitted.embedding_, axis=1), 1, atol=1e-4)
    assert fitted.dendrogram_.leaves.shape == (n,)
    assert nested(fitted.fine_labels_, fitted.labels_)
    assert nested(fitted.labels_, fitted.coarse_labels_)
    assert (np.diff(np.bincount(fitted.labels_)) <= 0).all()
    assert fitted.dendrogram_.merges[-1, 3] == n


@pytest.mark.parametrize("method", ["scsiameseclu", "consensus"])
def test_planted_types_are_found_in_cells_that_were_placed(adata, fitted, method):
    found = fitted if method == "scsiameseclu" else model(method=method).fit(adata)
    placed = ~found.sketch_
    for labels in (found.labels_, found.consensus_labels_):
        assert adjusted_rand_score(planted_clusters(adata)[placed], labels[placed]) > 0.95


def test_cells_of_a_sketch_keep_their_results(adata, fitted):
    alone = model().fit(adata[fitted.sketch_].copy())
    assert alone.sketch_ is None
    assert adjusted_rand_score(alone.labels_, fitted.labels_[fitted.sketch_]) == 1
    assert alone.embedding_.tobytes() == fitted.embedding_[fitted.sketch_].tobytes()


def test_without_need_there_is_no_sketch(adata):
    whole = model(max_cells=adata.n_obs).fit(adata)
    assert whole.sketch_ is None
    assert whole.labels_.tobytes() == model(max_cells=10**6).fit(adata).labels_.tobytes()


def test_a_saved_model_keeps_its_sketch(fitted, tmp_path):
    fitted.save(tmp_path / "model.safetensors")
    assert np.array_equal(ScSiameseClu.load(tmp_path / "model.safetensors").sketch_, fitted.sketch_)


def test_placing_is_reported_on_request(adata, capsys):
    model(verbose=True).fit(adata)
    assert "Placing 600 cells" in capsys.readouterr().err


@pytest.mark.parametrize("size", [49, 0, -1, 1e4, True, "many"])
def test_invalid_sizes_are_rejected(adata, size):
    with pytest.raises(InputError, match="max_cells"):
        model(max_cells=size).fit(adata)


# --- batches


def test_a_correction_found_on_a_sketch_is_applied_to_all_cells(monkeypatch):
    """Two types in three batches: moved, and stretched apart in one of them."""
    rng = np.random.default_rng(0)
    types, batches = rng.integers(2, size=900), rng.integers(3, size=900)
    cells = points(900, 5) + 12 * np.eye(5, dtype=np.float32)[types]
    moved = cells + (6 * np.eye(5, dtype=np.float32)[2:])[batches]
    moved[(batches == 1) & (types == 1), 1] += 3
    monkeypatch.setattr(correction, "FITTED_CELLS", 300)
    found = correction.corrected(moved, batches)
    assert found.dtype == np.float32
    assert found.tobytes() == correction.corrected(moved, batches).tobytes()
    for one in range(2):
        centers = np.stack(
            [found[(types == one) & (batches == batch)].mean(axis=0) for batch in range(3)]
        )
        assert np.linalg.norm(centers - centers.mean(axis=0), axis=1).max() < 0.6


@pytest.mark.parametrize("sizes", [[59, 1], [30, 30], [20, 20, 20]])
def test_correction_found_on_few_of_few_cells(monkeypatch, sizes):
    monkeypatch.setattr(correction, "FITTED_CELLS", 30)
    cells, batches = points(60, 5), np.repeat(np.arange(len(sizes)), sizes)
    assert np.isfinite(correction.corrected(cells, batches)).all()


# --- rare types


@pytest.mark.timeout(1800)
def test_types_of_a_thousandth_of_100_000_cells_are_found():
    """Five large types, and three of about 100 cells with other rates of a third of the genes."""
    rng = np.random.default_rng(0)
    base = rng.lognormal(0, 1.2, 200)
    factors = np.exp(rng.normal(0, 1.2, (8, 200)) * (rng.random((8, 200)) < 0.3))
    profiles = 400 * base * factors / (base * factors).sum(axis=1, keepdims=True)
    truth = rng.choice(8, 100_000, p=[*(0.997 * np.full(5, 0.2)), *np.full(3, 0.001)])
    counts = vstack(
        [
            csr_matrix(rng.poisson(profiles[block]).astype(np.float32))
            for block in np.split(truth, 50)
        ]
    )
    logs = normalizations(csr_matrix(counts), highly_variable=np.ones(200, dtype=bool), n_pcs=20)[0]
    cells = ad.AnnData(csr_matrix(counts), obsm={"X_pca": logs.components})
    cells.var["highly_variable"] = True
    found = ScSiameseClu(device="cpu").fit(cells)
    assert found.sketch_.sum() == 20_000
    for rare in (5, 6, 7):
        own = truth == rare
        of_type = found.labels_ == np.bincount(found.labels_[own]).argmax()
        assert (own & of_type).sum() / (own | of_type).sum() > 0.8
    assert adjusted_rand_score(truth, found.labels_) > 0.95
