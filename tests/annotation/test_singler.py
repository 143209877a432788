"""SingleR: the types of cells, the order of the computation, and real pairs of data sets."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import spearmanr
from scsiameseclu.annotation import singler as module
from scsiameseclu.annotation.reference import checked_reference
from scsiameseclu.annotation.singler import Types, pair_markers, singler_types
from scsiameseclu.errors import InputError
from scsiameseclu.files import write_h5ad

from .conftest import TYPES, simulate
from .test_datasets import DATASETS
from .test_reference import labelled, path  # noqa: F401

CD4 = {"Memory CD4 T": "CD4 T", "Naive CD4 T": "CD4 T"}
NAMES = CD4 | {
    "CD4 T cells": "CD4 T",
    "CD8 T cells": "CD8 T",
    "B cells": "B",
    "CD14+ Monocytes": "CD14+ Mono",
    "FCGR3A+ Monocytes": "FCGR3A+ Mono",
}


def test_planted_types_are_found_whatever_the_blocks(path, monkeypatch):  # noqa: F811
    known = checked_reference(path, "type")
    adata = simulate()
    found = singler_types(adata, known)
    truth = adata.obs["cluster"].astype(str).map(dict(zip("012", TYPES, strict=True)))
    assert (found["type"] == truth).mean() > 0.98
    assert list(found.index) == list(adata.obs_names)
    assert found["score"].between(-1, 1).all()
    assert (found["delta"] >= 0).all()
    monkeypatch.setattr(module, "BLOCK", 7)
    pd.testing.assert_frame_equal(singler_types(adata, known), found)


def test_markers_are_the_largest_differences_of_each_pair(monkeypatch):
    monkeypatch.setattr(module, "MARKERS", 3)  # 2 of a pair of 2 types
    found = pair_markers(np.array([[3.0, 1.0, 2.0, 0.0, 5.0], [0.0, 1.0, 1.5, 1.0, 0.0]]))
    assert found[0, 1].tolist() == [0, 4]
    assert found[1, 0].tolist() == [3]
    assert not len(found[0, 0])


def by_hand(types: Types, cell: np.ndarray) -> tuple[int, float]:
    """Return type and lead of one cell, step by step as the paper says it."""
    some = list(range(len(types.names)))
    genes = types.markers.any(axis=(0, 1))
    while True:
        scores = []
        for k in some:
            profiles = types.profiles[types.codes == k][:, genes]
            scores.append(np.quantile([spearmanr(cell[genes], one)[0] for one in profiles], 0.8))
        close = [k for k, score in zip(some, scores, strict=True) if score >= max(scores) - 0.05]
        first, second = sorted(scores)[:-3:-1]
        if len(close) in (1, len(some)):
            return some[int(np.argmax(scores))], first - second
        some = close
        genes = types.markers[some][:, some].any(axis=(0, 1))


def test_fine_tuning_matches_a_manual_computation():
    rng = np.random.default_rng(3)
    base = rng.gamma(1, 1, 80)
    centers = np.array([base + rng.normal(0, 0.15, 80) for _ in range(5)])
    labels = np.repeat([f"type {k}" for k in range(5)], 12)
    known = sparse.csr_matrix(np.abs(np.repeat(centers, 12, axis=0) + rng.normal(0, 0.3, (60, 80))))
    types = Types.of(known, labels)
    cells = rng.poisson(np.repeat(centers.clip(0), 6, axis=0) * 2).astype(float)[:, types.genes]
    best, _, delta = types.classify(cells)
    expected = [by_hand(types, cell) for cell in cells]
    assert best.tolist() == [k for k, _ in expected]
    np.testing.assert_allclose(delta, [lead for _, lead in expected], atol=1e-12)


def test_indistinguishable_types_are_an_error(tmp_path):
    same = labelled(sizes=(12, 12))
    row = sparse.csr_matrix(same.X)[0].toarray()
    same.X = sparse.csr_matrix(np.repeat(row, same.n_obs, axis=0))
    same.layers["counts"] = same.X
    write_h5ad(same, tmp_path / "same.h5ad")
    with pytest.raises(InputError, match="no gene distinguishes the cell types"):
        singler_types(same, checked_reference(tmp_path / "same.h5ad", "type"))


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.skipif(not DATASETS.exists(), reason="the labelled data sets are not here")
@pytest.mark.parametrize(
    ("known", "cells", "least"),
    [
        ("pbmc3k", "kang8", 0.88),
        ("pbmc3k", "garnett_pbmc", 0.83),
        ("kang8", "pbmc3k", 0.80),
        ("baron_mouse1", "panc8_200", 0.65),
    ],
)
def test_share_of_cells_typed_rightly(known, cells, least):
    reference = checked_reference(DATASETS / f"{known}.h5ad", "label")
    adata = ad.read_h5ad(DATASETS / f"{cells}.h5ad")
    adata.layers["counts"] = sparse.csr_matrix(adata.X)
    found = singler_types(adata, reference)["type"].replace(NAMES)
    truth = adata.obs["label"].astype(str).replace(NAMES)
    shared = truth.isin(set(reference.obs["label"].astype(str).replace(NAMES)))
    right = (found[shared] == truth[shared]).mean()
    print(f"{known} to {cells}: {right:.3f} of {shared.sum()} cells")
    assert right > least


def test_cells_of_a_type_may_be_alike():
    labels = np.array(["a"] * 10 + ["b"] * 10, dtype=object)
    known = np.repeat([[0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 3.0, 0.5]], 10, axis=0)
    types = Types.of(sparse.csr_matrix(known), labels)
    assert types.classify(np.array([[0.0, 1.0, 2.0, 0.0]]))[0].tolist() == [1]
    assert np.bincount(types.codes).tolist() == [1, 1]
