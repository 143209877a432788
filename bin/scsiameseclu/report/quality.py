"""Quality control in the report: the cell ledger, distributions before and after, doublets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .chapters import QUALITY
from .content import Column, Curve, Section, bars, boxes, lines, paragraph, table, text
from .inputs import METRICS, Run, Sample
from .palette import UNKNOWN, cluster_color

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RULES = {
    "not_a_cell": "Empty droplet",
    "min_genes": "Too few genes",
    "max_genes": "Too many genes",
    "min_counts": "Too few counts",
    "max_counts": "Too many counts",
    "max_pct_mt": "Mitochondrial share too high",
    "max_pct_hb": "Hemoglobin share too high",
    "doublet": "Doublet",
    "empty": "No counts",
}
"""What the report calls the rules of the ledger."""

_BOUNDS = {
    "min_genes": "Genes, at least",
    "max_genes": "Genes, at most",
    "min_counts": "Counts, at least",
    "max_counts": "Counts, at most",
    "max_pct_mt": "Mito. %, at most",
    "max_pct_hb": "Hemoglobin %, at most",
}
_LEVELS = {"knee": "Knee", "certain": "Cells from", "lower": "Ambient, at most"}
_LEVELS_TOLD = (
    "From the middle one of the dashed lines on every barcode is a cell; between it and the lowest those are whose "
    "genes differ from the ambient RNA; the others are empty droplets. "
)
_KEPT = "kept"
_MANY, _POINTS_OF_MANY = 24, 60
_LIMITS = {
    "n_genes_by_counts": ("min_genes", "max_genes"),
    "total_counts": ("min_counts", "max_counts"),
    "pct_counts_mt": ("max_pct_mt",),
}


_SCORES = {"observed": "Observed", "simulated": "Simulated doublets"}
"""Parts of the histogram of doublet scores, and what they are called."""


def sections(run: Run) -> list[Section]:
    """Return the sections of quality control; none if no sample came so far."""
    samples = [sample for sample in run.samples if sample.ledger is not None]
    if not samples:
        return []
    return [
        *_barcode_ranks(samples),
        *_ledger(samples),
        *_species(samples),
        *_thresholds(samples),
        *_distributions(samples),
        *_doublets(samples),
    ]


def rule_name(rule: str) -> str:
    """Return what the report calls a rule of the ledger."""
    return RULES.get(rule, text(rule.replace("_", " ").capitalize()))


def _barcode_ranks(samples: list[Sample]) -> Iterator[Section]:
    called = {sample: found for sample in samples if (found := (sample.quality or {}).get("cell_calling"))}
    if not called:
        return
    datasets = _rank_curves(called)
    names = list(dict.fromkeys(name for curves in datasets.values() for name in curves))
    dashed = [name for name in names if len(called) <= _MANY and name != "Barcodes"]
    fixed = {"Barcodes": cluster_color(0), **dict.fromkeys(dashed, "#555555")}
    yield Section(
        "barcode_rank",
        "Barcode ranks",
        f"Samples whose matrix came unfiltered: counts of the barcodes, fullest first. {_LEVELS_TOLD if dashed else ''}"
        "A good sample falls steeply after the knee. "
        "From <code>samples/&#42;/&#42;.qc.json</code>.",
        QUALITY,
        lines(
            datasets,
            id="barcode_rank",
            title="Barcode ranks",
            x_label="Rank of the barcode",
            y_label="Counts",
            colors={name: fixed.get(name, cluster_color(index)) for index, name in enumerate(names)},
            dashed=dashed,
            options={"xlog": True, "ylog": True},
        ),
    )


def _rank_curves(called: Mapping[Sample, Mapping[str, Any]]) -> dict[str, dict[str, Curve]]:
    """Return one data set per sample, or, where there are many, all curves in one."""
    curves = {
        sample: list(zip(calling["curve"]["rank"], calling["curve"]["counts"], strict=True))
        for sample, calling in called.items()
    }
    if len(called) > _MANY:
        return {"Counts": {sample.label: _thinned(curve) for sample, curve in curves.items()}}
    return {
        sample.label: {
            "Barcodes": curve,
            **{f"{name} {called[sample][key]:,}": _level(curve, called[sample][key]) for key, name in _LEVELS.items()},
        }
        for sample, curve in curves.items()
    }


def _thinned(curve: Curve) -> Curve:
    """Return the points of a curve that are seen where many curves share a plot with a logarithmic axis."""
    places = np.unique(np.geomspace(1, len(curve), _POINTS_OF_MANY).round().astype(int)) - 1
    return [curve[place] for place in places]


def _level(curve: Curve, height: float) -> Curve:
    """Return a horizontal line as long as `curve`."""
    return [(curve[0][0], height), (curve[-1][0], height)]


def _ledger(samples: list[Sample]) -> Iterator[Section]:
    rules = _rules(samples)
    colors = {_KEPT: cluster_color(0), **{rule: _rule_color(index) for index, rule in enumerate(rules)}}
    counts = {sample.label: {_KEPT: _ledger_of(sample).n_kept, **_ledger_of(sample).removed} for sample in samples}
    names = {_KEPT: "Kept", **{rule: rule_name(rule) for rule in rules}}
    yield Section(
        "cell_ledger",
        "Cell ledger",
        "Every barcode that came in is counted once: kept, or removed by the first rule that it broke. Look for "
        "samples "
        "that lose much more than the others. From <code>samples/&#42;/&#42;.cell_ledger.tsv.gz</code>.",
        QUALITY,
        bars(
            {"Barcodes": counts},
            colors,
            id="cell_ledger",
            title="Barcodes kept and removed",
            label="Barcodes",
            names=names,
        ),
    )
    yield Section(
        "ledger_sums",
        "Ledger sums",
        "Barcodes in, minus those removed by each rule, must leave the cells kept; a sum that is not 0 would mean "
        "lost cells. From <code>samples/&#42;/&#42;.cell_ledger.tsv.gz</code>, barcodes in from "
        "<code>samples/&#42;/&#42;.qc.json</code>.",
        QUALITY,
        table(
            {sample.label: _sums(sample) for sample in samples},
            _sum_columns(rules),
            id="ledger_sums",
            title="Ledger sums",
            first="Sample",
        ),
    )


def _rules(samples: list[Sample]) -> list[str]:
    """Return the rules that removed a barcode, in the order in which the summaries name them."""
    named = [rule for sample in samples for rule in (sample.quality or {}).get("removed", {})]
    found = [rule for sample in samples for rule in _ledger_of(sample).removed]
    return [rule for rule in dict.fromkeys([*named, *found]) if rule in found]


def _sums(sample: Sample) -> dict[str, Any]:
    ledger = _ledger_of(sample)
    came_in = (sample.quality or {}).get("n_barcodes", ledger.n_barcodes)
    removed = {f"removed_{rule}": count for rule, count in ledger.removed.items()}
    return {
        "in": came_in,
        **removed,
        "kept": ledger.n_kept,
        "sum": came_in - sum(ledger.removed.values()) - ledger.n_kept,
    }


def _sum_columns(rules: list[str]) -> dict[str, Column]:
    return {
        "in": Column("Barcodes in", format="{:,d}"),
        **{f"removed_{rule}": Column(f"− {rule_name(rule)}", "Removed by this rule", format="{:,d}") for rule in rules},
        "kept": Column("− Kept", "Cells kept", format="{:,d}"),
        "sum": Column("= Sum", "Must be 0", format="{:,d}", rules={"pass": [{"eq": 0}], "fail": [{"ne": 0}]}),
    }


def _species(samples: list[Sample]) -> Iterator[Section]:
    counts = {sample.label: found for sample in samples if (found := (sample.quality or {}).get("species"))}
    if not counts:
        return
    names = {name: name.capitalize() for name in dict.fromkeys(name for row in counts.values() for name in row)}
    yield Section(
        "species",
        "Species",
        "Samples whose matrix holds the genes of two species: kept cells by the species of at least 90 % of their "
        "counts. Mixed ones are droplets of two cells; of equal parts of two species, as many droplets again hold two "
        "cells of one species, which this cannot show. From <code>samples/&#42;/&#42;.cell_ledger.tsv.gz</code>.",
        QUALITY,
        bars(
            {"Cells": counts},
            {name: cluster_color(index) for index, name in enumerate(names)},
            id="species",
            title="Species of the kept cells",
            label="Cells",
            names=names,
        ),
    )


def _thresholds(samples: list[Sample]) -> Iterator[Section]:
    rows = {sample.label: _thresholds_of(sample) for sample in samples}
    used = [rule for rule in _BOUNDS if any(rule in row for row in rows.values())]
    if not used:
        return
    columns = {
        rule: Column(
            _BOUNDS[rule], f"Cells beyond it are removed as {rule}", format="{:,.1f}" if "pct" in rule else "{:,.0f}"
        )
        for rule in used
    }
    yield Section(
        "thresholds",
        "Thresholds",
        "The bounds that applied to each sample, whether fixed or found from its own distribution (MAD; see the "
        "notes). From <code>samples/&#42;/&#42;.qc.json</code>.",
        QUALITY,
        table(
            rows,
            columns | {"notes": Column("Notes", "What was found and decided on the way")},
            id="thresholds",
            title="Thresholds",
            first="Sample",
        ),
    )


def _thresholds_of(sample: Sample) -> dict[str, Any]:
    quality = sample.quality or {}
    bounds = {rule: value for rule, value in quality.get("thresholds", {}).items() if value is not None}
    notes = quality.get("notes")
    return bounds | ({"notes": paragraph(" ".join(notes), length=1200)} if notes else {})


def _distributions(samples: list[Sample]) -> Iterator[Section]:
    for metric, name in METRICS.items():
        datasets = _boxes(samples, metric)
        if not datasets:
            continue
        limits = _common_limits(samples, metric)
        highest = max(box["max"] for summaries in datasets.values() for box in summaries.values())
        drawn = {f"{_word(rule)} {value:,g}": value for rule, value in limits.items() if value <= 1.5 * highest}
        yield Section(
            f"distribution_{metric}",
            name,
            f"Boxes of all barcodes (before) and of the kept cells (after): quartiles, with whiskers to the 1st and "
            "99th "
            f"percentile. {_told(limits)} From <code>samples/&#42;/&#42;.cell_ledger.tsv.gz</code>.",
            QUALITY,
            boxes(datasets, id=f"distribution_{metric}", title=name, label=name, thresholds=drawn),
        )


def _boxes(samples: list[Sample], metric: str) -> dict[str, dict[str, dict[str, float]]]:
    """Return before and after side by side, or, where there are many samples, as two data sets."""
    found = [
        (sample.label, when, box)
        for sample in samples
        for when, box in _ledger_of(sample).boxes.get(metric, {}).items()
        if box
    ]
    if len(samples) <= _MANY:
        return {"All": {f"{name}, {when}": box for name, when, box in found}} if found else {}
    switches = {"Kept cells (after)": "after", "All barcodes (before)": "before"}
    datasets = {title: {name: box for name, at, box in found if at == when} for title, when in switches.items()}
    return {title: summaries for title, summaries in datasets.items() if summaries}


def _common_limits(samples: list[Sample], metric: str) -> dict[str, float]:
    """Return the thresholds that all samples share, by rule."""
    limits = {}
    for rule in _LIMITS[metric]:
        values = {(sample.quality or {}).get("thresholds", {}).get(rule) for sample in samples}
        if len(values) == 1 and isinstance(value := values.pop(), int | float):
            limits[rule] = float(value)
    return limits


def _told(limits: Mapping[str, float]) -> str:
    if not limits:
        return "The thresholds differ between samples, or none is set; they stand in <code>&#42;.qc.json</code>."
    bounds = " and ".join(f"{_word(rule)} {value:,g}" for rule, value in limits.items())
    return f"Cells must have {bounds} (dashed where it is within the range)."


def _word(rule: str) -> str:
    return "at least" if rule.startswith("min") else "at most"


def _doublets(samples: list[Sample]) -> Iterator[Section]:
    histograms = {
        sample: histogram
        for sample in samples
        if len((histogram := _histogram(sample)).get("edges") or []) > 1 and any(histogram.get("observed") or [])
    }
    if not histograms:
        return
    datasets = _curves(histograms)
    lists = [name for curves in datasets.values() for name in curves]
    dashed = [name for name in lists if name.startswith("Threshold")]
    fixed = {"Observed": cluster_color(0), "Simulated doublets": cluster_color(1), **dict.fromkeys(dashed, "#555555")}
    colors = {name: fixed.get(name, cluster_color(index)) for index, name in enumerate(dict.fromkeys(lists))}
    yield Section(
        "doublet_scores",
        "Doublet scores",
        "Scrublet's score of the observed cells and of doublets simulated from them, as shares of each per fiftieth of "
        "the range. A good threshold lies in the valley between the two humps of the simulated doublets; one hump only "
        "means that doublets cannot be distinguished. From <code>samples/&#42;/&#42;.qc.json</code>.",
        QUALITY,
        lines(
            datasets,
            id="doublet_scores",
            title="Doublet scores",
            x_label="Doublet score",
            y_label="Share (%)",
            colors=colors,
            dashed=dashed,
            options={"ymin": 0},
        ),
    )
    yield Section(
        "doublet_table",
        "Doublet calls",
        "The threshold that was used, and how many cells lie above it. From <code>samples/&#42;/&#42;.qc.json</code>.",
        QUALITY,
        table(
            {sample.label: _doublet_row(sample.quality or {}) for sample in samples},
            _doublet_columns(),
            id="doublet_table",
            title="Doublet calls",
            first="Sample",
        ),
    )


def _histogram(sample: Sample) -> Mapping[str, Any]:
    return (sample.quality or {}).get("doublets", {}).get("histogram") or {}


def _curves(histograms: Mapping[Sample, Mapping[str, Any]]) -> dict[str, dict[str, Curve]]:
    """Return one data set per sample, or, where there are many, one for observed and one for simulated scores."""
    if len(histograms) <= _MANY:
        return {sample.label: _sample_curves(sample, histogram) for sample, histogram in histograms.items()}
    return {
        name: {sample.label: _shares(histogram, key) for sample, histogram in histograms.items() if histogram.get(key)}
        for key, name in _SCORES.items()
    }


def _sample_curves(sample: Sample, histogram: Mapping[str, Any]) -> dict[str, Curve]:
    curves = {"Observed": _shares(histogram, "observed")}
    if histogram.get("simulated"):
        curves["Simulated doublets"] = _shares(histogram, "simulated")
    threshold = (sample.quality or {}).get("doublets", {}).get("threshold")
    if threshold is not None:
        top = max(float(y or 0) for curve in curves.values() for _, y in curve)
        # Two points at the same place: MultiQC takes a line as a mapping from x to y.
        curves[f"Threshold {threshold:.3g}"] = [(threshold, 0.0), (threshold + 1e-9, top)]
    return curves


def _shares(histogram: Mapping[str, Any], key: str) -> Curve:
    """Return (score, share in percent per bin); bins without any score belong to the scores on their two sides.

    Scrublet's scores take few values, further apart the higher they are: most bins lie between two of them.
    """
    edges, counts = np.asarray(histogram["edges"], float), np.asarray(histogram[key], float)
    drawn = np.flatnonzero(sum(np.asarray(histogram[name], float) for name in _SCORES if histogram.get(name)))
    ends = (edges[drawn[:-1] + 1] + edges[drawn[1:]]) / 2
    widths = np.diff(np.r_[edges[drawn[0]], ends, edges[drawn[-1] + 1]]) / (edges[1] - edges[0])
    shares = 100 * counts[drawn] / max(counts.sum(), 1) / widths
    middles = (edges[drawn] + edges[drawn + 1]) / 2
    return [(round(float(x), 4), round(float(y), 3)) for x, y in zip(middles, shares, strict=True)]


def _doublet_row(quality: Mapping[str, Any]) -> dict[str, Any]:
    doublets = quality.get("doublets", {})
    skipped = doublets.get("status") == "skipped"
    detected, expected = None if skipped else doublets.get("detected_rate"), doublets.get("expected_rate")
    return {
        "threshold": doublets.get("threshold"),
        "n_predicted": None if skipped else doublets.get("n_predicted"),
        "detected": None if detected is None else 100 * detected,
        "expected": None if expected is None else 100 * expected,
        "status": text(str(doublets.get("status", "")).replace("_", " ")),
        "note": paragraph(doublets["note"]) if doublets.get("note") else None,
    }


def _doublet_columns() -> dict[str, Column]:
    return {
        "threshold": Column("Threshold", "Score above which a cell is called a doublet", format="{:,.3f}"),
        "n_predicted": Column("Doublets", "Cells above the threshold", format="{:,d}"),
        "detected": Column("Detected", "Share of cells called doublets", format="{:,.1f}", suffix="%"),
        "expected": Column("Expected", "Share expected from the loading", format="{:,.1f}", suffix="%"),
        "status": Column("Threshold from", "How the threshold was found"),
        "note": Column("Note", "What to look at"),
    }


def _rule_color(index: int) -> str:
    return UNKNOWN if index >= 13 else cluster_color(index + 1)


def _ledger_of(sample: Sample) -> Any:
    return sample.ledger
