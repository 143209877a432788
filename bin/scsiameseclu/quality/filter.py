"""Keep the barcodes that hold a healthy cell: by genes found, counts and mitochondrial share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import anndata as ad
import numpy as np
import pandas as pd
from cyclopts import Parameter
from scipy import sparse

from ..contracts import CAPTURED, LISTED, QualitySummary
from ..errors import InputError, quoted
from ..files import overridden, settings, write_h5ad, write_json, write_size, write_table
from ..steps import Step
from .ambient import barcode_totals
from .captured import add_captured, sort_features
from .cells import LEDGER_STEP as CALLING
from .cells import RULE as NOT_A_CELL
from .cells import CellCalls, find_cells, looks_unfiltered
from .genes import is_hemoglobin, is_mitochondrial, is_ribosomal
from .given_cells import GivenCells, cells_on_list, forced_cells
from .ledger import count_removed, open_ledger, strike, warn
from .mad import tighten
from .soup import write_soup
from .species import count_species, species_counts
from .thresholds import BOUNDS, Bounds

LEDGER_STEP = "filter"
MIN_GENES = {"default": 200, "low_depth": 50}
"""Preset -> fewest genes in a cell, unless the sample is shallow even for that."""
SHALLOW_SHARE = 0.2
"""Fewest genes in a cell of a shallow sample, as a share of the median barcode's."""

_UNCALLED = "The matrix looks unfiltered, but no cells were called (--cell_calling none)."
_NO_CELLS = (
    "the barcodes do not differ from the ambient RNA: leave the sample out, or, if all its "
    "barcodes are cells, give --cell_calling none, for this sample alone by a column cell_calling"
)


@dataclass(frozen=True)
class Rule:
    """A bound on one metric of a barcode.

    Parameters
    ----------
    name
        Name in the ledger; ``empty`` or that of the option which fixes it.
    metric
        Column of the metrics.
    side
        ``min``: smaller values fail; ``max``: larger ones do. The threshold itself passes.
    threshold
        The bound, in the metric's unit (genes, counts, percent).
    option
        The option that set the threshold. Default: that of the rule's name.
    """

    name: str
    metric: str
    side: Literal["min", "max"]
    threshold: float
    option: str = ""

    def failing(self, metrics: pd.DataFrame) -> pd.Series[bool]:
        """Return which barcodes fail; an unknown value (NaN) does not."""
        values = metrics[self.metric]
        return values < self.threshold if self.side == "min" else values > self.threshold


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Options(Bounds):
    """What is asked of a cell: the bounds, and how they and the cells are found.

    Parameters
    ----------
    mad_genes
        Genes in a cell may lie this many MADs (median absolute deviations from the median, on log1p
        values) below or above the sample's median; of this and the fixed bounds the stricter
        applies. Default: fixed bounds only.
    mad_counts
        The same for counts in a cell.
    mad_pct_mt
        The mitochondrial share may lie this many MADs above the sample's median.
    qc_preset
        ``default`` asks for 200 genes, ``low_depth`` for 50, where ``min_genes`` is not given.
    cell_calling
        ``auto`` calls cells first where the matrix holds empty droplets; ``none`` never does.
    hashtags
        Which features are hashtags, and what they mark. Default: those of type
        Multiplexing Capture.
    min_guide_counts
        Fewest counts of a guide for a cell to have it.
    ambient_profile
        Whether the counts of the empty droplets are kept, if there are any.
    """

    mad_genes: float | None = None
    mad_counts: float | None = None
    mad_pct_mt: float | None = None
    qc_preset: Literal["default", "low_depth"] = "default"
    cell_calling: Literal["auto", "none"] = "auto"
    hashtags: str | None = None
    min_guide_counts: int = 5
    ambient_profile: bool = True


DEFAULTS = Options()


