"""Quality control in the report: the cell ledger, distributions before and after, doublets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..quality.thresholds import BOUNDS, side
from . import content
from .content import Curve, Section, column, columns_of, section, table_section, text
from .inputs import METRICS, Ledger, Run, Sample
from .palette import UNKNOWN, in_order

RULES = {
    "not_a_cell": "Empty droplet",
    **{name: bound.removed for name, bound in BOUNDS.items()},
    "hashtag_doublet": "Several hashtags",
    "hashtag_negative": "No hashtag",
    "doublet": "Doublet",
    "empty": "No counts",
}
"""What the report calls the rules of the ledger."""
_SCORES = {"observed": "Observed", "simulated": "Simulated doublets"}
"""Parts of the histogram of doublet scores, and what they are called."""
_LEVELS = {"knee": "Knee", "certain": "Cells from", "lower": "Ambient, at most"}
_NO_BOUNDS = "The thresholds differ between samples (see the table above), or none is set."
_DASHES = "#555555"
_MANY, _POINTS_OF_MANY = 24, 60
"""With more samples than this a plot has one curve or box of each."""


def sections(run: Run) -> Iterator[Section]:
    """Return the sections of quality control; none if no sample came so far."""
    ledgers = {sample: sample.ledger for sample in run.samples if sample.ledger is not None}
    if ledgers:
        yield from _barcode_ranks(ledgers)
        yield from _ledger(ledgers)
        yield from _species(ledgers)
        yield from _sexes(ledgers)
        yield from _thresholds(ledgers)
        yield from _distributions(ledgers)
        yield from _doublets(ledgers)


def _of(sample: Sample, name: str) -> Any:
    """Return a record of the summary of quality control; empty where it has none."""
    return sample.quality.get(name) or {}


def _barcode_ranks(samples: Mapping[Sample, Ledger]) -> Iterator[Section]:
    curves = {
        sample.label: _rank_curves(of) for sample in samples if (of := _of(sample, "cell_calling"))
    }
    if not curves:
        return
    dashed: list[str] = []
    if len(curves) > _MANY:
        datasets = {"Counts": {label: _fewer(of["Barcodes"]) for label, of in curves.items()}}
    else:
        datasets = curves
        dashed = [name for of in curves.values() for name in of if name != "Barcodes"]
    body = content.lines(
        datasets,
        x_label="Rank of the barcode",
        y_label="Counts",
        colors=dict.fromkeys(dashed, _DASHES),
        dashed=dashed,
        xlog=True,
        ylog=True,
    )
    yield section("barcode_rank", body, explained=bool(dashed))


def _fewer(curve: Curve) -> Curve:
    """Return the points that are seen on a logarithmic axis."""
    places = np.unique(np.geomspace(1, len(curve), _POINTS_OF_MANY).round().astype(int)) - 1
    return [curve[place] for place in places]


def _rank_curves(calling: Mapping[str, Any]) -> dict[str, Curve]:
    curve = list(zip(calling["curve"]["rank"], calling["curve"]["counts"], strict=True))
    ends = curve[0][0], curve[-1][0]
    levels: dict[str, Curve] = {
        f"{name} {calling[key]:,}": [(rank, calling[key]) for rank in ends]
        for key, name in _LEVELS.items()
    }
    return {"Barcodes": curve, **levels}


def _ledger(samples: Mapping[Sample, Ledger]) -> Iterator[Section]:
    named = [rule for sample in samples for rule in _of(sample, "removed")]
    found = [rule for ledger in samples.values() for rule in ledger.removed]
    names = {
        rule: RULES.get(rule, text(rule.replace("_", " ").capitalize()))
        for rule in dict.fromkeys([*named, *found])
        if rule in found
    }
    colors = in_order(["kept", *names]) | dict.fromkeys([*names][13:], UNKNOWN)
    counts = {sample.label: {"kept": of.n_kept, **of.removed} for sample, of in samples.items()}
    words = {"kept": "Kept", **names}
    yield section(
        "cell_ledger", content.bars({"Barcodes": counts}, colors, label="Barcodes", names=words)
    )
    own = columns_of("ledger_sums")
    removed = {
        f"removed_{key}": column(f"− {name}", "Removed by this rule", kind="count")
        for key, name in names.items()
    }
    rows = {sample.label: _sums(sample, ledger) for sample, ledger in samples.items()}
    yield from table_section("ledger_sums", rows, {"in": own["in"], **removed, **own})


def _sums(sample: Sample, ledger: Ledger) -> dict[str, Any]:
    came_in = sample.quality.get("n_barcodes", ledger.n_barcodes)
    removed = {f"removed_{rule}": n for rule, n in ledger.removed.items()}
    return {
        "in": came_in,
        **removed,
        "kept": ledger.n_kept,
        "sum": came_in - sum(removed.values()) - ledger.n_kept,
    }


def _species(samples: Mapping[Sample, Ledger]) -> Iterator[Section]:
    counts = {sample.label: found for sample in samples if (found := _of(sample, "species"))}
    if not counts:
        return
    species = dict.fromkeys(name for row in counts.values() for name in row)
    names = {name: name.capitalize() for name in species}
    yield section(
        "species", content.bars({"Cells": counts}, in_order(species), label="Cells", names=names)
    )


def _sexes(samples: Mapping[Sample, Ledger]) -> Iterator[Section]:
    found = {sample.label: record for sample in samples if (record := _of(sample, "sex"))}
    if any(record["given"] or record["call"] != "undetermined" for record in found.values()):
        yield from table_section("sex", found)


def _thresholds(samples: Mapping[Sample, Ledger]) -> Iterator[Section]:
    rows = {
        sample.label: {**_of(sample, "thresholds"), "notes": " ".join(_of(sample, "notes"))}
        for sample in samples
    }
    columns = {
        name: column(
            f"{bound.title}, at {side(name)}",
            f"Cells beyond it are removed as {name}",
            format=f"{{:,.{bound.decimals}f}}",
        )
        for name, bound in BOUNDS.items()
    }
    for found in table_section("thresholds", rows, columns | columns_of("thresholds")):
        if found.body["headers"]:
            yield found


def _distributions(samples: Mapping[Sample, Ledger]) -> Iterator[Section]:
    for metric, name in METRICS.items():
        datasets = _boxes(samples, metric)
        if not datasets:
            continue
        limits = _common_limits(samples, metric)
        highest = max(box["max"] for summaries in datasets.values() for box in summaries.values())
        words = f"Cells must have {' and '.join(limits)} (dashed where it is within the range)."
        drawn = {at: value for at, value in limits.items() if value <= 1.5 * highest}
        body = content.boxes(datasets, label=name, thresholds=drawn)
        yield section(
            "distribution", body, number=metric, metric=name, bounds=words if limits else _NO_BOUNDS
        )


def _boxes(samples: Mapping[Sample, Ledger], metric: str) -> dict[str, dict[str, dict[str, float]]]:
    """Return before and after side by side, or, where there are many samples, as two data sets."""
    found = {
        (sample.label, when): box
        for sample, ledger in samples.items()
        for when, box in ledger.boxes.get(metric, {}).items()
        if box
    }
    if len(samples) <= _MANY:
        datasets = {"All": {f"{name}, {when}": box for (name, when), box in found.items()}}
    else:
        switches = {"Kept cells (after)": "after", "All barcodes (before)": "before"}
        datasets = {
            title: {name: box for (name, at), box in found.items() if at == when}
            for title, when in switches.items()
        }
    return {title: summaries for title, summaries in datasets.items() if summaries}


def _common_limits(samples: Mapping[Sample, Ledger], metric: str) -> dict[str, float]:
    """Return the thresholds that all samples share, by their words."""
    limits = {}
    for rule in [name for name, bound in BOUNDS.items() if bound.metric == metric]:
        values = {_of(sample, "thresholds").get(rule) for sample in samples}
        if len(values) == 1 and (value := values.pop()) is not None:
            limits[f"at {side(rule)} {value:,g}"] = float(value)
    return limits


def _doublets(samples: Mapping[Sample, Ledger]) -> Iterator[Section]:
    calls = {sample: _of(sample, "doublets") for sample in samples}
    scored = {sample: of for sample, of in calls.items() if _drawable(of.get("histogram") or {})}
    if not scored:
        return
    datasets = _score_curves(scored)
    dashed = [name for of in datasets.values() for name in of if name.startswith("Threshold")]
    body = content.lines(
        datasets,
        x_label="Doublet score",
        y_label="Share (%)",
        colors=in_order(_SCORES.values()) | dict.fromkeys(dashed, _DASHES),
        dashed=dashed,
        ymin=0,
    )
    yield section("doublet_scores", body)
    rows = {sample.label: _called(doublets) for sample, doublets in calls.items()}
    yield from table_section("doublet_table", rows)


def _drawable(histogram: Mapping[str, Any]) -> bool:
    return len(histogram.get("edges") or []) > 1 and any(histogram.get("observed") or [])


def _called(doublets: Mapping[str, Any]) -> dict[str, Any]:
    status = str(doublets.get("status", ""))
    none = {"n_predicted": None, "detected_rate": None} if status == "skipped" else {}
    return {**doublets, **none, "status": status.replace("_", " ")}


def _score_curves(scored: Mapping[Sample, Mapping[str, Any]]) -> dict[str, dict[str, Curve]]:
    """Return one data set per sample or, of many samples, one each for observed and simulated."""
    curves: dict[str, dict[str, Curve]] = {
        sample.label: {
            name: _shares(of["histogram"], key)
            for key, name in _SCORES.items()
            if of["histogram"].get(key)
        }
        for sample, of in scored.items()
    }
    if len(scored) > _MANY:
        return {
            name: {label: of[name] for label, of in curves.items() if name in of}
            for name in _SCORES.values()
        }
    for sample, doublets in scored.items():
        own, threshold = curves[sample.label], doublets.get("threshold")
        if threshold is not None:
            top = max(y for curve in own.values() for _, y in curve)
            # Two points at the same place: MultiQC takes a line as a mapping from x to y.
            own[f"Threshold {threshold:.3g}"] = [(threshold, 0.0), (threshold + 1e-9, top)]
    return curves


def _shares(histogram: Mapping[str, Any], key: str) -> list[tuple[float, float]]:
    """Return (score, percent per bin); bins without scores belong to the scores beside them.

    Scrublet's scores take few values, further apart the higher they are: most bins lie between two
    of them.
    """
    edges, counts = np.asarray(histogram["edges"], float), np.asarray(histogram[key], float)
    drawn = np.flatnonzero(
        sum(np.asarray(histogram[name], float) for name in _SCORES if histogram.get(name))
    )
    ends = (edges[drawn[:-1] + 1] + edges[drawn[1:]]) / 2
    widths = np.diff(np.r_[edges[drawn[0]], ends, edges[drawn[-1] + 1]]) / (edges[1] - edges[0])
    shares = 100 * counts[drawn] / max(counts.sum(), 1) / widths
    middles = (edges[drawn] + edges[drawn + 1]) / 2
    return list(zip(middles.round(4).tolist(), shares.round(3).tolist(), strict=True))
