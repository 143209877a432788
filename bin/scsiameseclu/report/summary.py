"""Four lines for the console when the run is over; to them the pipeline adds where the report is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .overview import judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from .inputs import Group, Run

_LISTED = 4


def summary(run: Run) -> str:
    """Return four lines: samples, cells, clusters, how good they are."""
    groups = {group.id: group for group in run.groups}
    statuses = [judge(sample, groups[sample.group]).status for sample in run.samples]
    failed = statuses.count("FAILED")
    qualities = [sample.quality for sample in run.samples if sample.quality is not None]
    kept, came = sum(quality["n_kept"] for quality in qualities), sum(quality["n_barcodes"] for quality in qualities)
    lines = [
        f"Samples:  {len(statuses) - failed} of {len(statuses)} ok"
        + (f", {failed} failed" if failed else "")
        + (f", {warned} with warnings" if (warned := statuses.count("WARN")) else ""),
        f"Cells:    {kept:,} kept of {came:,} barcodes" + (f" ({100 * kept / came:.1f} %)" if came else ""),
        f"Clusters: {_listed(run.finished, _clusters)}",
        _goodness(run.finished),
    ]
    return "\n".join(lines) + "\n"


def _clusters(group: Group) -> str:
    return f"{len(group.cluster_names)} in {group.id}"


def _goodness(groups: list[Group]) -> str:
    scored = [group for group in groups if group.scored]
    if scored:
        return f"Accuracy: {_listed(scored, _scores)}"
    return f"Stability: {_listed(groups, _stability)}"


def _scores(group: Group) -> str:
    return " ".join(f"{key.upper()} {group.metrics[key]:.2f}" for key in ("acc", "nmi", "ari")) + f" in {group.id}"


def _stability(group: Group) -> str:
    stability = group.metrics.get("stability_ari")
    return f"{'not measured' if stability is None else format(stability, '.2f')} in {group.id}"


def _listed(groups: list[Group], words: Callable[[Group], str]) -> str:
    named = [words(group) for group in groups[:_LISTED]]
    more = len(groups) - len(named)
    return (", ".join(named) if named else "none") + (f" and {more} more" if more > 0 else "")
