"""Distances between samples."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scsiameseclu.annotation.distances import sample_distances


def cells(counts: np.ndarray, samples: list[str]) -> ad.AnnData:
    adata = ad.AnnData(
        obs=pd.DataFrame({"sample": samples}, index=[str(place) for place in range(len(counts))]),
        var=pd.DataFrame(
            {"highly_variable": True}, index=[f"G{gene}" for gene in range(counts.shape[1])]
        ),
        layers={"counts": sparse.csr_matrix(counts)},
    )
    adata.var.iloc[-1, 0] = False
    return adata


def of_types(n: int, *, shifted: str = "") -> tuple[ad.AnnData, np.ndarray]:
    """Return `n` cells per sample (a, b, c) and type (T, B); genes of `shifted` differ."""
    rng = np.random.default_rng(0)
    rates = {"T": rng.gamma(1, 5, 60), "B": rng.gamma(1, 5, 60)}
    rows, samples, types = [], [], []
    for sample in "abc":
        for name, rate in rates.items():
            rows.append(rng.poisson(np.roll(rate, 7 if sample == shifted else 0), size=(n, 60)))
            samples += [sample] * n
            types += [name] * n
    return cells(np.concatenate(rows), samples), np.array(types, dtype=object)


def test_the_distance_is_that_of_the_correlation_within_types_by_their_cells():
    adata, types = of_types(30, shifted="c")
    kept = ~(
        (adata.obs["sample"] == "b") & (types == "B") & (np.arange(adata.n_obs) % 2 == 0)
    ).to_numpy()
    adata, types = adata[kept].copy(), types[kept]

    found = sample_distances(adata, types).set_index(["sample", "other"])

    def profile(sample: str, name: str) -> np.ndarray:
        sums = adata.layers["counts"][
            ((adata.obs["sample"] == sample) & (types == name)).to_numpy()
        ].sum(axis=0)
        counts = np.asarray(sums).ravel()
        return np.log(counts / counts.sum() * 1e6 + 2e6 / depth(name))[:-1]

    def depth(name: str) -> float:
        total = np.asarray(adata.layers["counts"].sum(axis=1)).ravel()
        return total[types == name].sum() / 3

    of_t, of_b = (1 - np.corrcoef(profile("a", name), profile("b", name))[0, 1] for name in "TB")
    assert found.loc[("a", "b"), "distance"] == pytest.approx(
        (30 * of_t + 15 * of_b) / 45, abs=1e-6
    )
    assert set(found["n_cell_types"]) == {2}
    assert found.loc[("a", "c"), "distance"] > 10 * found.loc[("a", "b"), "distance"]
    assert sample_distances(adata, types).equals(found.reset_index())


def test_different_shares_of_types_do_not_count_as_distance():
    adata, types = of_types(60)
    kept = (
        (adata.obs["sample"] != "c").to_numpy() | (types == "B") | (np.arange(adata.n_obs) % 4 == 0)
    )
    found = sample_distances(adata[kept].copy(), types[kept])
    assert found["distance"].max() < 0.01


def test_a_sample_without_cells_in_a_type_is_compared_in_the_others():
    adata, types = of_types(30)
    kept = ~((adata.obs["sample"] == "c") & (types == "B")).to_numpy()
    found = sample_distances(adata[kept].copy(), types[kept])
    assert list(found["n_cell_types"]) == [2, 1, 1]


@pytest.mark.parametrize("variable", [True, False], ids=["variable_genes", "no_variable_gene"])
def test_genes_that_a_sample_was_not_measured_for_do_not_count(variable):
    adata, types = of_types(30)
    lacking = np.arange(adata.n_vars) % 3 == 0
    adata.var["highly_variable"] = lacking | variable
    common = adata[:, ~lacking].copy()
    counts = adata.layers["counts"].toarray()
    counts[np.ix_((adata.obs["sample"] == "c").to_numpy(), lacking)] = 0
    adata.layers["counts"] = sparse.csr_matrix(counts)
    adata.var["in_all_samples"] = ~lacking

    found = sample_distances(adata, types)

    pd.testing.assert_frame_equal(found, sample_distances(common, types))
    assert found["distance"].max() < 0.02


def test_samples_without_a_type_in_common_are_compared_as_a_whole():
    adata, types = of_types(30)
    kept = ((adata.obs["sample"] == "c") == (types == "B")).to_numpy()
    found = sample_distances(adata[kept].copy(), types[kept])
    assert set(found["n_cell_types"]) == {0}
    near, far, _ = found["distance"]
    assert near < 0.05 < far


def test_samples_of_one_cell_or_of_no_counts_have_distances():
    adata = cells(np.array([[1, 2, 3, 0], [0, 0, 0, 0]]), ["a", "b"])
    found = sample_distances(adata, np.array(["T", "T"], dtype=object))
    assert found["distance"].tolist() == [1.0]
