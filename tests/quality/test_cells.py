"""Cells of unfiltered matrices are called, those of filtered ones left alone."""

from __future__ import annotations

import tracemalloc
from functools import cache
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import multinomial
from scsiameseclu.files import read_json
from scsiameseclu.intake.formats import read_matrix
from scsiameseclu.quality.ambient import ambient_profile
from scsiameseclu.quality.ambient import monte_carlo as _monte_carlo
from scsiameseclu.quality.cells import (
    FDR,
    LOWER,
    ambient_reach,
    barcode_ranks,
    call_cells,
    certain_counts,
    find_cells,
    knee_point,
    looks_unfiltered,
)
from scsiameseclu.quality.filter import Options, cell_metrics, filter_sample
from scsiameseclu.quality.ledger import read_ledger

from tests.data.as_intake import as_intake, demo_sample
from tests.quality.droplets import droplets as high_ambient

SHARED = Path(__file__).parents[3] / "shared" / "datasets"
SOUPX = SHARED / "raw_formats" / "soupx_toy"
N_EMPTY, N_BIG, N_SMALL = 4000, 150, 60


@cache
def droplets() -> tuple[sparse.csr_matrix, np.ndarray]:
    """Return counts of empty droplets, cells of about 2,000 counts and some of 400.

    Also returns which are cells.
    """
    rng = np.random.default_rng(1)
    types = rng.dirichlet(np.full(1000, 0.2), 6)
    ambient = 0.7 * types.mean(axis=0) + 0.3 * rng.dirichlet(np.full(1000, 0.5))
    empty = rng.poisson(rng.lognormal(np.log(25), 0.7, (N_EMPTY, 1)) * ambient)
    sizes = np.r_[
        rng.lognormal(np.log(2000), 0.4, N_BIG), rng.lognormal(np.log(400), 0.3, N_SMALL)
    ][:, None]
    cells = rng.poisson(sizes * types[rng.integers(6, size=len(sizes))] + 25 * ambient)
    counts = sparse.csr_matrix(np.vstack([empty, cells]).astype(np.int32))
    return counts, np.arange(counts.shape[0]) >= N_EMPTY


def run(adata: ad.AnnData, folder: Path, **options: Any) -> tuple[Any, dict[str, Any]]:
    adata.write_h5ad(folder / "s1.counts.h5ad")
    filter_sample(prefix="s1", counts=folder / "s1.counts.h5ad", options=Options(**options))
    return read_ledger("s1.filter_ledger.tsv.gz"), read_json("s1.filter.json")


def totals_of(counts: Any) -> np.ndarray:
    return np.asarray(counts.sum(axis=1)).ravel()


