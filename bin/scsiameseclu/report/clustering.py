"""Clustering in the report: tree of clusters, training, UMAP, sizes, stability, and other methods beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from . import cluster_tree, placement, umaps
from .chapters import CLUSTERING
from .content import Column, Curve, Section, bars, heatmap, lines, table, text, thin, unique_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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

PHASES = {"warmup": "warm-up", "clustering": "clustering"}
"""Phases of the training history, and what they are called."""

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
        *placement.sections(run),
        *cluster_tree.sections(run),
        *_training(run),
        *umaps.sections(run, max_points=max_points),
        *_sizes(run),
        *_stability(run),
        *_comparison(run),
    ]


def convergence(total: NDArray[np.float64]) -> str:
    """Return a verdict on a loss curve, shape (steps,): whether it fell, and whether its last tenth still does.

    The change of the mean from the last tenth but one to the last tenth decides: it counts where it is more than 2 % of
    the change since the start and more than twice its own standard error, estimated from the steps' differences. A
    curve that ends higher than it began, flat or not, has not converged.
    """
    if not np.isfinite(total).all():
        return "Diverged"
    window = max(len(total) // 10, 1)
    if len(total) < 2 * window + 1:
        return "Too short to say"
    first, before, last = (part.mean() for part in (total[:window], total[-2 * window : -window], total[-window:]))
    # A difference of neighbouring steps has twice the variance of a step; so has a difference of means over a window.
    standard_error = np.diff(total).std() / np.sqrt(window)
    is_flat = abs(before - last) <= max(_CONVERGED * abs(first - last), 2 * standard_error)
    if not is_flat and last < before:
        return "Still falling"
    if last - first > 2 * standard_error:
        return "Ended higher"
    return "Converged" if is_flat else "Rising again"


def _training(run: Run) -> Iterator[Section]:
    trained = {group: group.history for group in run.finished if group.history is not None and len(group.history) > 1}
    if not trained:
        return
    curves = loss_curves({group.label: history for group, history in trained.items()})
    share = min(1.0, _MAX_LOSSES / sum(len(curve) for lines_ in curves.values() for curve in lines_.values()))
    yield Section(
        "training",
        "Training curves",
        "Two phases with two objectives. In the warm-up the embedding is learned: CRR and LRR refine correlations "
        "between cells and between latent dimensions, PR guards against over-smoothing, REC and ZINB rebuild "
        "expression and counts. Then OTC joins in, which sharpens the clusters by optimal transport. Within a phase "
        "the total should fall and flatten, while single terms may rise; from one phase to the next it jumps, "
        f"which means nothing. {'' if share == 1 else f'Every {1 / share:.0f}th step is drawn. '}From "
        "<code>groups/&#42;/training_history.tsv</code>.",
        CLUSTERING,
        lines(
            {name: {label: _thinned(curve, share) for label, curve in some.items()} for name, some in curves.items()},
            id="training",
            title="Training",
            x_label="Step",
            y_label="Loss",
        ),
    )
    yield Section(
        "training_table",
        "Convergence",
        "The total loss of each phase by itself. Converged: between the phase's last two tenths it changed by no more "
        "than 2 % of the change since the phase's start, or than chance would have it, and it did not end higher than "
        "it began. Ended higher: the phase made its own objective worse; look at the stability and at the consensus "
        "that the training starts from. From <code>groups/&#42;/training_history.tsv</code>.",
        CLUSTERING,
        table(
            {
                f"{group.label}, {name}" if name else group.label: _convergence_row(part)
                for group, history in trained.items()
                for name, part in _phases(history).items()
            },
            {
                "verdict": Column(
                    "Training",
                    "Did the total loss of this phase fall and flatten?",
                    rules={
                        "pass": [{"s_eq": "Converged"}],
                        "warn": [{"s_eq": name} for name in ("Still falling", "Rising again", "Ended higher")],
                        "fail": [{"s_eq": "Diverged"}],
                    },
                ),
                "steps": Column("Steps", "Steps of the phase", format="{:,d}"),
                "first": Column("First loss", "Total loss, mean of the phase's first tenth", format="{:,.3f}"),
                "last": Column("Last loss", "Total loss, mean of the phase's last tenth", format="{:,.3f}"),
            },
            id="training_table",
            title="Convergence",
            first="Group and phase",
        ),
    )


def _phases(history: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the parts of a history by the names of their phases; the whole without a name where it has none."""
    if "phase" not in history:
        return {"": history}
    parts = history.groupby("phase", sort=False)
    return {PHASES.get(str(phase), text(phase)): part for phase, part in parts}