def filter_sample(*, prefix: str, counts: Path, options: Options = DEFAULTS, seed: int = 0) -> None:
    """Remove the barcodes of a sample that hold no cell, or no healthy one.

    What the samplesheet says for this sample wins over the options. Writes
    ``<prefix>.healthy.h5ad``, ``<prefix>.filter_ledger.tsv.gz``, ``<prefix>.filter.json`` and
    ``<prefix>.size.json``, of an unfiltered matrix ``<prefix>.soup.h5ad`` (what its empty droplets
    hold); where no cell is left, the final account (``<prefix>.cell_ledger.tsv.gz``,
    ``<prefix>.qc.json``) before the failure is raised.

    Parameters
    ----------
    prefix
        Id of the sample.
    counts
        Counts of the sample (``<sample>.counts.h5ad``).
    options
        What is asked of a cell.
    seed
        Seed of the cell calling.
    """
    adata = ad.read_h5ad(counts)
    chosen = overridden(adata, **asdict(options), expected_cells=None, force_cells=None)
    features, tag_warnings = sort_features(adata, chosen["hashtags"])
    metrics = cell_metrics(adata)
    ledger, summary = _judge(prefix, adata, metrics, chosen, seed)
    warn(summary, tag_warnings)
    kept = ledger["kept"].to_numpy()
    healthy = ad.AnnData(obs=metrics[kept], var=adata.var, uns=adata.uns)
    if len(features):
        add_captured(healthy, adata.obsm[CAPTURED][kept], features, chosen["min_guide_counts"])
    write_h5ad(adata, f"{prefix}.healthy.h5ad", kept=kept, tables=healthy)
    n_values = int(adata.X.getnnz(axis=1)[kept].sum())
    n_droplets = write_soup(prefix, adata, ledger) if options.ambient_profile else 0
    write_size(
        f"{prefix}.size.json",
        n_cells=int(kept.sum()),
        n_genes=adata.n_vars,
        n_values=n_values,
        n_droplets=n_droplets,
    )
    write_table(ledger, f"{prefix}.filter_ledger.tsv.gz")
    write_json(summary, f"{prefix}.filter.json")


def _judge(
    sample: str, adata: ad.AnnData, metrics: pd.DataFrame, chosen: Mapping[str, Any], seed: int
) -> tuple[pd.DataFrame, QualitySummary]:
    """Return the ledger and the account; where no cell is left, write both and raise."""
    calls, doubt = _cells_of(adata, metrics["total_counts"].to_numpy(), chosen, seed)
    if LISTED in adata.obs:
        chosen = _own_bounds(adata, chosen)
    cells = metrics if calls is None else metrics[calls.is_cell]
    # Where droplets pass for cells, their median says nothing about cells.
    rules, rule_notes = _rules_of(cells, chosen, mostly_empty=doubt == _UNCALLED)
    ledger = apply_rules(sample, metrics, rules, calls)
    if (species := species_counts(adata)) is not None:
        ledger = pd.concat([ledger, species], axis=1)
    found = json.loads(adata.uns["intake"]).get("warnings", [])
    warnings = [text for text in (*found, doubt, _unknown_mitochondria(adata, metrics)) if text]
    notes = [*([calls.note] if calls else _unused(chosen)), *rule_notes]
    summary = summarize(adata, cells, ledger, rules, notes, warnings, calls)
    if not summary["n_kept"]:
        write_table(ledger, f"{sample}.cell_ledger.tsv.gz")
        write_json(summary | {"status": "failed"}, f"{sample}.qc.json")
        raise nothing_left(cells, rules, summary, where=settings(adata)["counts"])
    return ledger, summary


def _cells_of(
    adata: ad.AnnData, totals: np.ndarray, chosen: Mapping[str, Any], seed: int
) -> tuple[CellCalls | GivenCells | None, str]:
    """Return which barcodes are cells, None if all are; and doubts about that."""
    if LISTED in adata.obs:
        return cells_on_list(adata.obs[LISTED].to_numpy()), ""
    if chosen["force_cells"]:
        return forced_cells(totals, chosen["force_cells"]), ""
    if chosen["cell_calling"] == "none" and not chosen["expected_cells"]:
        return None, _UNCALLED if looks_unfiltered(totals) else ""
    return find_cells(
        sparse.csr_matrix(adata.X), expected_cells=chosen["expected_cells"], random_state=seed
    )


