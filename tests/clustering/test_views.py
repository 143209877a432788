"""Normalizations and principal components of sparse counts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix, vstack
from scsiameseclu.clustering import views
from scsiameseclu.clustering.views import expression_views, log_normalize, pearson_genes, principal_components
from sklearn.decomposition import PCA

from tests.clustering.simulated_counts import simulated


def counts_of(adata):
    return csr_matrix(adata.X)


def everything(counts):
    return np.ones(counts.shape[1], dtype=bool)


def dense_scaled(counts, target):
    depths = counts.sum(axis=1, keepdims=True)
    logs = np.log1p(counts / depths * target)
    deviation = logs.std(axis=0, ddof=1)
    return np.clip((logs - logs.mean(axis=0)) / np.where(deviation > 0, deviation, 1), -10, 10)


def same_up_to_sign(found, expected):
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found * signs, expected, atol=2e-3 * np.abs(expected).max())


def test_there_are_five_named_views():
    found = expression_views(counts := counts_of(simulated()), highly_variable=everything(counts), n_pcs=10)
    assert [view.name for view in found] == ["log", "log_scaled", "median", "median_scaled", "pearson"]
    assert all(view.scores.shape == (160, 10) and view.scores.dtype == np.float32 for view in found)


@pytest.mark.parametrize("n_genes", [120, 300])
def test_scaled_view_is_the_pca_of_the_dense_matrix(n_genes, monkeypatch):
    monkeypatch.setattr(views, "BLOCK", 50)
    counts = counts_of(simulated(n_genes=n_genes))
    found = expression_views(counts, highly_variable=everything(counts), n_pcs=3)
    dense = counts.toarray().astype(float)
    for name, target in (("log_scaled", 1e4), ("median_scaled", np.median(dense.sum(axis=1)))):
        expected = PCA(3, svd_solver="full").fit_transform(dense_scaled(dense, target))
        same_up_to_sign(next(view.scores for view in found if view.name == name), expected)


def test_pearson_view_follows_the_formula():
    counts = counts_of(simulated())
    counts = counts[:, np.flatnonzero(counts.sum(axis=0))]
    dense = counts.toarray().astype(float)
    mu = dense.sum(axis=1, keepdims=True) * dense.sum(axis=0) / dense.sum()
    residuals = (dense - mu) / np.sqrt(mu + mu**2 / 100)
    residuals = np.clip(residuals, -np.sqrt(160), np.sqrt(160))
    expected = PCA(3, svd_solver="full").fit_transform(residuals)
    found = expression_views(counts, highly_variable=everything(counts), n_pcs=3)[-1].scores
    same_up_to_sign(found, expected)


def test_pearson_view_chooses_the_genes_that_tell_types_apart():
    counts = counts_of(simulated()).toarray()
    flat = np.random.default_rng(0).poisson(5, size=(160, 40))
    both = csr_matrix(np.hstack([flat, counts]))
    assert (pearson_genes(both, n_top=30) >= 40).all()


def test_few_cells_and_genes_give_few_components():
    counts = counts_of(simulated(sizes=(2, 2)))
    assert all(
        view.scores.shape[1] <= 3 for view in expression_views(counts, highly_variable=everything(counts), n_pcs=50)
    )


@pytest.mark.parametrize("counts", [np.full((20, 5), 3), np.zeros((20, 5)), np.ones((1, 5))])
def test_nothing_that_varies_gives_one_component_of_zeros(counts):
    matrix = csr_matrix(counts.astype(np.int32))
    for view in expression_views(matrix, highly_variable=everything(matrix)):
        assert view.scores.shape == (len(counts), 1)
        assert not view.scores.any()


def test_a_cell_without_counts_and_a_constant_gene_stay_finite():
    counts = counts_of(simulated())
    empty = csr_matrix((1, counts.shape[1]), dtype=counts.dtype)
    counts = csr_matrix(vstack([counts, empty]))
    for view in expression_views(counts, highly_variable=everything(counts)):
        assert np.isfinite(view.scores).all()
    logs = log_normalize(counts.astype(np.float32), np.asarray(counts.sum(axis=1)).ravel().astype(float), target=1e4)
    assert logs[-1].nnz == 0


def test_same_seed_same_bytes_and_no_seed_changes_more_than_rounding():
    counts = counts_of(simulated(n_genes=300))
    first, again, other = (
        expression_views(counts, highly_variable=everything(counts), n_pcs=5, random_state=seed) for seed in (0, 0, 1)
    )
    for one, two, three in zip(first, again, other, strict=True):
        assert one.scores.tobytes() == two.scores.tobytes()
        np.testing.assert_allclose(one.scores, three.scores, atol=1e-2)


def test_components_come_by_falling_variance():
    matrix = np.random.default_rng(0).normal(size=(100, 6)).astype(np.float32) * [1, 5, 2, 9, 3, 4]
    scores = principal_components(lambda: iter([matrix.astype(np.float32)]), n_pcs=6)
    assert (np.diff(scores.var(axis=0)) < 0).all()
    np.testing.assert_allclose(scores.mean(axis=0), 0, atol=1e-4)