def loss_curves(histories: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, Curve]]:
    """Return name of the loss -> name of the history -> its curve, the total of each phase by itself."""
    curves: dict[str, dict[str, Curve]] = {}
    for label, history in histories.items():
        for name, part in _phases(history).items():
            curves.setdefault(f"Total, {name}" if name else TERMS["total"], {})[label] = _loss_curve(part, "total")
    for term in TERMS:
        if term != "total":
            curves[TERMS[term]] = {label: _loss_curve(history, term) for label, history in histories.items()}
    known = {name: {label: curve for label, curve in some.items() if curve} for name, some in curves.items()}
    return {name: some for name, some in known.items() if some}


def _loss_curve(history: pd.DataFrame, term: str) -> Curve:
    """Return (step, loss) where the term is known."""
    if term not in history:
        return []
    steps = history["step"] if "step" in history else pd.Series(np.arange(1, len(history) + 1), index=history.index)
    known = history.assign(step=steps).dropna(subset=[term])
    return [(int(step), float(f"{loss:.5g}")) for step, loss in zip(known["step"], known[term], strict=True)]


def _thinned(curve: Curve, share: float) -> Curve:
    return [curve[row] for row in thin(len(curve), share)]


def _convergence_row(history: pd.DataFrame) -> dict[str, Any]:
    total = history["total"].to_numpy(float)
    window = max(len(total) // 10, 1)
    return {
        "verdict": convergence(total),
        "steps": len(total),
        "first": float(total[:window].mean()),
        "last": float(total[-window:].mean()),
    }


def _sizes(run: Run) -> Iterator[Section]:
    yield Section(
        "cluster_sizes",
        "Cluster sizes",
        "Cells per cluster, in the colours of the UMAP by cluster. Clusters are numbered by falling size within each "
        "group: the same number in two groups does not mean the same cells. From "
        "<code>groups/&#42;/clusters.tsv</code>.",
        CLUSTERING,
        bars(
            {
                group.label: {_bar(group, name): {_key(group, name): n} for name, n in _sizes_of(group).items()}
                for group in run.finished
            },
            _keyed(run, run.cluster_colors),
            id="cluster_sizes",
            title="Cells per cluster",
            label="Cells",
            names=_cluster_labels(run),
            shares=False,
        ),
    )
    yield _composition(run)


def _composition(run: Run) -> Section:
    types = unique_texts(sorted(run.type_colors))
    labels = {sample.id: sample.label for sample in run.samples}
    by_type: dict[str, dict[str, int]] = {}
    by_cluster: dict[str, dict[str, dict[str, int]]] = {}
    for group in run.finished:
        cells = {str(name): rows for name, rows in group.clusters.groupby("sample")}  # type: ignore[union-attr]
        members = [sample for sample in labels if sample in cells]
        by_type |= {labels[sample]: _renamed(_counts(cells[sample], "cell_type"), types) for sample in members}
        keys = {name: _key(group, name) for name in group.cluster_names}
        if len(members) > 1:
            title = f"Clusters of {group.label}"
            by_cluster[title] = {labels[name]: _renamed(_counts(cells[name], "cluster"), keys) for name in members}
    return Section(
        "composition",
        "Composition of the samples",
        "Cells of each sample by cell type and, where a group has several samples, by cluster; the switch to "
        "percentages makes samples of different size comparable. From <code>groups/&#42;/clusters.tsv</code>.",
        CLUSTERING,
        bars(
            {name: rows for name, rows in {"By cell type": by_type, **by_cluster}.items() if any(rows.values())},
            {types[name]: run.type_colors[name] for name in types} | _keyed(run, run.cluster_colors),
            id="composition",
            title="Composition of the samples",
            label="Cells",
            names=_cluster_labels(run),
        ),
    )


def _key(group: Group, cluster: str) -> str:
    """Return what distinguishes a cluster from those of the same number in other groups."""
    return f"{group.label}: {text(cluster)}"


def _bar(group: Group, cluster: str) -> str:
    return f"{text(cluster)} {text(group.cell_types.get(cluster, ''), length=40)}".strip()


def _keyed(run: Run, colors: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {_key(group, name): colors[group.id][name] for group in run.finished for name in group.cluster_names}


def _cluster_labels(run: Run) -> dict[str, str]:
    return {_key(group, name): f"Cluster {text(name)}" for group in run.finished for name in group.cluster_names}


def _sizes_of(group: Group) -> dict[str, int]:
    sizes = _counts(group.clusters, "cluster")
    return {name: sizes[name] for name in group.cluster_names}


def _renamed(counts: Mapping[str, int], names: Mapping[str, str]) -> dict[str, int]:
    return {names[name]: count for name, count in counts.items()}


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