def _own_bounds(adata: ad.AnnData, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options without the run's bounds: the sample's cells are given by name."""
    own = settings(adata).get("overrides", {})
    bounds = {name: own.get(name) for name in chosen if name in BOUNDS or name.startswith("mad_")}
    return {**chosen, **bounds, "min_genes": own.get("min_genes", 0)}


def _unused(chosen: Mapping[str, Any]) -> list[str]:
    if not (expected := chosen["expected_cells"]):
        return []
    return [
        f"expected_cells ({expected:,}) made no difference: no empty droplets were found among the "
        "barcodes. force_cells always keeps the barcodes with the most counts."
    ]


def _rules_of(
    cells: pd.DataFrame, chosen: Mapping[str, Any], *, mostly_empty: bool
) -> tuple[list[Rule], list[str]]:
    """Return the rules that the `chosen` options make for these cells, and notes for the reader."""
    fixed: dict[str, Any] = {name: chosen[name] for name in BOUNDS}
    notes: list[str] = []
    if fixed["min_genes"] is None:
        fixed["min_genes"], notes = choose_min_genes(
            cells, preset=chosen["qc_preset"], mostly_empty=mostly_empty
        )
    thresholds, options, mad_notes = tighten(cells, fixed, chosen)
    return choose_rules(cells, options=options, **thresholds), [*notes, *mad_notes]


def cell_metrics(adata: ad.AnnData) -> pd.DataFrame:
    """Return the quality metrics of every barcode.

    Parameters
    ----------
    adata
        Raw counts in ``X`` (barcodes x genes), genes named as
        :func:`~scsiameseclu.quality.is_mitochondrial` expects.

    Returns
    -------
    Indexed by barcode: ``n_genes_by_counts`` and ``total_counts`` (int64), ``pct_counts_mt``,
    ``pct_counts_ribo`` and ``pct_counts_hb`` (float64, percent; 0 for an empty barcode, NaN for all
    where the matrix has no such gene, for 0 would look like good quality).
    """
    genes = {"mt": is_mitochondrial, "ribo": is_ribosomal, "hb": is_hemoglobin}
    counts = sparse.csr_matrix(adata.X)
    if not counts.data.all():  # stored zeros are not counts
        counts = counts.copy()
        counts.eliminate_zeros()
    metrics = pd.DataFrame(index=adata.obs_names)
    metrics["n_genes_by_counts"] = counts.getnnz(axis=1).astype(np.int64)
    metrics["total_counts"] = barcode_totals(counts)
    totals = metrics["total_counts"].clip(lower=1)
    for name, are_such in genes.items():
        mask = are_such(adata.var)
        # Columns first: a product with a vector of another type would copy the whole matrix.
        of_these = np.asarray(counts[:, mask].sum(axis=1), dtype=np.float64).ravel()
        metrics[f"pct_counts_{name}"] = 100 * of_these / totals if mask.any() else np.nan
    return metrics


def choose_min_genes(
    metrics: pd.DataFrame, *, preset: str = "default", mostly_empty: bool = False
) -> tuple[int, list[str]]:
    """Return the fewest genes a cell of this sample must have, and notes for the reader.

    200 by default, as is common for 10x data. If that is more than half of what the median
    barcode has, the sample is shallow or the matrix holds few genes, and a fifth of the median is
    asked for instead.

    Parameters
    ----------
    metrics
        Of the sample, from :func:`cell_metrics`; barcodes without counts are left aside.
    preset
        Key of :data:`MIN_GENES`.
    mostly_empty
        True: most barcodes are empty droplets, whose median says nothing about cells, and the
        preset's number stands.
    """
    usual = MIN_GENES[preset]
    found = metrics.loc[metrics["total_counts"] > 0, "n_genes_by_counts"]
    median = float(found.median()) if len(found) else 0.0
    if mostly_empty or not median or median >= 2 * usual:
        return usual, []
    lowered = max(int(SHALLOW_SHARE * median), 1)
    return lowered, [
        f"Shallow sample (the median barcode has {median:g} genes): cells need {lowered} "
        f"genes instead of {usual}."
    ]


def choose_rules(
    metrics: pd.DataFrame, *, options: Mapping[str, str] | None = None, **thresholds: float | None
) -> list[Rule]:
    """Return the rules in the order in which they are applied.

    Parameters
    ----------
    metrics
        Of the sample, from :func:`cell_metrics`.
    options
        Rule -> option that set its threshold. Default: the rule's own.
    **thresholds
        Values of :data:`BOUNDS`; None: no such rule.

    Returns
    -------
    ``empty`` (no count at all) first, then those given. Bounds on a share are left out where no
    such gene is known.
    """
    rules, options = [Rule("empty", "total_counts", "min", 1)], options or {}
    for name, bound in BOUNDS.items():
        threshold = thresholds.get(name)
        if threshold is not None and metrics[bound.metric].notna().any():
            side: Literal["min", "max"] = "min" if name.startswith("min_") else "max"
            rules.append(Rule(name, bound.metric, side, threshold, options.get(name, "")))
    return rules


def apply_rules(
    sample: str,
    metrics: pd.DataFrame,
    rules: list[Rule],
    calls: CellCalls | GivenCells | None = None,
) -> pd.DataFrame:
    """Return the ledger: the first rule that a barcode fails, with its value and threshold.

    Where cells were called, ``not_a_cell`` comes before all other rules; its value is the false
    discovery rate, or, where the samplesheet gives their number, the counts.
    """
    ledger = open_ledger(sample, metrics)
    if calls is not None:
        not_cells, values = pd.Series(~calls.is_cell), pd.Series(calls.values)
        strike(ledger, not_cells, CALLING, NOT_A_CELL, values, calls.threshold)
    for rule in rules:
        values = metrics[rule.metric].reset_index(drop=True)
        strike(ledger, rule.failing(metrics), LEDGER_STEP, rule.name, values, rule.threshold)
    return ledger


def summarize(
    adata: ad.AnnData,
    metrics: pd.DataFrame,
    ledger: pd.DataFrame,
    rules: list[Rule],
    notes: list[str],
    warnings: list[str],
    calls: CellCalls | GivenCells | None = None,
) -> QualitySummary:
    """Return what the report says about the filter (the head of ``<sample>.qc.json``).

    `metrics` are those of the called cells, or of all barcodes where none were called; `ledger` is
    that of all. `warnings` are notes that the verdict on the sample repeats.
    """
    given, intake = settings(adata), json.loads(adata.uns["intake"])
    n_kept = int(ledger["kept"].sum())
    thresholds = {rule.name: rule.threshold for rule in rules}
    called = [] if calls is None else [NOT_A_CELL]
    own = given.get("overrides", {})
    values = ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in own.items()
    )
    from_sheet = [f"From the samplesheet: {values}."] if own else []
    return {
        "sample": given["sample"],
        "group": given["group"],
        "status": "ok",
        "format": intake["format"],
        "n_barcodes": len(ledger),
        "n_kept": n_kept,
        "removed": count_removed(ledger, [*called, *(rule.name for rule in rules)]),
        "cell_calling": None if calls is None else calls.summary(),
        "thresholds": {name: thresholds.get(name) for name in BOUNDS},
        "overrides": own,
        "organism": intake.get("organism"),
        "species": count_species(ledger),
        "warnings": warnings,
        "notes": [*intake["notes"], *from_sheet, *notes, *warnings, *_notes(metrics, n_kept)],
    }


def nothing_left(
    metrics: pd.DataFrame, rules: list[Rule], summary: QualitySummary, *, where: str
) -> InputError:
    """Return the error for a sample without cells, with the remedy for the strictest rule."""
    bounds = {rule.name: f" ({rule.threshold:g})" for rule in rules if rule.name != "empty"}
    removed = summary["removed"]
    taken = [f"{name}{bounds.get(name, '')} removed {n}" for name, n in removed.items() if n]
    worst = max(rules, key=lambda rule: removed[rule.name])
    return InputError.of(
        what=f"no cell of sample {quoted(summary['sample'])} passes the filter: of "
        f"{summary['n_barcodes']} barcodes, {', '.join(taken)}",
        where=where,
        remedy=_remedy(metrics, worst, summary) if len(metrics) else _NO_CELLS,
    )


def _remedy(metrics: pd.DataFrame, rule: Rule, summary: QualitySummary) -> str:
    if rule.name == "empty":
        # Only a list can name empty barcodes as cells and leave out others.
        is_list = NOT_A_CELL in summary["removed"]
        which = "the list of cells" if is_list else "that this is the matrix of raw counts"
        most = "most of " if metrics["total_counts"].any() else ""
        return f"check {which}: {most}its barcodes have no counts at all"
    values = metrics.loc[metrics["total_counts"] > 0, rule.metric]
    option, change = rule.option or rule.name, "lower" if rule.side == "min" else "raise"
    known = f"highest value in this sample is {values.max():g}"
    if rule.side == "max":
        known = f"lowest value in this sample is {values.min():g}"
    if rule.option:
        change, known = "raise", f"median of this sample is {values.median():g}"
    return (
        f"{change} --{option} (the {known}), for this sample alone by a column {option}, or "
        "leave the sample out"
    )


def _notes(metrics: pd.DataFrame, n_kept: int) -> list[str]:
    if not 0 < n_kept < len(metrics) / 2:
        return []
    share = f"{1 - n_kept / len(metrics):.0%}"
    return [f"Quality control removed {share} of the barcodes: check the thresholds."]


def _unknown_mitochondria(adata: ad.AnnData, metrics: pd.DataFrame) -> str:
    """Return the warning where no gene of the matrix is known as mitochondrial, else nothing."""
    if metrics["pct_counts_mt"].notna().any():
        return ""
    organism = json.loads(adata.uns["intake"]).get("organism") or {}
    named = organism.get("name") or organism.get("found") or settings(adata).get("organism")
    of_it = "" if named in (None, "other", "mixed") else f" of {named}"
    return (
        f"No mitochondrial gene{of_it} was found by name or id among the {adata.n_vars:,} "
        "genes: their share is unknown and max_pct_mt is not applied, so dying cells may "
        "be among those kept."
    )


STEP = Step(filter_sample, isolate=True)
