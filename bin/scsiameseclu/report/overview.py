"""The verdict: which samples are fine, which are not, and why; in the report and on the console."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .content import Rules, Section, columns_of, first_of, table_section, text
from .inputs import Group, Run, Sample
from .samples import ambient_of


@dataclass(frozen=True)
class Limit:
    """Where a number earns a warning: below `value`, or above it."""

    value: float
    warning: str
    above: bool = False

    def crossed(self, number: float | None) -> bool:
        """Return whether a number does."""
        return number is not None and (number > self.value if self.above else number < self.value)

    @property
    def rules(self) -> Rules:
        """The rule that colours such numbers."""
        return {"warn": [{"gt" if self.above else "lt": self.value}]}


LIMITS = {
    "kept_percent": Limit(50, "Only {:.0f} % of the barcodes were kept."),
    "cells_kept": Limit(200, "Only {} cells were kept."),
    "median_genes": Limit(500, "Few genes per cell (median {:.0f})."),
    "pct_mt": Limit(10, "High mitochondrial share (median {:.1f} %).", above=True),
    "pct_doublets": Limit(15, "Many doublets ({:.1f} %).", above=True),
    "pct_ambient": Limit(
        20, "Caution: above 20 % ambient counts (estimated at {:.0f} %).", above=True
    ),
    "stability": Limit(0.7, "The clusters change when cells are left out (stability {:.2f})."),
}
_LISTED, _NAMED = 4, 5


@dataclass(frozen=True)
class Verdict:
    """``OK``, ``WARN`` or ``FAILED``, with the reasons in plain words, and a sample's numbers."""

    status: str
    reasons: tuple[str, ...]
    numbers: Mapping[str, Any]


def judge(sample: Sample, group: Group) -> Verdict:
    """Return the verdict on a sample; `group` is the one that it is clustered in."""
    numbers, reason = _numbers(sample, group), ""
    if sample.failure:
        reason = sample.failure.reason
    elif not sample.quality:
        reason = "No result of quality control was handed over."
    elif not group.finished:
        why = group.failure.reason if group.failure else "no clusters were handed over."
        reason = f"Its group {group.id} was not clustered: {why}"
    if reason:
        return Verdict("FAILED", (reason,), numbers | {"n_clusters": None, "stability": None})
    reasons = tuple(_warnings(sample.quality, numbers))
    if group.failure:
        reasons = ("Its results are incomplete: see Failed steps.", *reasons)
    return Verdict("WARN" if reasons else "OK", reasons, numbers)


def _verdicts(run: Run) -> dict[Sample, Verdict]:
    groups = {group.id: group for group in run.groups}
    return {sample: judge(sample, groups[sample.group]) for sample in run.samples}


def _numbers(sample: Sample, group: Group) -> dict[str, Any]:
    found = {
        "n_clusters": group.metrics.get("n_clusters"),
        "stability": group.metrics.get("stability_ari"),
        "pct_ambient": ambient_of(group, sample).get("share"),
    }
    if not (quality := sample.quality):
        return found
    # Empty droplets of an unfiltered matrix are no loss.
    cells = quality["n_barcodes"] - quality.get("removed", {}).get("not_a_cell", 0)
    doublets = quality.get("doublets", {})
    rate = None if doublets.get("status") == "skipped" else doublets.get("detected_rate")
    return found | {
        "cells_in": quality["n_barcodes"],
        "cells_kept": quality["n_kept"],
        "kept_percent": 100.0 * quality["n_kept"] / cells if cells else None,
        "median_genes": quality.get("median_genes"),
        "pct_mt": quality.get("median_pct_mt"),
        "pct_doublets": None if rate is None else 100.0 * rate,
    }


def _warnings(quality: Mapping[str, Any], numbers: Mapping[str, Any]) -> Iterator[str]:
    if warning := (quality.get("organism") or {}).get("warning"):
        yield warning
    yield from quality.get("warnings", [])
    for name, limit in LIMITS.items():
        if limit.crossed(numbers[name]):
            yield limit.warning.format(numbers[name])
    if note := quality.get("doublets", {}).get("note"):
        yield str(note)


