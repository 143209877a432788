"""Normalizations and principal components of sparse counts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix, vstack
from scsiameseclu.clustering.consensus import normalizations as module
from scsiameseclu.clustering.consensus.normalizations import normalizations, principal_components
from scsiameseclu.depth import log_normalized
from sklearn.decomposition import PCA

from tests.clustering.simulated_counts import simulated


def counts_of(adata):
    return csr_matrix(adata.X).astype(np.float32)


def everything(counts):
    return np.ones(counts.shape[1], dtype=bool)


def by_name(counts, **options):
    found = normalizations(counts, **({"highly_variable": everything(counts)} | options))
    return {normalization.name: normalization.components for normalization in found}


def dense_logs(counts):
    depths = counts.sum(axis=1, keepdims=True)
    return np.log1p(counts / depths * np.median(depths))


def dense_scaled(counts):
    logs = dense_logs(counts)
    deviation = logs.std(axis=0, ddof=1)
    return np.clip((logs - logs.mean(axis=0)) / np.where(deviation > 0, deviation, 1), -10, 10)


def dense_residuals(counts):
    mu = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    residuals = np.divide(
        counts - mu, np.sqrt(mu + mu**2 / 100), out=np.zeros_like(mu), where=mu > 0
    )
    return np.clip(residuals, -np.sqrt(len(counts)), np.sqrt(len(counts)))


DENSE = {"log": dense_logs, "log_scaled": dense_scaled, "pearson": dense_residuals}


def same_up_to_sign(found, expected):
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found * signs, expected, atol=2e-3 * np.abs(expected).max())


def rows_of(matrix):
    return lambda cells: np.array(matrix[cells], dtype=np.float32)


def test_there_are_three_named_normalizations():
    found = by_name(counts_of(simulated()), n_pcs=10)
    assert list(found) == list(DENSE)
    assert all(
        scores.shape == (160, 10) and scores.dtype == np.float32 for scores in found.values()
    )


@pytest.mark.parametrize("n_genes", [120, 300])
@pytest.mark.parametrize("name", DENSE)
def test_each_is_the_pca_of_the_dense_matrix(name, n_genes, monkeypatch):
    """In the two components that three types have; those of noise are found less exactly."""
    monkeypatch.setattr(module, "BLOCK", 50)
    counts = counts_of(simulated(n_genes=n_genes))
    expected = PCA(2, svd_solver="full").fit_transform(DENSE[name](counts.toarray().astype(float)))
    same_up_to_sign(by_name(counts)[name][:, :2], expected)


def test_depths_are_those_of_all_genes_and_components_of_the_highly_variable_ones():
    counts = counts_of(simulated())
    chosen = np.arange(120) % 3 == 0
    expected = PCA(2, svd_solver="full").fit_transform(
        dense_logs(counts.toarray().astype(float))[:, chosen]
    )
    same_up_to_sign(by_name(counts, highly_variable=chosen)["log"][:, :2], expected)


def test_components_are_those_of_numpys_singular_value_decomposition():
    matrix = np.random.default_rng(0).normal(size=(100, 40)) * 0.7 ** np.arange(40)
    scores = principal_components(rows_of(matrix), 100, n_pcs=5)
    u, values, loadings = np.linalg.svd(matrix - matrix.mean(axis=0), full_matrices=False)
    same_up_to_sign(scores, (u * values)[:, :5])
    loadings = loadings[:5]
    signs = np.sign(loadings[np.arange(5), np.abs(loadings).argmax(axis=1)])
    np.testing.assert_allclose(
        scores, (u * values)[:, :5] * signs, atol=2e-3 * np.abs(scores).max()
    )


def test_loadings_of_a_sample_span_nearly_the_same_space(monkeypatch):
    """The cosines of the angles between the two spaces of cells are near 1."""
    counts = counts_of(simulated())
    whole = by_name(counts, n_pcs=2)["log"]
    monkeypatch.setattr(module, "LOADING_CELLS", 120)
    sampled = by_name(counts, n_pcs=2)["log"]
    assert sampled.shape == whole.shape
    bases = (np.linalg.qr(scores - scores.mean(axis=0))[0] for scores in (whole, sampled))
    first, second = bases
    assert np.linalg.svd(first.T @ second, compute_uv=False).min() > 0.97


def test_few_cells_and_genes_give_few_components():
    assert all(
        scores.shape[1] <= 3
        for scores in by_name(counts_of(simulated(sizes=(2, 2))), n_pcs=50).values()
    )
    assert all(
        scores.shape[1] <= 4
        for scores in by_name(counts_of(simulated(n_genes=4)), n_pcs=50).values()
    )


@pytest.mark.parametrize("counts", [np.full((20, 5), 3), np.zeros((20, 5)), np.ones((1, 5))])
def test_constant_genes_give_one_component_of_zeros(counts):
    for scores in by_name(csr_matrix(counts.astype(np.float32))).values():
        assert scores.shape == (len(counts), 1)
        assert not scores.any()


def test_a_component_without_variance_is_dropped():
    matrix = np.outer(np.arange(20), [1.0, 2.0, 0.0])
    assert principal_components(rows_of(matrix), 20, n_pcs=3).shape == (20, 1)


def test_a_cell_without_counts_and_a_constant_gene_stay_finite():
    counts = counts_of(simulated())
    empty = csr_matrix((1, counts.shape[1]), dtype=counts.dtype)
    constant = csr_matrix(np.ones((len(counts.indptr), 1), dtype=np.float32))
    counts = csr_matrix(vstack([counts, empty]))
    assert all(np.isfinite(scores).all() for scores in by_name(counts).values())
    both = csr_matrix(np.hstack([counts.toarray(), constant.toarray()]))
    assert all(np.isfinite(scores).all() for scores in by_name(both).values())
    logs = log_normalized(counts, np.asarray(counts.sum(axis=1)).ravel().astype(float), target=1e4)
    assert logs[-1].nnz == 0
    assert (
        counts != csr_matrix(vstack([counts_of(simulated()), empty]))
    ).nnz == 0  # left as they were


def test_the_seed_fixes_the_bytes_and_changes_only_rounding():
    counts = counts_of(simulated(n_genes=300))
    first, again, other = (by_name(counts, random_state=seed) for seed in (0, 0, 1))
    for name, scores in first.items():
        assert scores.tobytes() == again[name].tobytes()
        np.testing.assert_allclose(scores[:, :2], other[name][:, :2], atol=1e-2)


def test_components_come_by_falling_variance():
    matrix = np.random.default_rng(0).normal(size=(100, 6)) * [1, 5, 2, 9, 3, 4]
    scores = principal_components(rows_of(matrix), 100, n_pcs=6)
    assert (np.diff(scores.var(axis=0)) < 0).all()
    np.testing.assert_allclose(scores.mean(axis=0), 0, atol=1e-4)
