"""The verdict: which samples are fine, which are not, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .chapters import OVERVIEW
from .content import Column, Section, paragraph, table, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .inputs import Group, Run, Sample


@dataclass(frozen=True)
class Limits:
    """Where a number earns a warning."""

    kept_percent: float = 50.0
    kept_cells: int = 200
    median_genes: float = 500.0
    mitochondrial_percent: float = 10.0
    doublet_percent: float = 15.0
    stability: float = 0.7


LIMITS = Limits()
_NAMED = 5


@dataclass(frozen=True)
class Verdict:
    """Status (``OK``, ``WARN`` or ``FAILED``) of a sample, with the reasons in plain words."""

    status: str
    reasons: tuple[str, ...]


def judge(sample: Sample, group: Group) -> Verdict:
    """Return the verdict on a sample; `group` is the one that it is clustered in."""
    if sample.failure or sample.quality is None:
        reason = sample.failure.reason if sample.failure else "No result of quality control was handed over."
        return Verdict("FAILED", (reason,))
    if not group.finished:
        reason = group.failure.reason if group.failure else "no clusters were handed over."
        return Verdict("FAILED", (f"Its group {group.id} was not clustered: {reason}",))
    reasons = (*_quality_warnings(sample.quality), *_group_warnings(group))
    return Verdict("WARN" if reasons else "OK", reasons)


def sections(run: Run) -> list[Section]:
    """Return the verdict on every sample, and the account of every group that has clusters."""
    groups = {group.id: group for group in run.groups}
    verdicts = {sample: judge(sample, groups[sample.group]) for sample in run.samples}
    rows = {sample.label: _row(sample, groups[sample.group], verdict) for sample, verdict in verdicts.items()}
    verdict = Section(
        "verdict_table",
        "Verdict per sample",
        f"<strong>{_counted(verdicts)}</strong> OK: no limit is crossed. WARN: usable, but look at the reason. FAILED: "
        f"not in the results. Orange numbers cross a limit (fewer than {LIMITS.kept_percent:.0f} % of the barcodes or "
        f"{LIMITS.kept_cells} cells kept, median below {LIMITS.median_genes:.0f} genes, more than "
        f"{LIMITS.mitochondrial_percent:.0f} % mitochondrial counts or {LIMITS.doublet_percent:.0f} % doublets, "
        f"stability below {LIMITS.stability}). From <code>samples/&#42;/&#42;.qc.json</code> and "
        "<code>groups/&#42;/metrics.json</code>.",
        OVERVIEW,
        table(rows, _columns(), id="verdict_table", title="Verdict per sample", first="Sample"),
    )
    return [verdict, *_groups(run)]


def percent(part: float | None, whole: float | None) -> float | None:
    """Return the share of `part` in `whole` in percent; None where there is none."""
    return None if part is None or not whole else 100.0 * part / whole


def _counted(verdicts: Mapping[Sample, Verdict]) -> str:
    """Return how many samples have each status, with the names of the first that need a look."""
    counts = []
    for status in ("OK", "WARN", "FAILED"):
        labels = [sample.label for sample, verdict in verdicts.items() if verdict.status == status]
        if labels:
            named = "" if status == "OK" else f" ({', '.join(labels[:_NAMED])}{', …' if len(labels) > _NAMED else ''})"
            counts.append(f"{len(labels)} {status}{named}")
    return f"{', '.join(counts)}."


def _groups(run: Run) -> Iterator[Section]:
    if not run.finished:
        return
    columns = _group_columns(scored=any(group.scored for group in run.finished))
    rows = {
        group.label: {key: group.metrics.get(key) for key in columns} | {"samples": len(group.samples)}
        for group in run.finished
    }
    yield Section(
        "groups",
        "Groups",
        "The samples of a group are clustered together; a sample without a group is a group of its own. From "
        "<code>groups/&#42;/metrics.json</code>.",
        OVERVIEW,
        table(rows, columns, id="groups", title="Groups", first="Group"),
    )


def _row(sample: Sample, group: Group, verdict: Verdict) -> dict[str, Any]:
    row: dict[str, Any] = {
        "status": verdict.status,
        "reason": paragraph(" ".join(verdict.reasons)) if verdict.reasons else None,
        "group": text(sample.group) if sample.group != sample.id else None,
    }
    if sample.quality is not None:
        row |= _numbers(sample.quality)
    if verdict.status != "FAILED":
        row |= {"n_clusters": group.metrics.get("n_clusters"), "stability": group.metrics.get("stability_ari")}
    return row


def _numbers(quality: Any) -> dict[str, Any]:
    return {
        "cells_in": quality["n_barcodes"],
        "cells_kept": quality["n_kept"],
        # Empty droplets of an unfiltered matrix are no loss.
        "kept_percent": percent(
            quality["n_kept"], quality["n_barcodes"] - quality.get("removed", {}).get("not_a_cell", 0)
        ),
        "median_genes": quality.get("median_genes"),
        "pct_mt": quality.get("median_pct_mt"),
        "pct_doublets": _doublet_percent(quality),
    }


def _doublet_percent(quality: Any) -> float | None:
    doublets = quality.get("doublets", {})
    rate = doublets.get("detected_rate")
    return None if rate is None or doublets.get("status") == "skipped" else 100.0 * rate


def _quality_warnings(quality: Any) -> Iterator[str]:
    numbers = _numbers(quality)
    if warning := (quality.get("organism") or {}).get("warning"):
        yield warning
    yield from quality.get("warnings", [])
    if (share := numbers["kept_percent"]) is not None and share < LIMITS.kept_percent:
        yield f"Only {share:.0f} % of the barcodes were kept."
    if numbers["cells_kept"] < LIMITS.kept_cells:
        yield f"Only {numbers['cells_kept']} cells were kept."
    if (genes := numbers["median_genes"]) is not None and genes < LIMITS.median_genes:
        yield f"Few genes per cell (median {genes:.0f})."
    if (mitochondrial := numbers["pct_mt"]) is not None and mitochondrial > LIMITS.mitochondrial_percent:
        yield f"High mitochondrial share (median {mitochondrial:.1f} %)."
    if (doublets := numbers["pct_doublets"]) is not None and doublets > LIMITS.doublet_percent:
        yield f"Many doublets ({doublets:.1f} %)."
    if note := quality.get("doublets", {}).get("note"):
        yield str(note)


def _group_warnings(group: Group) -> Iterator[str]:
    stability = group.metrics.get("stability_ari")
    if stability is not None and stability < LIMITS.stability:
        yield f"The clusters change when cells are left out (stability {stability:.2f})."


def _columns() -> dict[str, Column]:
    return {
        "status": Column("Status", "OK, WARN or FAILED", rules=_status_rules()),
        "reason": Column("Reason", "What to look at"),
        "group": Column("Group", "The samples of a group are clustered together"),
        "cells_in": Column("Barcodes", "Barcodes in the input", format="{:,d}"),
        "cells_kept": Column(
            "Cells", "Barcodes left after quality control", format="{:,d}", rules=_below(LIMITS.kept_cells)
        ),
        "kept_percent": Column(
            "Kept",
            "Share of the barcodes kept, empty droplets aside",
            format="{:,.1f}",
            suffix="%",
            rules=_below(LIMITS.kept_percent),
        ),
        "median_genes": Column(
            "Genes", "Genes detected per kept cell, median", format="{:,.0f}", rules=_below(LIMITS.median_genes)
        ),
        "pct_mt": Column(
            "Mito.",
            "Median share of mitochondrial counts in kept cells",
            format="{:,.1f}",
            suffix="%",
            rules=_above(LIMITS.mitochondrial_percent),
        ),
        "pct_doublets": Column(
            "Doublets",
            "Share of cells called doublets",
            format="{:,.1f}",
            suffix="%",
            rules=_above(LIMITS.doublet_percent),
        ),
        "n_clusters": Column("Clusters", "Clusters of its group", format="{:,d}"),
        "stability": Column(
            "Stability",
            "Agreement with clusterings of random subsets of the cells (adjusted Rand index, 1 is identical)",
            format="{:,.2f}",
            rules=_below(LIMITS.stability),
        ),
    }


def _group_columns(*, scored: bool) -> dict[str, Column]:
    score = {"format": "{:,.2f}", "scale": "Blues", "bounds": (0, 1)}
    scores = {
        "acc": Column("Accuracy", "Share of cells in the right cluster, against the gold standard", **score),  # type: ignore[arg-type]
        "nmi": Column("NMI", "Normalized mutual information with the gold standard", **score),  # type: ignore[arg-type]
        "ari": Column("ARI", "Adjusted Rand index against the gold standard", **score),  # type: ignore[arg-type]
    }
    return {
        "samples": Column("Samples", "Samples of the group", format="{:,d}"),
        "n_cells": Column("Cells", "Cells clustered together", format="{:,d}"),
        "n_genes": Column("Genes", "Genes of the group's data", format="{:,d}"),
        "n_clusters": Column("Clusters", "Clusters found", format="{:,d}"),
        "stability_ari": Column(
            "Stability",
            "Agreement with clusterings of random subsets of the cells (ARI)",
            format="{:,.2f}",
            rules=_below(LIMITS.stability),
        ),
        "silhouette": Column("Silhouette", "How far clusters are apart in the embedding, -1 to 1", format="{:,.2f}"),
        **(scores if scored else {}),
    }


def _status_rules() -> dict[str, list[dict[str, float | str]]]:
    return {"pass": [{"s_eq": "OK"}], "warn": [{"s_eq": "WARN"}], "fail": [{"s_eq": "FAILED"}]}


def _below(limit: float) -> dict[str, list[dict[str, float | str]]]:
    return {"warn": [{"lt": limit}]}


def _above(limit: float) -> dict[str, list[dict[str, float | str]]]:
    return {"warn": [{"gt": limit}]}