def sections(run: Run) -> Iterator[Section]:
    """Return the verdict on samples, the steps that failed, and the groups that have clusters."""
    verdicts = _verdicts(run)
    columns = columns_of("verdict_table")
    for name, limit in LIMITS.items():
        columns[name]["cond_formatting_rules"] = limit.rules
    values: dict[str, Any] = {name: limit.value for name, limit in LIMITS.items()}
    rows = {
        sample.label: {
            "status": verdict.status,
            "reason": " ".join(verdict.reasons),
            "group": sample.group if sample.group != sample.id else None,
            **verdict.numbers,
        }
        for sample, verdict in verdicts.items()
    }
    yield from table_section("verdict_table", rows, columns, counted=_counted(verdicts), **values)
    yield from table_section("failed_steps", _failed_steps(run))
    groups = {
        group.label: {"samples": len(group.samples), **group.metrics} for group in run.finished
    }
    stability = {"stability_ari": columns["stability"]}
    yield from table_section("groups", groups, columns_of("groups") | stability)


def _failed_steps(run: Run) -> dict[str, Mapping[str, Any]]:
    """Return a row of each problem, under the sample or group and the step that had it."""
    labels = {sample.id: sample.label for sample in run.samples}
    labels |= {group.id: group.label for group in run.groups}
    rows: dict[str, Mapping[str, Any]] = {}
    found: Counter[str] = Counter()  # a step fails several times if it runs with several seeds
    for failure in run.failures:
        name = f"{labels.get(failure.id, text(failure.id))}, {text(failure.step)}"
        for problem in failure.problems:
            found[name] += 1
            own = name if found[name] == 1 else f"{name} ({found[name]})"
            rows[own] = vars(problem)
    return rows


def _counted(verdicts: Mapping[Sample, Verdict]) -> str:
    """Return how many samples have each status, with the names of the first that need a look."""
    counts = []
    for status in ("OK", "WARN", "FAILED"):
        labels = [sample.label for sample, of in verdicts.items() if of.status == status]
        named = f" ({', '.join(labels[:_NAMED])}{', …' if len(labels) > _NAMED else ''})"
        if labels:
            counts.append(f"{len(labels)} {status}{'' if status == 'OK' else named}")
    return f"{', '.join(counts)}."


def summary(run: Run) -> str:
    """Return four lines for the console: samples, cells, clusters, quality.

    The pipeline adds a fifth.
    """
    statuses = [verdict.status for verdict in _verdicts(run).values()]
    failed, warned = statuses.count("FAILED"), statuses.count("WARN")
    kept, came = (sum(of[key] for of in run.qualities) for key in ("n_kept", "n_barcodes"))
    scored = [group for group in run.finished if group.scored]
    lines = [
        f"Samples:  {len(statuses) - failed} of {len(statuses)} ok"
        + (f", {failed} failed" if failed else "")
        + (f", {warned} with warnings" if warned else ""),
        f"Cells:    {kept:,} kept of {came:,} barcodes"
        + (f" ({100 * kept / came:.1f} %)" if came else ""),
        f"Clusters: {_listed({group.id: str(len(group.cluster_names)) for group in run.finished})}",
        f"Accuracy: {_listed({group.id: _scores(group) for group in scored})}"
        if scored
        else f"Stability: {_listed({group.id: _stability(group) for group in run.finished})}",
    ]
    return "\n".join(lines) + "\n"


def _scores(group: Group) -> str:
    return " ".join(f"{key.upper()} {group.metrics[key]:.2f}" for key in ("acc", "nmi", "ari"))


def _stability(group: Group) -> str:
    stability = group.metrics.get("stability_ari")
    return "not measured" if stability is None else f"{stability:.2f}"


def _listed(of_groups: Mapping[str, str]) -> str:
    return (
        first_of([f"{words} in {group}" for group, words in of_groups.items()], _LISTED) or "none"
    )