def test_an_unfiltered_matrix_takes_less_than_twice_its_memory() -> None:
    rng = np.random.default_rng(0)
    n_empty, n_cells, n_genes = 250_000, 300, 3000
    sizes = np.r_[rng.integers(1, 30, n_empty), rng.integers(2000, 4000, n_cells)]
    genes = rng.integers(0, n_genes, sizes.sum())
    droplet = np.repeat(np.arange(len(sizes)), sizes)
    ones = np.ones(len(genes), dtype=np.int32)
    counts = sparse.coo_matrix((ones, (droplet, genes)), (len(sizes), n_genes)).tocsr()
    adata = ad.AnnData(
        counts,
        var=pd.DataFrame(index=["MT-ND1", *(f"GENE{number}" for number in range(1, n_genes))]),
    )
    held = sum(part.nbytes for part in (counts.data, counts.indices, counts.indptr))
    tracemalloc.start()
    metrics = cell_metrics(adata)
    assert (
        call_cells(counts, n_simulations=20).totals.tolist()
        == metrics["total_counts"].tolist()
        == sizes.tolist()
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held + peak < 2 * held


def test_cells_are_found_among_empty_droplets() -> None:
    counts, truth = droplets()
    assert looks_unfiltered(totals_of(counts))
    calls = call_cells(counts)
    assert calls.is_cell[truth].mean() > 0.9
    assert truth[calls.is_cell].mean() > 0.9
    assert calls.is_cell[-N_SMALL:].mean() > 0.9
    assert calls.n_tested > N_SMALL
    assert (calls.fdr[calls.totals <= LOWER] == 1).all()
    assert (calls.fdr[calls.totals >= calls.certain] == 0).all()


def test_the_same_seed_gives_the_same_calls() -> None:
    counts, _ = droplets()
    first, again, other = (
        call_cells(counts, n_simulations=500, random_state=seed).fdr for seed in (3, 3, 4)
    )
    assert first.tolist() == again.tolist() != other.tolist()


def test_p_values_of_ambient_droplets_are_uniform() -> None:
    rng = np.random.default_rng(0)
    profile = rng.dirichlet(np.full(200, 0.5))
    counts = sparse.csr_matrix(
        np.vstack([rng.multinomial(n, profile) for n in rng.integers(101, 300, 400)])
    )
    p_values = _monte_carlo(counts, profile, 1000, 0)
    shares = np.array([(p_values <= level).mean() for level in (0.05, 0.25, 0.5, 0.75)])
    np.testing.assert_allclose(shares, [0.05, 0.25, 0.5, 0.75], atol=0.07)


def test_p_values_agree_with_the_exact_test() -> None:
    profile = np.array([0.5, 0.3, 0.2])
    rows = np.array([[2, 1, 1], [0, 0, 4], [4, 0, 0], [1, 1, 3]])
    exact = []
    for row in rows:
        n = row.sum()
        every = np.array([[a, b, n - a - b] for a in range(n + 1) for b in range(n + 1 - a)])
        chance = multinomial.pmf(every, n, profile)
        exact.append(chance[chance <= multinomial.pmf(row, n, profile) * (1 + 1e-9)].sum())
    np.testing.assert_allclose(
        _monte_carlo(sparse.csr_matrix(rows), profile, 20_000, 0), exact, atol=0.015
    )


def test_the_knee_is_where_the_plateau_ends() -> None:
    ranks = np.arange(1, 20_001)
    totals = np.where(
        ranks <= 500, 5000 * ranks**-0.05, 5000 * 500**-0.05 * (ranks / 500) ** -3.0
    ).astype(int)
    assert 400 <= np.searchsorted(-totals, -knee_point(totals), side="right") <= 600


def test_cells_are_certain_within_an_order_of_magnitude() -> None:
    totals = np.r_[np.full(300, 20), np.full(50, 300), np.full(100, 5000)]
    assert certain_counts(totals, 5000) == 500
    assert certain_counts(np.r_[np.full(300, 20), np.full(50, 300)], 300) == LOWER + 1


def test_cells_like_the_ambient_rna_are_not_lost_below_the_knee() -> None:
    rng = np.random.default_rng(0)
    profile = rng.dirichlet(np.full(300, 0.5))
    empty = rng.poisson(rng.lognormal(np.log(20), 0.7, (3000, 1)) * profile)
    cells = rng.poisson(rng.lognormal(np.log(2000), 0.5, (200, 1)) * profile)
    calls = call_cells(sparse.csr_matrix(np.vstack([empty, cells])))
    assert (calls.totals[3000:] < calls.knee).mean() > 0.3
    assert calls.is_cell[3000:].mean() > 0.9
    assert calls.is_cell[:3000].mean() < 0.001


def test_unseen_genes_keep_a_small_probability() -> None:
    counts = sparse.csr_matrix([[50, 1, 1, 0, 0, 0], [40, 0, 8, 0, 0, 0], [300, 10, 10, 5, 5, 0]])
    profile = ambient_profile(counts, totals_of(counts))
    assert profile.sum() == pytest.approx(1)
    # One of 100 ambient counts is of a gene seen once.
    assert profile.tolist() == pytest.approx([0.891, 0.0099, 0.0891, 0.005, 0.005, 0])


def test_the_curve_is_thinned_evenly_and_ends_with_the_last_count() -> None:
    curve = barcode_ranks(np.r_[0, 0, np.arange(1, 10_001)])
    assert len(curve["rank"]) <= 200
    assert (curve["rank"][0], curve["counts"][0]) == (1, 10_000)
    assert (curve["rank"][-1], curve["counts"][-1]) == (10_000, 1)


@pytest.mark.parametrize("median", [20, 60, 100, 1000, 10_000])
def test_cells_alone_do_not_look_unfiltered(median: int) -> None:
    totals = np.random.default_rng(0).lognormal(np.log(median), 0.5, 5000).round().astype(int)
    assert not looks_unfiltered(totals)
    assert not looks_unfiltered(np.zeros(1000, dtype=int))


@pytest.mark.parametrize("name", ["blood_1", "blood_2", "pancreas"])
def test_the_demo_does_not_look_unfiltered(name: str) -> None:
    assert not looks_unfiltered(totals_of(demo_sample(name)[0].X))


def test_cells_cannot_be_called_without_empty_droplets_or_without_cells() -> None:
    with pytest.raises(ValueError, match="more than 100"):
        call_cells(sparse.csr_matrix(np.full((3, 4), 50)))


def test_the_ledger_marks_barcodes_that_are_not_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    counts, truth = droplets()
    ledger, summary = run(as_intake(counts), tmp_path, min_genes=0)
    empty = ledger[ledger["rule"] == "not_a_cell"]
    assert set(empty["step"]) == {"calling"}
    assert (empty["value"] > FDR).all()
    assert (empty["threshold"] == FDR).all()
    assert len(ledger) == len(truth) == summary["n_kept"] + sum(summary["removed"].values())
    assert next(iter(summary["removed"])) == "not_a_cell"
    assert summary["cell_calling"]["n_cells"] == len(truth) - len(empty)
    assert any("looks unfiltered" in note and "were called" in note for note in summary["notes"])
    assert not any("check the thresholds" in note for note in summary["notes"])


def test_cell_calling_none_leaves_the_barcodes_to_the_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _, summary = run(as_intake(droplets()[0]), tmp_path, min_genes=0, cell_calling="none")
    assert "not_a_cell" not in summary["removed"]
    assert summary["cell_calling"] is None
    assert any("--cell_calling none" in note for note in summary["notes"])


def test_bounds_are_chosen_from_the_called_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _, summary = run(as_intake(droplets()[0]), tmp_path, mad_counts=4)
    assert summary["thresholds"]["min_counts"] > LOWER
    assert summary["thresholds"]["min_genes"] < 200


@pytest.mark.parametrize(
    ("n_cells", "n_empty", "depth", "size"),
    [
        (40, 3000, (100, 400), 2000),
        (40, 3000, (100, 400), 1000),
        (40, 3000, (60, 60), 500),
        (40, 300, (60, 60), 500),
        (40, 300, (100, 400), 2000),
        (1000, 1500, (100, 400), 2000),
    ],
)
def test_cells_are_called_if_ambient_rna_is_high_or_droplets_are_few(
    n_cells: int, n_empty: int, depth: tuple[int, int], size: int
) -> None:
    counts, truth = high_ambient(n_cells, n_empty, depth, size=size)
    calls, doubt = find_cells(counts)
    assert calls is not None
    assert calls.is_cell[truth].mean() >= 0.95
    assert calls.is_cell[~truth].sum() <= 0.01 * n_empty
    is_high = calls.ambient_counts > 0.1 * calls.cell_counts
    assert ("Ambient RNA is high" in doubt) == is_high


@pytest.mark.parametrize(
    ("n_cells", "depth"), [(1000, (1, 60)), (5000, (1, 60)), (3000, (20, 200))]
)
def test_cells_are_called_among_fifty_thousand_droplets(
    n_cells: int, depth: tuple[int, int]
) -> None:
    counts, truth = high_ambient(n_cells, 50_000, depth, n_genes=500)
    calls, doubt = find_cells(counts)
    assert calls is not None
    assert calls.is_cell[truth].mean() > 0.99
    assert calls.is_cell[~truth].mean() < 0.001
    assert doubt == ""


@pytest.mark.parametrize(
    ("n_empty", "depth"), [(3000, (100, 400)), (3000, (60, 60)), (300, (100, 400))]
)
def test_droplets_without_a_cell_are_reported(n_empty: int, depth: tuple[int, int]) -> None:
    calls, doubt = find_cells(high_ambient(0, n_empty, depth)[0])
    assert calls is None
    assert "no cells" in doubt
    assert "No cells were called" in doubt


def test_cells_hardly_fuller_than_droplets_are_reported() -> None:
    calls, doubt = find_cells(high_ambient(40, 3000, (100, 400), size=300)[0])
    assert calls is None
    assert "cannot be separated from the droplets" in doubt


@pytest.mark.parametrize("name", ["blood_1", "blood_2", "pancreas"])
def test_filtered_samples_are_left_alone_without_a_doubt(name: str) -> None:
    adata, truth = demo_sample(name)
    assert find_cells(adata[(truth["state"] != "empty").to_numpy()].X) == (None, "")


def test_shallow_cells_of_several_types_are_not_taken_for_droplets() -> None:
    counts, truth = high_ambient(1000, 10, (1, 2), size=200)
    assert find_cells(counts[truth]) == (None, "")


def test_the_reach_of_droplets_does_not_grow_into_the_cells() -> None:
    rng = np.random.default_rng(0)
    empty, cells = rng.lognormal(np.log(150), 0.4, 3000), rng.lognormal(np.log(5000), 0.4, 300)
    totals = np.r_[rng.integers(1, 4, 20_000), empty, cells].round().astype(int)
    assert 0.999 * len(empty) < (empty <= ambient_reach(totals, 200)).sum()
    assert ambient_reach(totals, 200) < cells.min()


@pytest.mark.parametrize(
    ("n_cells", "n_empty", "words"),
    [(60, 600, "Ambient RNA is high"), (0, 600, "No cells were called")],
)
def test_a_doubt_is_a_warning_of_the_account(
    n_cells: int, n_empty: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    counts, truth = high_ambient(n_cells, n_empty, (100, 400), size=1500)
    _, summary = run(as_intake(counts), tmp_path)
    assert any(words in warning for warning in summary["warnings"])
    assert set(summary["warnings"]) <= set(summary["notes"])
    assert summary["n_kept"] == (n_cells or n_empty)
    assert summary["n_kept"] + sum(summary["removed"].values()) == len(truth)


@pytest.mark.shared
def test_soupx_cells_are_those_of_cell_ranger() -> None:
    if not SOUPX.exists():
        pytest.skip("the shared data sets are not beside the checkout")
    raw, filtered = (
        read_matrix(SOUPX / f"{kind}_gene_bc_matrices") for kind in ("raw", "filtered")
    )
    assert looks_unfiltered(totals_of(raw.matrix))
    assert not looks_unfiltered(totals_of(filtered.matrix))
    found = set(np.asarray(raw.barcodes)[call_cells(raw.matrix).is_cell])
    expected = set(filtered.barcodes)
    assert len(found & expected) > 0.9 * max(len(found), len(expected))


@pytest.mark.shared
def test_blood_cells_are_found_among_droplets_of_their_own_rna() -> None:
    if not (SHARED / "pbmc3k.h5ad").exists():
        pytest.skip("the shared data sets are not beside the checkout")
    cells = read_matrix(SHARED / "pbmc3k.h5ad").matrix.astype(np.int64)
    rng = np.random.default_rng(0)
    sizes = rng.lognormal(np.log(12), 1, 30_000).astype(int)
    genes = rng.choice(cells.shape[1], sizes.sum(), p=totals_of(cells.T) / cells.sum())
    droplet = np.repeat(np.arange(len(sizes)), sizes)
    empty = sparse.coo_matrix(
        (np.ones(len(genes), dtype=np.int64), (droplet, genes)), (len(sizes), cells.shape[1])
    )
    counts = sparse.vstack([empty.tocsr(), cells]).tocsr()
    assert looks_unfiltered(totals_of(counts))
    found = call_cells(counts).is_cell
    assert found[len(sizes) :].mean() > 0.98
    assert found[len(sizes) :].sum() > 0.98 * found.sum()
