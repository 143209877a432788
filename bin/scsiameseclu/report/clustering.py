"""Clustering in the report: number of clusters, training, UMAP, sizes, stability, and other methods beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from . import umaps
from .content import Column, Curve, Section, bars, heatmap, lines, paragraph, table, text, thin, unique_texts
from .inputs import natural
from .palette import cluster_color
from .rooms import CLUSTERING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from .inputs import Group, Run

TERMS = {
    "total": "Total",
    "crr": "Cells (CRR)",
    "lrr": "Latent (LRR)",
    "pr": "Propagation (PR)",
    "rec": "Reconstruction (REC)",
    "zinb": "Counts (ZINB)",
    "otc": "Transport (OTC)",
}
"""Columns of the training history, and what they are called."""

METHODS = {
    "scsiameseclu": "scSiameseClu",
    "consensus": "Consensus (its start)",
    "leiden": "Leiden, resolution 1",
    "leiden_k": "Leiden, same number",
    "kmeans": "k-means",
}
"""Columns of the comparison, and what they are called."""

MANY_ROWS = 300
"""Tables with more rows do without bars and with shorter lists, or the report would be too large to mail."""

MAX_HEATMAPS = 4
"""With more groups than this, matrices per group give way to one matrix with a row per group."""

_CONVERGED = 0.02
_MAX_LOSSES = 20_000
"""Points of all training curves together; more are thinned."""


def sections(run: Run, *, max_points: int) -> list[Section]:
    """Return the sections of clustering; none if no group has clusters.

    Parameters
    ----------
    run
        The inputs of the report.
    max_points
        Cells drawn in each UMAP plot, all groups together.
    """
    if not run.finished:
        return []
    return [
        *_number_of_clusters(run),
        *_cuts(run),
        *_training(run),
        *umaps.sections(run, max_points=max_points),
        *_sizes(run),
        *_stability(run),
        *_comparison(run),
    ]


def convergence(total: NDArray[np.float64]) -> str:
    """Return a verdict on a loss curve, shape (steps,): whether its last tenth still falls.

    The change of the mean from the last tenth but one to the last tenth decides: it counts where it is more than 2 % of
    the fall since the start and more than twice its own standard error, estimated from the steps' differences.
    """
    if not np.isfinite(total).all():
        return "Diverged"
    window = max(len(total) // 10, 1)
    if len(total) < 2 * window + 1:
        return "Too short to say"
    first, before, last = (part.mean() for part in (total[:window], total[-2 * window : -window], total[-window:]))
    # A difference of neighbouring steps has twice the variance of a step; so has a difference of means over a window.
    standard_error = np.diff(total).std() / np.sqrt(window)
    if abs(before - last) <= max(_CONVERGED * abs(first - last), 2 * standard_error):
        return "Converged"
    return "Still falling" if last < before else "Rising again"


def _number_of_clusters(run: Run) -> Iterator[Section]:
    curves = {
        name: {group.label: curve for group in run.finished if (curve := _selection_curve(group, "curve", *axes))}
        for name, axes in {
            "Agreement (ARI)": ("resolution", "agreement"),
            "Number of clusters": ("resolution", "n_clusters"),
        }.items()
    }
    if any(curves.values()):
        yield Section(
            "number_of_clusters",
            "Choice of the number of clusters",
            "How well clusterings of independent views agree at each resolution, without any label, and how many "
            "clusters they find there: the finest resolution at which they still agree as well as at the best one is "
            "chosen. From <code>groups/&#42;/clustering.json</code>.",
            CLUSTERING,
            lines(
                curves,
                id="number_of_clusters",
                title="Agreement and number of clusters by resolution",
                x_label="Resolution",
                options={"ymin": 0, "xlog": True, "style": "lines+markers"},
            ),
        )
    yield Section(
        "number_of_clusters_table",
        "Number of clusters",
        "What was asked for, and what was found. From <code>groups/&#42;/clustering.json</code>.",
        CLUSTERING,
        table(
            {group.label: _number_row(group) for group in run.finished},
            {
                "requested": Column("Asked for", "The number of clusters in the samplesheet or parameter"),
                "found": Column("Found", "The number of clusters in the results", format="{:,d}"),
                "method": Column("Labels from", "The method whose labels are reported"),
                "notes": Column("Notes", "What to know about them"),
            },
            id="number_of_clusters_table",
            title="Number of clusters",
            first="Group",
        ),
    )


def _number_row(group: Group) -> dict[str, Any]:
    notes = " ".join(str(note) for note in group.summary.get("notes", []))
    return {
        "requested": text(group.summary.get("n_clusters_requested", "auto")),
        "found": group.metrics.get("n_clusters", len(group.cluster_names)),
        "method": METHODS.get(str(group.summary.get("method", "scsiameseclu")), text(group.summary.get("method"))),
        "notes": paragraph(notes) if notes else None,
    }


def _cuts(run: Run) -> Iterator[Section]:
    merits = {
        group.label: curve for group in run.finished if (curve := _selection_curve(group, "gammas", "gamma", "merit"))
    }
    if not merits:
        return
    yield Section(
        "cuts",
        "Choice of the clusters",
        "Candidates with the same number of clusters, that come about where large clusters are held back from joining "
        "more or less strongly. The merit of a candidate is its agreement with the single views' clusterings times "
        "what it adds to the likelihood of cells that were held out, without any label. The training starts from the "
        "best one; a flat line means that all are the same, or nearly so. From "
        "<code>groups/&#42;/clustering.json</code>.",
        CLUSTERING,
        lines(
            {"Merit, % of the best": {name: _of_the_best(curve) for name, curve in merits.items()}},
            id="cuts",
            title="Merit of the candidate clusterings",
            x_label="Exponent of the clusters' sizes (gamma)",
            options={"ymin": 0, "ymax": 105, "style": "lines+markers"},
        ),
    )


def _of_the_best(curve: Sequence[tuple[float, float]]) -> Curve:
    best = max(value for _, value in curve)
    return [(place, 100 * value / best if best > 0 else 0.0) for place, value in curve]


def _selection_curve(group: Group, evidence: str, x: str, y: str) -> list[tuple[float, float]]:
    """Return (x, y) of the candidates of a choice that was made, as far as they have a y."""
    candidates = (group.summary.get("selection") or {}).get(evidence, [])
    return [(candidate[x], candidate[y]) for candidate in candidates if candidate.get(y) is not None]


def _training(run: Run) -> Iterator[Section]:
    trained = {group: group.history for group in run.finished if group.history is not None and len(group.history) > 1}
    if not trained:
        return
    terms = [
        term for term in TERMS if any(term in history and history[term].notna().any() for history in trained.values())
    ]
    share = min(1.0, _MAX_LOSSES / sum(len(terms) * len(history) for history in trained.values()))
    datasets = {
        TERMS[term]: {
            group.label: curve for group, history in trained.items() if (curve := _loss_curve(history, term, share))
        }
        for term in terms
    }
    yield Section(
        "training",
        "Training curves",
        "Each loss should fall and flatten; the step where clustering joins in shows as a jump. CRR and LRR refine "
        "correlations between cells and between latent dimensions, PR guards against over-smoothing, REC and ZINB "
        "rebuild "
        "expression and counts, OTC sharpens the clusters by optimal transport. "
        f"{'' if share == 1 else f'Every {1 / share:.0f}th step is drawn. '}From "
        "<code>groups/&#42;/training_history.tsv</code>.",
        CLUSTERING,
        lines(datasets, id="training", title="Training", x_label="Step", y_label="Loss"),
    )
    yield Section(
        "training_table",
        "Convergence",
        "Converged: between the last two tenths of its last phase the total loss changed by no more than 2 % of its "
        "whole fall, or than chance would have it. "
        "From <code>groups/&#42;/training_history.tsv</code> and <code>metrics.json</code>.",
        CLUSTERING,
        table(
            {group.label: _convergence_row(history) for group, history in trained.items()},
            {
                "verdict": Column(
                    "Training",
                    "Does the total loss still fall?",
                    rules={
                        "pass": [{"s_eq": "Converged"}],
                        "warn": [{"s_eq": "Still falling"}, {"s_eq": "Rising again"}],
                        "fail": [{"s_eq": "Diverged"}],
                    },
                ),
                "steps": Column("Steps", "Steps of training", format="{:,d}"),
                "first": Column("First loss", "Total loss at the first step", format="{:,.3f}"),
                "last": Column("Last loss", "Total loss at the last step", format="{:,.3f}"),
            },
            id="training_table",
            title="Convergence",
            first="Group",
        ),
    )


def _loss_curve(history: pd.DataFrame, term: str, share: float) -> Curve:
    """Return (step, loss), only `share` of the points, where the term is known."""
    if term not in history:
        return []
    steps = history["step"] if "step" in history else pd.Series(np.arange(1, len(history) + 1), index=history.index)
    known = history.assign(step=steps).dropna(subset=[term])
    drawn = known.iloc[thin(len(known), share)] if len(known) else known
    return [(int(step), float(f"{loss:.5g}")) for step, loss in zip(drawn["step"], drawn[term], strict=True)]


def _convergence_row(history: pd.DataFrame) -> dict[str, Any]:
    last_phase = history[history["phase"] == history["phase"].iloc[-1]] if "phase" in history else history
    return {
        "verdict": convergence(last_phase["total"].to_numpy(float)),
        "steps": len(history),
        "first": float(history["total"].iloc[0]),
        "last": float(history["total"].iloc[-1]),
    }


def _sizes(run: Run) -> Iterator[Section]:
    sizes = {group.label: _counts(group.clusters, "cluster") for group in run.finished}
    clusters = sorted({name for row in sizes.values() for name in row}, key=natural)
    yield Section(
        "cluster_sizes",
        "Cluster sizes",
        "Cells per cluster; clusters are numbered by falling size within each group, so that the same number in two "
        "groups does not mean the same cells. From <code>groups/&#42;/clusters.tsv</code>.",
        CLUSTERING,
        bars(
            {"Cells": sizes},
            {name: cluster_color(natural(name)[0]) for name in clusters},
            id="cluster_sizes",
            title="Cells per cluster",
            label="Cells",
            names={name: f"Cluster {text(name)}" for name in clusters},
        ),
    )
    yield _composition(run, clusters)


def _composition(run: Run, clusters: list[str]) -> Section:
    by_type: dict[str, dict[str, int]] = {}
    by_cluster: dict[str, dict[str, int]] = {}
    types = unique_texts(sorted(run.type_colors))
    numbers = {name: f"Cluster {text(name)}" for name in clusters}
    cells = {str(name): rows for group in run.finished for name, rows in group.clusters.groupby("sample")}  # type: ignore[union-attr]
    for sample in run.samples:
        if sample.id in cells:
            of_sample = cells[sample.id]
            by_type[sample.label] = {types[name]: n for name, n in _counts(of_sample, "cell_type").items()}
            by_cluster[sample.label] = {numbers[name]: n for name, n in _counts(of_sample, "cluster").items()}
    datasets = {"By cell type": by_type, "By cluster": by_cluster}
    return Section(
        "composition",
        "Composition of the samples",
        "Cells of each sample by cell type and by cluster; the switch to percentages makes samples of different size "
        "comparable. From <code>groups/&#42;/clusters.tsv</code>.",
        CLUSTERING,
        bars(
            {name: rows for name, rows in datasets.items() if any(rows.values())},
            {types[name]: run.type_colors[name] for name in types}
            | {numbers[name]: cluster_color(natural(name)[0]) for name in clusters},
            id="composition",
            title="Composition of the samples",
            label="Cells",
        ),
    )


def _stability(run: Run) -> Iterator[Section]:
    rows = {
        f"{group.label}, cluster {text(cluster)}": _cluster_row(group, cluster)
        for group in run.finished
        for cluster in group.cluster_names
    }
    scale = {"format": "{:,.2f}", "scale": len(rows) <= MANY_ROWS and "Blues", "bounds": (0, 1)}
    yield Section(
        "cluster_stability",
        "Stability per cluster",
        "Stability is how well a cluster is found again by independent clusterings (Jaccard index, 1 is always): treat "
        "clusters below 0.5 as suggestions. Confidence is the mean over its cells. From "
        "<code>groups/&#42;/clustering.json</code> and <code>clusters.tsv</code>.",
        CLUSTERING,
        table(
            rows,
            {
                "cell_type": Column("Cell type", "What the cluster is taken for"),
                "cells": Column("Cells", "Cells of the cluster", format="{:,d}"),
                "share": Column("Share", "Of the group's cells", format="{:,.1f}", suffix="%"),
                "confidence": Column("Confidence", "Mean over the cluster's cells", **scale),  # type: ignore[arg-type]
                "stability": Column("Stability", "Jaccard index with independent clusterings", **scale),  # type: ignore[arg-type]
            },
            id="cluster_stability",
            title="Stability per cluster",
            first="Cluster",
        ),
    )


def _cluster_row(group: Group, cluster: str) -> dict[str, Any]:
    assert group.clusters is not None
    cells = group.clusters[group.clusters["cluster"] == cluster]
    confidence = cells["confidence"].mean()
    return {
        "cell_type": text(group.cell_types[cluster]) if cluster in group.cell_types else None,
        "cells": len(cells),
        "share": 100.0 * len(cells) / len(group.clusters),
        "confidence": None if pd.isna(confidence) else float(confidence),
        "stability": (group.summary.get("cluster_stability") or {}).get(cluster),
    }


def _comparison(run: Run) -> Iterator[Section]:
    compared = {
        group: _agreement(group.metrics["agreement"])
        for group in run.finished
        if "agreement" in group.metrics and len(group.cluster_names) > 1
    }
    if not compared:
        return
    about = (
        "Adjusted Rand index between the clusterings of different methods on the same cells: 1 is the same partition, "
        "0 is "
        "chance. Where all agree, the clusters are easy; where they do not, look at the markers. From "
        "<code>groups/&#42;/metrics.json</code>."
    )
    if len(compared) <= MAX_HEATMAPS:
        for index, (group, (methods, values)) in enumerate(compared.items(), start=1):
            title = "Agreement of methods" + (f": {group.label}" if len(compared) > 1 else "")
            body = heatmap(
                values,
                rows=methods,
                columns=methods,
                id=f"comparison_{index}",
                title=title,
                labels=("Method", "Method", "ARI"),
            )
            yield Section(f"comparison_{index}", title, about, CLUSTERING, body)
        return
    pairs = [f"{METHODS['scsiameseclu']} / {name}" for key, name in METHODS.items() if key != "scsiameseclu"]
    body = heatmap(
        [values[0][1:] for _, values in compared.values()],
        rows=[group.label for group in compared],
        columns=pairs,
        id="comparison_1",
        title="Agreement of methods",
        labels=("Methods", "Group", "ARI"),
    )
    yield Section("comparison_1", "Agreement of methods", about, CLUSTERING, body)


def _agreement(scores: Mapping[str, Mapping[str, float]]) -> tuple[list[str], list[list[float]]]:
    """Return the methods and their mutual adjusted Rand indices."""
    methods = [method for method in METHODS if method in scores]
    return [METHODS[method] for method in methods], [[scores[one][other] for other in methods] for one in methods]


def _counts(cells: pd.DataFrame | None, column: str) -> dict[str, int]:
    if cells is None:
        return {}
    return {str(name): int(count) for name, count in cells[column].dropna().value_counts(sort=False).items()}
