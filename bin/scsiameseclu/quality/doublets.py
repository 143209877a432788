"""Find doublets per sample with Scrublet (Wolock et al., Cell Systems 2019)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from scipy import sparse
from scipy.special import expit, logit
from skimage.filters import threshold_minimum
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from sklearn.utils.sparsefuncs import mean_variance_axis

from ..contracts import HASHTAG, DoubletSummary, QualitySummary
from ..depth import log_normalize
from ..errors import InputError, quoted
from ..files import overridden, read_json, settings, write_h5ad, write_json, write_table
from ..steps import Step
from .captured import captured_account
from .hashtags import LEDGER_STEP as HASHTAGS
from .hashtags import RULES as HASHTAG_RULES
from .hashtags import demultiplex
from .ledger import read_ledger, strike, warn
from .order import canonical_order
from .sex import sex_of
from .species import count_species

LEDGER_STEP = "doublets"
RULE = "doublet"
RATE_PER_1000_CELLS = 0.008
"""Doublets per cell and 1,000 cells recovered, as 10x Genomics states for its droplets."""
MIN_CELLS = 50
"""Fewer cells than this hold too few doublets, and too few neighbours, to find them."""
MIN_GENES = 30
"""Fewer varying genes than this span no space in which a doublet lies between two types."""
MAX_VARIABLE_GENES = 2000
N_PCS = 30
LARGE, PART = 20_000, 10_000
"""More cells than the first are scored in random parts of at most the second: time and memory stay
in proportion."""
HISTOGRAM_BINS = 50

# The valley between the two modes of the simulated doublets' scores is sought on the scale of
# Scrublet's default prior: with the prior of a small sample (0.3 % at 400 cells) all scores crowd
# near zero and the valley is lost in a few bins.
_VALLEY_PRIOR = 0.1
# A valley that leaves fewer simulated doublets above it lies in the tail of a single mode.
_MIN_DETECTABLE = 0.05
# Fewer than this above a valley below such a tail are not a mode of their own.
_MIN_UPPER_MODE = 0.2
# More than this (the rate of 15,000 cells) and than twice the expected rate: the valley lies
# between types of cells.
_MAX_DETECTED = 0.12


@dataclass(frozen=True)
class Doublets:
    """What Scrublet says of a sample.

    Parameters
    ----------
    status
        How the threshold was chosen: ``automatic``, ``manual``, ``expected_rate`` (the automatic
        one failed), or ``skipped``.
    scores
        Probability of being a doublet, given the expected rate, per cell (float64); NaN when
        skipped.
    predicted
        Which cells score above the threshold.
    expected_rate
        Expected share of doublets among the cells.
    threshold
        Bound on the scores; None when skipped.
    simulated
        Scores of the simulated doublets.
    note
        One sentence for the reader of the report; empty when all went as usual.
    """

    status: Literal["automatic", "manual", "expected_rate", "skipped"]
    scores: np.ndarray
    predicted: np.ndarray
    expected_rate: float
    threshold: float | None = None
    simulated: np.ndarray = field(default_factory=lambda: np.empty(0))
    note: str = ""

    def summary(self) -> DoubletSummary:
        """Return the account in ``<sample>.qc.json``."""
        return {
            "status": self.status,
            "expected_rate": self.expected_rate,
            "threshold": self.threshold,
            "n_predicted": int(self.predicted.sum()),
            "detected_rate": float(self.predicted.mean()) if len(self.predicted) else 0.0,
            "histogram": self._histogram(),
            "note": self.note,
        }

    def _histogram(self) -> dict[str, list[float]]:
        if self.status == "skipped":
            return {"edges": [], "observed": [], "simulated": []}
        top = max(self.scores.max(), self.simulated.max(), self.threshold or 0)
        edges = np.linspace(0, top, HISTOGRAM_BINS + 1)
        observed, simulated = (
            np.histogram(scores, edges)[0].tolist() for scores in (self.scores, self.simulated)
        )
        return {"edges": edges.tolist(), "observed": observed, "simulated": simulated}


def flag_doublets(
    *,
    prefix: str,
    healthy: Path,
    ledger: Path,
    summary: Path,
    doublet_action: Literal["remove", "annotate"] = "remove",
    doublet_threshold: float | None = None,
    seed: int = 0,
) -> None:
    """Score the doublets of a sample, remove them or not, and complete its ledger.

    The samplesheet's values win. Writes ``<prefix>.cell_ledger.tsv.gz``, ``.qc.json`` and, if any
    cell is left, ``.filtered.h5ad``.

    Parameters
    ----------
    prefix
        Id of the sample.
    healthy
        Healthy cells (``<sample>.healthy.h5ad``).
    ledger
        Ledger of the filter (``<sample>.filter_ledger.tsv.gz``).
    summary
        Account of the filter (``<sample>.filter.json``).
    doublet_action
        ``remove`` the predicted doublets or only ``annotate`` them.
    doublet_threshold
        Score above which a cell is a doublet. Default: chosen automatically.
    seed
        Seed of the simulation.
    """
    adata = ad.read_h5ad(healthy)
    fates, account = read_ledger(ledger), cast("QualitySummary", read_json(summary))
    # A list of cells is not filtered unless the sample's own row sets this.
    action = "annotate" if settings(adata).get("cells") else doublet_action
    chosen = overridden(adata, doublet_action=action, doublet_threshold=doublet_threshold)
    adata, rate = _by_hashtag(adata, fates, account, chosen["doublet_action"])
    threshold = chosen["doublet_threshold"]
    doublets = score_doublets(adata, expected_rate=rate, threshold=threshold, random_state=seed)
    adata.obs["doublet_score"] = doublets.scores
    adata.obs["predicted_doublet"] = doublets.predicted
    removed = doublets.predicted & (chosen["doublet_action"] == "remove")
    kept = adata[~removed].copy()
    completed = complete_ledger(fates, doublets, removed)
    write_table(completed, f"{prefix}.cell_ledger.tsv.gz")
    account = complete_summary(account, kept, doublets, completed, chosen["doublet_action"])
    account["sex"], contradiction = sex_of(kept)
    warn(account, contradiction)
    write_json(account, f"{prefix}.qc.json")
    if not kept.n_obs:
        raise _nothing_left(settings(adata), doublets, account)
    write_h5ad(kept, f"{prefix}.filtered.h5ad")


def _by_hashtag(
    adata: ad.AnnData, ledger: pd.DataFrame, account: QualitySummary, action: str
) -> tuple[ad.AnnData, float]:
    """Call the hashtags of a pool's cells; remove those with several or none, or only mark them.

    Returns the cells that are left, and the share of doublets that is expected among them; `ledger`
    and `account` are completed.
    """
    rate = expected_rate_of(adata, settings(adata)["expected_doublet_rate"])
    hashing, doubt = demultiplex(adata.obsm[HASHTAG]) if HASHTAG in adata.obsm else (None, "")
    warn(account, [doubt] if doubt else [])
    if hashing is None:
        return adata, rate
    adata.obs["hashtag"] = hashing.calls
    rows = ledger.index[ledger["kept"]]
    ledger["hashtag"] = pd.Series(hashing.calls.to_numpy(), index=rows).reindex(ledger.index)
    account["hashtags"] = hashing.summary()
    if action != "remove":
        return adata, rate
    probability = pd.Series(hashing.probability.to_numpy(), index=rows).reindex(ledger.index)
    for call, rule in HASHTAG_RULES.items():
        strike(ledger, ledger["hashtag"] == call, HASHTAGS, rule, probability)
        account["removed"][rule] = int((hashing.calls == call).sum())
        account["n_kept"] -= account["removed"][rule]
    # Of two cells with the same hashtag the hashtags show nothing.
    return adata[~hashing.removable].copy(), rate * hashing.same_hashtag


def score_doublets(
    adata: ad.AnnData,
    *,
    expected_rate: float | None = None,
    threshold: float | None = None,
    random_state: int = 0,
) -> Doublets:
    """Score every cell's chance of being a doublet, and choose the threshold.

    Scrublet as in scanpy, with changes for matrices shallow in counts or poor in genes: cells and
    simulated doublets are log-transformed before PCA, of the most variable half of the genes (at
    most 2,000). The order of cells and genes changes nothing. More than 20,000 cells are scored in
    random parts (:data:`LARGE`).

    Parameters
    ----------
    adata
        Raw counts of one sample in ``X`` (cells x genes); not changed.
    expected_rate
        Expected share of doublets. Default: 0.8 % per 1,000 cells.
    threshold
        Score above which a cell is a doublet. Default: the valley between the modes of the
        simulated doublets' scores; if there is none, the score that calls the expected number of
        doublets.
    random_state
        Seed of the simulation.

    Returns
    -------
    Scores, calls and how they came about; skipped with a note below 50 cells or 30 varying genes.
    """
    rate = expected_rate_of(adata, expected_rate)
    if adata.n_obs < MIN_CELLS:
        return _too_few(adata, rate, adata.n_obs, "cells", MIN_CELLS)
    order, genes = canonical_order(sparse.csr_matrix(adata.X))
    cells = _variable_genes(sparse.csr_matrix(adata.X)[order][:, genes])
    if cells.n_vars < MIN_GENES:
        return _too_few(adata, rate, cells.n_vars, "varying genes", MIN_GENES)
    # The score at a prior of 0 or 1 is the same for all cells: the rate stays inside.
    ordered, simulated = _scrublet_in_parts(cells, float(np.clip(rate, 1e-4, 0.5)), random_state)
    scores = np.empty_like(ordered)
    scores[order] = ordered
    if threshold is not None:
        return Doublets("manual", scores, scores > threshold, rate, threshold, simulated)
    status, bound, note = _choose_threshold(scores, simulated, rate)
    return Doublets(status, scores, scores > bound, rate, bound, simulated, note)


def expected_rate_of(adata: ad.AnnData, given: float | None) -> float:
    """Return the `given` share of doublets, or the one that the number of cells lets expect."""
    return min(RATE_PER_1000_CELLS * adata.n_obs / 1000, 0.5) if given is None else given


def complete_ledger(ledger: pd.DataFrame, doublets: Doublets, removed: np.ndarray) -> pd.DataFrame:
    """Return the filter's ledger with scores and calls of its cells, `removed` ones struck."""
    ledger = ledger.copy()
    healthy = ledger.index[ledger["kept"]]
    ledger["doublet_score"] = pd.Series(doublets.scores, index=healthy).reindex(ledger.index)
    calls = doublets.predicted.astype(object) if doublets.status != "skipped" else None
    ledger["doublet"] = pd.Series(calls, index=healthy, dtype=object).reindex(ledger.index)
    struck = pd.Series(removed, index=healthy).reindex(ledger.index, fill_value=False)
    strike(ledger, struck, LEDGER_STEP, RULE, ledger["doublet_score"], doublets.threshold)
    return ledger


