"""Planted doublets are found, removed or annotated, and each threshold is reported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pytest
from scipy import sparse
from scsiameseclu.errors import InputError
from scsiameseclu.files import read_json, set_settings, settings
from scsiameseclu.quality.doublets import (
    _bound_for,
    _choose_threshold,
    flag_doublets,
    score_doublets,
)
from scsiameseclu.quality.filter import Options, filter_sample
from scsiameseclu.quality.ledger import read_ledger
from sklearn.metrics import average_precision_score, roc_auc_score

from tests.data import make_demo
from tests.data.as_intake import as_intake, demo_sample

if TYPE_CHECKING:
    import pandas as pd

HASHED = Path(__file__).parents[3] / "shared" / "datasets" / "hashed_doublets_chcl.h5ad"


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(adata: ad.AnnData, **options: Any) -> tuple[ad.AnnData, pd.DataFrame, dict[str, Any]]:
    adata.write_h5ad("s1.counts.h5ad")
    bounds = Options(min_genes=options.pop("min_genes", None))
    filter_sample(prefix="s1", counts=Path("s1.counts.h5ad"), options=bounds)
    flag_doublets(
        prefix="s1",
        healthy=Path("s1.healthy.h5ad"),
        ledger=Path("s1.filter_ledger.tsv.gz"),
        summary=Path("s1.filter.json"),
        **options,
    )
    return (
        ad.read_h5ad("s1.filtered.h5ad"),
        read_ledger("s1.cell_ledger.tsv.gz"),
        read_json("s1.qc.json"),
    )


def assert_reconciled(
    adata: ad.AnnData, kept: ad.AnnData, ledger: pd.DataFrame, account: dict[str, Any]
) -> None:
    assert ledger["barcode"].tolist() == adata.obs_names.tolist()
    assert ledger.loc[ledger["kept"], "barcode"].tolist() == kept.obs_names.tolist()
    assert account["n_barcodes"] == len(ledger)
    assert account["n_kept"] == int(ledger["kept"].sum()) == kept.n_obs
    assert account["removed"] == {
        rule: int((ledger["rule"] == rule).sum()) for rule in account["removed"]
    }
    assert sum(account["removed"].values()) + account["n_kept"] == account["n_barcodes"]


@pytest.mark.parametrize("name", list(make_demo.SAMPLES))
def test_planted_doublets_score_highest(name: str) -> None:
    adata, truth = demo_sample(name)
    droplets = truth["state"].isin(["singlet", "doublet"]).to_numpy()
    doublets = score_doublets(adata[droplets].copy())
    planted = (truth["state"] == "doublet").to_numpy()[droplets]
    assert doublets.status == "automatic"
    assert roc_auc_score(planted, doublets.scores) > 0.95
    assert doublets.predicted[~planted].mean() < 0.1


def test_doublets_of_many_cells_are_found_part_by_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    adata, truth = demo_sample("blood_1")
    droplets = truth["state"].isin(["singlet", "doublet"]).to_numpy()
    planted = (truth["state"] == "doublet").to_numpy()[droplets]
    usual = score_doublets(adata[droplets].copy())
    monkeypatch.setattr("scsiameseclu.quality.doublets.LARGE", droplets.sum() - 1)
    monkeypatch.setattr("scsiameseclu.quality.doublets.PART", droplets.sum() // 2 + 1)
    large = score_doublets(adata[droplets].copy())
    assert len(large.simulated) == len(usual.simulated)
    assert large.scores.tobytes() == score_doublets(adata[droplets].copy()).scores.tobytes()
    assert large.status == "automatic"
    assert roc_auc_score(planted, large.scores) > 0.95
    assert np.corrcoef(usual.scores, large.scores)[0, 1] > 0.7
    assert large.predicted[~planted].mean() < 0.1


def test_remove() -> None:
    adata, truth = demo_sample("blood_1")
    kept, ledger, account = run(adata)
    assert_reconciled(adata, kept, ledger, account)
    gone = ledger[ledger["rule"] == "doublet"]
    assert len(gone) == account["doublets"]["n_predicted"] > 0
    assert (gone["step"] == "doublets").all()
    assert (gone["value"] == gone["doublet_score"]).all()
    assert (gone["value"] > gone["threshold"]).all()
    assert gone["threshold"].unique().tolist() == [account["doublets"]["threshold"]]
    assert gone["doublet"].all()
    assert not kept.obs["predicted_doublet"].any()
    # It is the doublets that go, and the cells that stay.
    assert (truth.loc[gone["barcode"], "state"] == "doublet").mean() > 0.5
    assert (truth.loc[kept.obs_names, "state"] == "singlet").mean() > 0.99


def test_annotate_keeps_all_cells() -> None:
    adata, _ = demo_sample("blood_1")
    kept, ledger, account = run(adata, doublet_action="annotate")
    assert_reconciled(adata, kept, ledger, account)
    assert account["removed"]["doublet"] == 0
    assert account["doublets"]["n_predicted"] == int(kept.obs["predicted_doublet"].sum()) > 0
    healthy = ledger[ledger["kept"]]
    assert healthy["doublet"].astype(bool).tolist() == kept.obs["predicted_doublet"].tolist()
    assert healthy["doublet_score"].tolist() == kept.obs["doublet_score"].tolist()
    assert ledger.loc[~ledger["kept"], ["doublet_score", "doublet"]].isna().all(axis=None)


def test_counts_are_untouched() -> None:
    adata, _ = demo_sample("blood_2")
    kept, _, _ = run(adata)
    assert kept.X.dtype == np.int32
    assert (kept.X != adata[kept.obs_names].X).nnz == 0


def test_account_is_complete() -> None:
    adata, _ = demo_sample("blood_2")
    kept, _, account = run(adata)
    assert {
        "sample",
        "group",
        "status",
        "format",
        "n_barcodes",
        "n_kept",
        "removed",
        "n_genes",
        "median_genes",
    } <= set(account)
    assert {"median_counts", "median_pct_mt", "thresholds", "doublets", "notes"} <= set(account)
    assert account["median_counts"] == kept.obs["total_counts"].median()
    assert account["n_genes"] == int((kept.X.sum(axis=0) > 0).sum())
    doublets = account["doublets"]
    assert set(doublets) == {
        "status",
        "expected_rate",
        "threshold",
        "n_predicted",
        "detected_rate",
        "histogram",
        "note",
    }
    n_healthy = account["n_kept"] + account["removed"]["doublet"]
    assert doublets["expected_rate"] == pytest.approx(0.008 * n_healthy / 1000)
    assert doublets["detected_rate"] == pytest.approx(doublets["n_predicted"] / n_healthy)
    histogram = doublets["histogram"]
    assert (
        len(histogram["edges"]) == len(histogram["observed"]) + 1 == len(histogram["simulated"]) + 1
    )
    assert sum(histogram["observed"]) == n_healthy
    assert sum(histogram["simulated"]) == 2 * n_healthy


def test_rate_of_the_samplesheet_is_the_prior() -> None:
    adata, _ = demo_sample("blood_2")
    default, given = score_doublets(adata), score_doublets(adata, expected_rate=0.1)
    assert given.expected_rate == 0.1
    assert given.scores.mean() > default.scores.mean()
    # The prior shifts all scores alike: the same cells are called.
    assert given.predicted.tolist() == default.predicted.tolist()


def test_manual_threshold() -> None:
    adata, _ = demo_sample("blood_2")
    automatic = score_doublets(adata)
    manual = score_doublets(adata, threshold=float(np.quantile(automatic.scores, 0.5)))
    assert manual.status == "manual"
    assert (manual.predicted == (manual.scores > manual.threshold)).all()
    assert manual.predicted.sum() > automatic.predicted.sum()


def test_a_threshold_that_leaves_no_cell_is_reported() -> None:
    with pytest.raises(InputError, match=r"all \d+ score above the doublet threshold 0") as caught:
        run(demo_sample("blood_2")[0], doublet_threshold=0.0, min_genes=0)
    assert "--doublet_threshold" in caught.value.problems[0].remedy
    ledger, account = read_ledger("s1.cell_ledger.tsv.gz"), read_json("s1.qc.json")
    assert not ledger["kept"].any()
    assert (account["status"], account["n_kept"]) == ("failed", 0)
    assert sum(account["removed"].values()) == account["n_barcodes"] == len(ledger)
    assert not Path("s1.filtered.h5ad").exists()


def test_the_samplesheet_wins_over_the_parameters() -> None:
    adata, _ = demo_sample("blood_2")
    own = {"doublet_threshold": 0.9, "doublet_action": "annotate"}
    set_settings(adata, settings(adata) | {"overrides": own})
    kept, _, account = run(adata, doublet_threshold=0.0, doublet_action="remove")
    assert account["doublets"]["threshold"] == 0.9
    assert account["doublet_action"] == "annotate"
    assert kept.n_obs == account["n_kept"]


@pytest.mark.shared
def test_scores_are_at_least_as_good_as_those_of_plain_scrublet() -> None:
    """The same 2,000 cells, hashed doublets as truth, default settings, three seeds each."""
    if not HASHED.exists():
        pytest.skip("the shared data sets are not beside the checkout")
    scrublet = pytest.importorskip("scrublet")
    adata = ad.read_h5ad(HASHED)
    counts, truth = sparse.csr_matrix(adata.X), (adata.obs["label"] == "Doublet").to_numpy()
    for seed in range(3):
        ours = score_doublets(ad.AnnData(counts), random_state=seed).scores
        plain, _ = scrublet.Scrublet(counts, random_state=seed).scrub_doublets(verbose=False)
        assert average_precision_score(truth, ours) >= average_precision_score(truth, plain)


RNG = np.random.default_rng(0)
LOW, HIGH = RNG.beta(2, 60, 400), RNG.beta(60, 40, 400)


@pytest.mark.parametrize(
    ("observed", "simulated", "reason"),
    [
        (LOW, np.full(400, 0.3), "are not bimodal"),
        (LOW, np.append(LOW, HIGH[:20]), "only 5% of the simulated doublets would score above it"),
        (
            np.append(LOW[:250], HIGH[:150]),
            np.append(LOW, HIGH),
            "it would call 38% of the cells doublets",
        ),
    ],
)
def test_failed_valley_falls_back_on_the_expected_rate(
    observed: np.ndarray, simulated: np.ndarray, reason: str
) -> None:
    status, bound, note = _choose_threshold(observed, simulated, 0.05)
    assert status == "expected_rate"
    assert (observed > bound).sum() == 20
    assert reason in note
    assert "the 20 highest scores are called, by the expected rate of 5.0%" in note


def test_valley_between_two_modes() -> None:
    status, bound, note = _choose_threshold(np.append(LOW, HIGH[:20]), np.append(LOW, HIGH), 0.05)
    assert (status, note) == ("automatic", "")
    assert LOW.max() < bound < HIGH.min()


def test_expected_rate_of_zero_calls_none() -> None:
    status, bound, _ = _choose_threshold(LOW, LOW, 0.0)
    assert status == "expected_rate"
    assert not (bound < LOW).any()


def test_a_single_cell_type_is_reported() -> None:
    counts = np.random.default_rng(0).poisson(np.linspace(0.2, 3, 120), (300, 120))
    doublets = score_doublets(as_intake(counts), expected_rate=0.05)
    assert doublets.status == "expected_rate"
    assert doublets.predicted.sum() <= 30
    assert "No automatic doublet threshold" in doublets.note


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        (np.random.default_rng(0).poisson(1, (49, 200)), "49 cells are too few"),
        (np.random.default_rng(0).poisson(1, (80, 20)), "20 varying genes are too few"),
        (np.tile(np.arange(1, 201), (80, 1)), "0 varying genes are too few"),
        (np.ones((80, 200)), "0 varying genes are too few"),
        # Each gene five times: none varies more than others of its mean.
        (np.tile(np.random.default_rng(1).poisson(4, (6, 8)) + 1, (10, 5)), "0 varying genes"),
    ],
)
def test_unsuitable_samples_are_skipped_with_a_reason(counts: np.ndarray, reason: str) -> None:
    adata = as_intake(counts)
    kept, ledger, account = run(adata, min_genes=1)
    assert_reconciled(adata, kept, ledger, account)
    assert ledger["kept"].all()
    assert kept.obs["doublet_score"].isna().all()
    assert not kept.obs["predicted_doublet"].any()
    assert account["doublets"]["status"] == "skipped"
    assert reason in account["doublets"]["note"]
    assert account["doublets"]["histogram"] == {"edges": [], "observed": [], "simulated": []}
    assert account["notes"][-1] == account["doublets"]["note"]


@pytest.mark.parametrize("mean", [0.02, 0.08])
def test_shallow_counts_do_not_break_it(mean: float) -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(0.3, mean / 0.3, (120, 2000)))
    doublets = score_doublets(as_intake(counts))
    assert np.isfinite(doublets.scores).all()


def test_many_cells_do_not_break_it() -> None:
    # From about 2,700 cells on, scanpy's default neighbour search would be another one.
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(0.3, 2, (2, 60))[rng.integers(0, 2, 2800)])
    assert np.isfinite(score_doublets(as_intake(counts)).scores).all()


def test_same_input_same_bytes() -> None:
    names = ("s1.filtered.h5ad", "s1.cell_ledger.tsv.gz", "s1.qc.json")
    written = []
    for _ in range(2):
        run(demo_sample("blood_2")[0])
        written.append([Path(name).read_bytes() for name in names])
    assert written[0] == written[1]


def test_seed_is_used() -> None:
    adata, _ = demo_sample("blood_2")
    assert (
        score_doublets(adata, random_state=0).scores != score_doublets(adata, random_state=1).scores
    ).any()


@pytest.mark.parametrize(
    ("n_wanted", "n_called"), [(0, 0), (1, 1), (2, 1), (3, 4), (4, 4), (5, 4), (6, 7), (7, 7)]
)
def test_tied_scores_are_called_together(n_wanted: int, n_called: int) -> None:
    scores = np.array([0.1, 0.5, 0.9, 0.5, 0.1, 0.5, 0.1])
    bound, n = _bound_for(scores, n_wanted)
    assert n == n_called == (scores > bound).sum()
