"""Clustering in the report: the tree, training, UMAP, sizes, and other methods beside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from . import cluster_tree, content, umaps
from .content import Curve, Section, section, table_section, text, unique_texts
from .inputs import Group, Run, counts, of_cluster

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
MAX_HEATMAPS = 4
"""With more groups than this, matrices per group give way to one matrix with a row per group."""
_CONVERGED = 0.02
_MAX_LOSSES = 20_000
"""Points of all training curves together; more are thinned."""


def sections(run: Run) -> Iterator[Section]:
    """Return the sections of clustering; none if no group has clusters."""
    if run.finished:
        yield from cluster_tree.sections(run)
        yield from _training(run)
        yield from umaps.sections(run)
        yield from _sizes(run)
        yield from _comparison(run)


def convergence(total: NDArray[np.float64]) -> str:
    """Return a verdict on a loss curve, shape (steps,): did it fall, and does it still fall.

    The change of the mean from the last tenth but one to the last tenth decides: it counts where it
    is more than 2 % of the change since the start and more than twice its own standard error,
    estimated from the steps' differences. A curve that ends higher than it began, flat or not, has
    not converged.
    """
    if not np.isfinite(total).all():
        return "Diverged"
    window = max(len(total) // 10, 1)
    if len(total) < 2 * window + 1:
        return "Too short to say"
    first, before, last = (
        part.mean() for part in (total[:window], total[-2 * window : -window], total[-window:])
    )
    # A difference of neighbouring steps has twice the variance of a step; so has a difference of
    # means over a window.
    standard_error = np.diff(total).std() / np.sqrt(window)
    is_flat = abs(before - last) <= max(_CONVERGED * abs(first - last), 2 * standard_error)
    if not is_flat and last < before:
        return "Still falling"
    if last - first > 2 * standard_error:
        return "Ended higher"
    return "Converged" if is_flat else "Rising again"


def _training(run: Run) -> Iterator[Section]:
    histories = run.tables("training_history").items()
    trained = {group.label: history for group, history in histories if len(history) > 1}
    if not trained:
        return
    curves = loss_curves(trained)
    total = sum(len(curve) for some in curves.values() for curve in some.values())
    share = min(1.0, _MAX_LOSSES / total)
    drawn_curves = {
        name: {
            label: [of[row] for row in content.thin(len(of), share)] for label, of in some.items()
        }
        for name, some in curves.items()
    }
    n_drawn = sum(len(curve) for some in drawn_curves.values() for curve in some.values())
    drawn = "" if n_drawn == total else f" {n_drawn:,} of {total:,} points are drawn."
    yield section(
        "training", content.lines(drawn_curves, x_label="Step", y_label="Loss"), drawn=drawn
    )
    rows = {
        f"{label}, {name}" if name else label: _convergence_row(part["total"].to_numpy(float))
        for label, history in trained.items()
        for name, part in _phases(history).items()
    }
    yield from table_section("training_table", rows)


def _convergence_row(total: NDArray[np.float64]) -> dict[str, Any]:
    window = max(len(total) // 10, 1)
    means = {"first": float(total[:window].mean()), "last": float(total[-window:].mean())}
    return {"verdict": convergence(total), "steps": len(total), **means}


def _phases(history: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the parts of a history by phase; the whole without a name if it has none."""
    if "phase" not in history:
        return {"": history}
    parts = history.groupby("phase", sort=False)
    return {PHASES.get(str(phase), text(phase)): part for phase, part in parts}


def loss_curves(histories: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, Curve]]:
    """Return loss -> history -> curve, the total of each phase by itself."""
    total, *terms = TERMS
    parts = [
        (f"{TERMS[total]}, {name}" if name else TERMS[total], label, part, total)
        for label, history in histories.items()
        for name, part in _phases(history).items()
    ]
    parts += [(TERMS[term], *of, term) for term in terms for of in histories.items()]
    curves: dict[str, dict[str, Curve]] = {}
    for name, label, part, term in parts:
        if curve := _loss_curve(part, term):
            curves.setdefault(name, {})[label] = curve
    return curves


def _loss_curve(history: pd.DataFrame, term: str) -> Curve:
    if term not in history:
        return []
    steps = history.get("step", pd.Series(range(1, len(history) + 1), index=history.index))
    losses = history[term].dropna()
    return [
        (int(step), float(f"{loss:.5g}"))
        for step, loss in zip(steps[losses.index], losses, strict=True)
    ]


def _sizes(run: Run) -> Iterator[Section]:
    colors: dict[str, str] = {}
    titles: dict[str, str] = {}
    sizes: dict[str, dict[str, dict[str, int]]] = {}
    for group in run.finished:
        for name in group.cluster_names:
            key = _key(group, name)
            colors[key] = run.cluster_colors[group.id][name]
            titles[key] = f"Cluster {text(name)}"
            size = {key: len(of_cluster(group.clusters, name))}
            sizes.setdefault(group.label, {})[group.titled(name)] = size
    yield section(
        "cluster_sizes", content.bars(sizes, colors, label="Cells", names=titles, shares=False)
    )
    types = unique_texts(sorted(run.type_colors))
    colors = {types[name]: run.type_colors[name] for name in types} | colors
    body = content.bars(_composition(run, types), colors, label="Cells", names=titles)
    yield section("composition", body)


def _key(group: Group, cluster: str) -> str:
    """Return what distinguishes a cluster from those of the same number in other groups."""
    return f"{group.label}: {text(cluster)}"


def _composition(run: Run, types: Mapping[str, str]) -> dict[str, dict[str, dict[str, int]]]:
    """Return data set -> sample -> cell type or cluster -> cells."""
    datasets: dict[str, dict[str, dict[str, int]]] = {"By cell type": {}}
    for group in run.finished:
        cells = {run.sample_label(name): own for name, own in group.clusters.groupby("sample")}
        members = [label for name in group.samples if (label := run.sample_label(name)) in cells]
        datasets["By cell type"] |= {
            label: counts(cells[label]["cell_type"].map(types)) for label in members
        }
        if len(members) > 1:
            keys = {name: _key(group, name) for name in group.cluster_names}
            own = {label: counts(cells[label]["cluster"].map(keys)) for label in members}
            datasets[f"Clusters of {group.label}"] = own
    return {name: rows for name, rows in datasets.items() if any(rows.values())}


def _comparison(run: Run) -> Iterator[Section]:
    compared = {
        group.label: _agreement(group.metrics["agreement"])
        for group in run.finished
        if "agreement" in group.metrics and len(group.cluster_names) > 1
    }
    if len(compared) > MAX_HEATMAPS:
        first = METHODS["scsiameseclu"]
        beside = pd.DataFrame(
            {label: values.loc[first].drop(first) for label, values in compared.items()}
        ).T
        compared = {"": beside.rename(columns=lambda name: f"{first} / {name}")}
    for number, (label, values) in enumerate(compared.items(), start=1):
        body = content.heatmap(values, labels=("Method", "Method" if label else "Group", "ARI"))
        yield section("comparison", body, number=number, of=label if len(compared) > 1 else "")


def _agreement(scores: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Return the mutual adjusted Rand indices, methods x methods."""
    methods = {method: name for method, name in METHODS.items() if method in scores}
    square = pd.DataFrame(scores).loc[list(methods), list(methods)].T
    return square.rename(index=methods, columns=methods)