def complete_summary(
    summary: QualitySummary, kept: ad.AnnData, doublets: Doublets, ledger: pd.DataFrame, action: str
) -> QualitySummary:
    """Return ``<sample>.qc.json``: filter, doublets, medians of the kept cells."""
    return {
        **summary,
        "status": "ok" if kept.n_obs else "failed",
        "n_kept": kept.n_obs,
        "removed": summary["removed"] | {RULE: summary["n_kept"] - kept.n_obs},
        "species": count_species(ledger),
        "n_genes": int((kept.X.getnnz(axis=0) > 0).sum()),
        "median_genes": _median(kept.obs["n_genes_by_counts"]),
        "median_counts": _median(kept.obs["total_counts"]),
        "median_pct_mt": _median(kept.obs["pct_counts_mt"]),
        "doublets": doublets.summary(),
        "notes": [*summary["notes"], *([doublets.note] if doublets.note else [])],
        "doublet_action": action,
        "captured": captured_account(kept),
    }


def _variable_genes(counts: sparse.csr_matrix) -> ad.AnnData:
    """Return the raw counts (float32) of the genes that vary most among the cells."""
    counts = counts[:, counts.getnnz(axis=0) >= 3].astype(np.float32)
    log = _normalized(ad.AnnData(counts))
    varying = mean_variance_axis(log.X, axis=0)[1] > 1e-6
    if varying.sum() < MIN_GENES:
        return ad.AnnData(counts[:, varying])
    log, counts = log[:, varying].copy(), counts[:, varying]
    n_top = min(MAX_VARIABLE_GENES, max(log.n_vars // 2, MIN_GENES))
    rank = sc.pp.highly_variable_genes(log, flavor="seurat", inplace=False)["dispersions_norm"]
    # scanpy's own choice of the first ones fails where no gene varies more than others of its mean:
    # their ranks are missing.
    return ad.AnnData(counts[:, (rank >= rank.nlargest(n_top).min()).to_numpy()])


def _scrublet_in_parts(cells: ad.AnnData, rate: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of the cells and of the simulated doublets, of many cells part by part."""
    n = cells.n_obs
    if n <= LARGE:
        return _scrublet(cells, rate, seed)
    scores, simulated = np.empty(n), []
    for part in np.array_split(np.random.default_rng(seed).permutation(n), -(-n // PART)):
        own = cells[np.sort(part)]
        # What no cell of a part has would be divided by zero.
        found = own[:, own.X.getnnz(axis=0) > 0].copy()
        scores[np.sort(part)], of_doublets = _scrublet(found, rate, seed)
        simulated.append(of_doublets)
    return scores, np.concatenate(simulated)


def _scrublet(cells: ad.AnnData, rate: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of the cells and of the simulated doublets."""
    cells.layers["raw"] = cells.X
    simulated = sc.pp.scrublet_simulate_doublets(cells, layer="raw", random_seed=seed)
    observed = _normalized(ad.AnnData(cells.X))
    n_pcs = min(N_PCS, observed.n_vars - 2, observed.n_obs - 2)
    observed, simulated = _components(observed, _normalized(simulated), n_pcs + 1, seed)
    sc.pp.scrublet(
        observed,
        simulated,
        expected_doublet_rate=rate,
        normalize_variance=False,
        n_prin_comps=n_pcs,
        n_neighbors=round(0.5 * np.sqrt(observed.n_obs)),
        # Exact neighbours: the approximate ones differ by machine, and with the many neighbours
        # that Scrublet searches they are slower (75,000 points, 240 neighbours: 186 s against 44
        # s).
        use_approx_neighbors=False,
        # Any number: the caller chooses.
        threshold=0.0,
        verbose=False,
        random_state=seed,
    )
    scores = observed.obs["doublet_score"].to_numpy(np.float64)
    return scores, np.asarray(observed.uns["scrublet"]["doublet_scores_sim"])


def _components(
    observed: ad.AnnData, simulated: ad.AnnData, n_components: int, seed: int
) -> tuple[ad.AnnData, ad.AnnData]:
    """Return both with the components of the observed cells' scaled genes instead of the genes.

    scanpy would find the same ones, but centers the genes first, and so fills the matrix: 10,000
    cells took 3 GB.
    """
    scale = StandardScaler(with_mean=False).fit(observed.X)
    scaled = scale.transform(observed.X)
    pca = PCA(n_components, svd_solver="arpack", random_state=seed).fit(scaled)
    return (
        ad.AnnData(pca.transform(scaled)),
        ad.AnnData(pca.transform(scale.transform(simulated.X)), obsm=simulated.obsm),
    )


def _choose_threshold(
    scores: np.ndarray, simulated: np.ndarray, rate: float
) -> tuple[Literal["automatic", "expected_rate"], float, str]:
    """Return the status, the threshold and the note."""
    valley, reason = _judged_valley(scores, simulated, simulated, rate)
    if valley is not None and (simulated > valley).mean() < _MIN_DETECTABLE:
        # It lies in the tail of the upper mode: there may be one below that mode.
        below = simulated[simulated <= valley]
        lower, other = _judged_valley(scores, below, simulated, rate)
        if lower is not None and not other and (simulated > lower).mean() >= _MIN_UPPER_MODE:
            valley, reason = lower, ""
    if valley is not None and not reason:
        return "automatic", valley, ""
    bound, n_called = _bound_for(scores, round(rate * len(scores)))
    called = f"the {n_called} highest scores are called" if n_called else "no cell is called"
    by = f"by the expected rate of {rate:.1%}"
    return "expected_rate", bound, f"No automatic doublet threshold ({reason}): {called}, {by}."


def _judged_valley(
    scores: np.ndarray, searched: np.ndarray, simulated: np.ndarray, rate: float
) -> tuple[float | None, str]:
    """Return the valley among the `searched` scores, and what speaks against it; empty: nothing."""
    valley = _valley(searched, rate)
    if valley is None:
        return None, "the scores of the simulated doublets are not bimodal"
    detectable, called = (simulated > valley).mean(), (scores > valley).mean()
    if detectable < _MIN_DETECTABLE:
        return valley, f"only {detectable:.0%} of the simulated doublets would score above it"
    if called > max(_MAX_DETECTED, 2 * rate):
        return valley, f"it would call {called:.0%} of the cells doublets"
    return valley, ""


def _valley(simulated: np.ndarray, rate: float) -> float | None:
    """Return the score between the simulated doublets' two modes, None if there is none."""
    shift = logit(_VALLEY_PRIOR) - logit(np.clip(rate, 1e-4, 0.5))
    try:
        valley = threshold_minimum(expit(logit(simulated) + shift))
    except RuntimeError:
        return None
    return float(expit(logit(valley) - shift))


def _bound_for(scores: np.ndarray, n_wanted: int) -> tuple[float, int]:
    """Return a threshold that about `n_wanted` scores exceed, ties together, and how many do."""
    values, n_equal = np.unique(scores, return_counts=True)
    bounds = np.append(values[0] / 2, values)
    n_above = len(scores) - np.append(0, np.cumsum(n_equal))
    # Of two equally near, the later one: it calls fewer.
    nearest = len(bounds) - 1 - int(np.abs(n_above - n_wanted)[::-1].argmin())
    return float(bounds[nearest]), int(n_above[nearest])


def _normalized(adata: ad.AnnData) -> ad.AnnData:
    """Return a copy with log1p(counts per 10,000) in ``X``."""
    adata = adata.copy()
    log_normalize(adata)
    return adata


def _median(values: pd.Series[float]) -> float | None:
    return float(values.median()) if values.notna().any() else None


def _too_few(adata: ad.AnnData, rate: float, n: int, kind: str, least: int) -> Doublets:
    reason = f"{n} {kind} are too few to find doublets (at least {least} needed)"
    note = f"Doublets were not searched for: {reason}."
    unknown, none = np.full(adata.n_obs, np.nan), np.zeros(adata.n_obs, dtype=bool)
    return Doublets("skipped", unknown, none, rate, note=note)


def _nothing_left(given: dict[str, Any], doublets: Doublets, account: QualitySummary) -> InputError:
    if len(doublets.scores):
        n_cells, bound = len(doublets.scores), f"{doublets.threshold:g}"
        why = f"all {n_cells} score above the doublet threshold {bound}"
        remedy = (
            "raise --doublet_threshold (the highest score in this sample is "
            f"{doublets.scores.max():.3g}), leave it out, or use --doublet_action annotate"
        )
    else:
        found = account["hashtags"]
        why = f"{found['n_doublets']} have several hashtags, {found['n_negatives']} have none"
        remedy = "check which features are hashtags (--hashtags), or use --doublet_action annotate"
    what = f"no cell of sample {quoted(given['sample'])} is left: {why}"
    return InputError.of(what=what, where=given["counts"], remedy=remedy)


STEP = Step(flag_doublets, isolate=True)
