"""Groups of several samples in the report: batch correction, mixing, concordance, and samples that stand apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..contracts import batch_of
from .chapters import SAMPLES
from .clustering import MANY_ROWS, MAX_HEATMAPS
from .content import Column, Section, heatmap, paragraph, points, table, text, thin, unique_texts
from .inputs import natural
from .palette import in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from .content import Cloud
    from .inputs import Group, Run

MOST_MIXED, LOWEST_AGREEMENT, LEAST_SHARED = 0.9, 0.7, 0.4
"""Limits of need, concordance and shared by which batches are corrected, as the clustering has them."""
LOWEST_CONCORDANCE = 0.65
"""Concordance below which a single cluster is flagged, as the clustering's notes do."""
MAX_PICTURES = 8
"""Groups whose UMAP is drawn before and after the correction."""
_MAX_ROWS = 60
_NAMED_CLUSTERS = 10
_GAP = 1.3
"""How far to the right the second UMAP stands; each is one wide."""
_DIVIDER: dict[str, Any] = {
    "name": "before | after",
    "pairs": [[(_GAP + 1) / 2, height] for height in (0, 1)],
    "color": "#8a8a8a",
    "width": 1,
    "dash": "dash",
    "showlegend": False,
    "marker": {"symbol": "circle", "color": "rgba(0,0,0,0)", "line_color": "rgba(0,0,0,0)", "width": 0},
}
"""A line between the two UMAPs."""
_MOMENTS = ("before", "after")
_UNIT: dict[str, Any] = {"format": "{:,.2f}", "bounds": (0, 1)}


def sections(run: Run, *, max_points: int) -> list[Section]:
    """Return the sections on groups of several samples; none if there is no such group.

    Parameters
    ----------
    run
        The inputs of the report.
    max_points
        Cells drawn in a UMAP, all groups together; UMAPs before and after the correction take a fifth of it.
    """
    groups = [group for group in run.finished if group.clusters is not None and _n_samples(group) > 1]
    if not groups:
        return []
    return [
        _correction(run, groups),
        *_mixing(groups),
        *_concordance(groups),
        *_pictures(run, groups, max_points // 5),
        *_distances(run, groups),
    ]


def _n_samples(group: Group) -> int:
    return 0 if group.clusters is None else group.clusters["sample"].nunique()


def _decision(group: Group) -> Mapping[str, Any]:
    """Return what was decided about batches; empty where all samples are one batch."""
    return group.summary.get("batch_correction") or {}


def _correction(run: Run, groups: list[Group]) -> Section:
    rules = {"warn": [{"lt": LOWEST_AGREEMENT}]}
    return Section(
        "batch_correction",
        "Batch correction",
        "A correction also joins types that only one batch has. So it is made only where batches lie apart (need below "
        f"{MOST_MIXED}), the clusters differ from each other in one batch as in another (concordance of "
        f"{LOWEST_AGREEMENT} and more), and what the batches differ by is much the same in all clusters (shared, "
        f"{LEAST_SHARED} and more), unless <code>--batch_correction</code> says otherwise. iLISI is how well the "
        "batches mix among a cell's neighbors, cLISI how well cell types stay apart, both 1 at best: a good correction "
        "raises the first and keeps the second. From <code>groups/&#42;/clustering.json</code>"
        f"{_source(groups)}.",
        SAMPLES,
        table(
            {group.label: _correction_row(run, group) for group in groups},
            {
                "corrected": Column("Corrected", "Whether differences between batches were taken out"),
                "reason": Column("Why", "What decided it"),
                "batches": Column("Batches", "A sample, or what the samplesheet says", format="{:,d}"),
                "need": Column(
                    "Need", "Neighbors from other batches within clusters, over their expectation, before", **_UNIT
                ),
                "validity": Column(
                    "Concordance", "Correlation between batches of what distinguishes clusters", rules=rules, **_UNIT
                ),
                "shared": Column(
                    "Shared", "How much of the difference between batches is the same in all clusters", **_UNIT
                ),
                **_columns("ilisi", "iLISI", "Mixing of batches, median over the cells"),
                **_columns("clisi", "cLISI", "Separation of cell types, median over the cells"),
                "doubtful": Column("Doubtful clusters", f"Concordance below {LOWEST_CONCORDANCE}"),
                "farthest": Column("Farthest sample", "Mean distance to the others; in brackets the median sample's"),
            },
            id="batch_correction",
            title="Batch correction",
            first="Group",
        ),
    )


def _source(groups: list[Group]) -> str:
    named = {"mixing.json": any(group.mixing for group in groups)}
    named["sample_distances.tsv"] = any(group.distances is not None for group in groups)
    return "".join(f", <code>{name}</code>" for name, there in named.items() if there)


def _correction_row(run: Run, group: Group) -> dict[str, Any]:
    decision = _decision(group)
    reason = str(decision.get("reason", "the samples are one batch"))
    doubtful = [_cluster(group, name) for name, value in _agreement(group).items() if value < LOWEST_CONCORDANCE]
    more = f" and {len(doubtful) - _NAMED_CLUSTERS} more" if len(doubtful) > _NAMED_CLUSTERS else ""
    return {
        "corrected": "Yes" if decision.get("corrected") else "No",
        "reason": paragraph(f"{reason[:1].upper()}{reason[1:]}."),
        "batches": decision.get("n_batches", 1),
        **{name: decision.get(name) for name in ("need", "validity", "shared")},
        **_measured(group.mixing.get("all") or {}, ("ilisi", "clisi")),
        "doubtful": f'<span class="wrapped">{"; ".join(doubtful[:_NAMED_CLUSTERS])}{more}</span>' if doubtful else None,
        "farthest": _farthest(run, group),
    }


def _measured(record: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {f"{name}_{moment}": record.get(f"{name}_{moment}") for name in names for moment in _MOMENTS}


def _columns(key: str, title: str, description: str, *, bars: bool = False) -> dict[str, Column]:
    return {
        f"{key}_{moment}": Column(
            f"{title} {moment}", f"{description}, {moment} the correction", scale=bars and "Blues", **_UNIT
        )
        for moment in _MOMENTS
    }


def _agreement(group: Group) -> dict[str, float]:
    """Return the concordance of each cluster that can be compared, in the order of the clusters."""
    known = _decision(group).get("cluster_agreement") or {}
    return {name: float(known[name]) for name in sorted(known, key=natural)}


def _cluster(group: Group, name: str) -> str:
    kind = text(group.cell_types.get(name, ""), length=40)
    return f"{text(name)} ({kind})" if kind else text(name)


def _mixing(groups: list[Group]) -> Iterator[Section]:
    rows = {
        f"{group.label}, {text(record['cell_type'])}": {
            "cells": record["n_cells"],
            "batches": record["n_batches"],
            **_measured(record, ("over_expected", "ilisi", "clisi")),
        }
        for group in groups
        for record in sorted(group.mixing.get("cell_types", []), key=lambda record: -int(record["n_cells"]))
    }
    if not rows:
        return
    rows, cut = _lowest(rows, lambda row: row["over_expected_after"] or row["over_expected_before"])
    bars = len(rows) <= MANY_ROWS
    yield Section(
        "batch_mixing",
        "Mixing of batches by cell type",
        "Mixing is the share of neighbors from other batches within the cell type, over its expectation: 1 is as good "
        "as random, 0 is none. iLISI is the effective number of batches among these neighbors, from 0 (one) to 1 "
        "(all, in the same shares). At random, 2 batches of one size reach about 0.9, 4 about 0.8 and 8 about 0.6; "
        "those that differ in size less. cLISI is 1 where all neighbors of a cell are of its type; where it falls, the "
        "correction brought types together. Cell types are those of the final clusters. Batches with fewer than 10 "
        f"cells of a type do not count in it; a type of one batch cannot mix.{cut} From "
        "<code>groups/&#42;/mixing.json</code>.",
        SAMPLES,
        table(
            rows,
            {
                "cells": Column("Cells", "Cells of the type", format="{:,d}"),
                "batches": Column("Batches", "Batches with at least 10 of them", format="{:,d}"),
                **_columns("over_expected", "Mixing", "Neighbors from other batches over expectation", bars=bars),
                **_columns("ilisi", "iLISI", "Mixing of batches", bars=bars),
                **_columns("clisi", "cLISI", "Separation from other cell types", bars=bars),
            },
            id="batch_mixing",
            title="Mixing of batches by cell type",
            first="Cell type",
        ),
    )


def _lowest(rows: dict[str, dict[str, Any]], value: Any) -> tuple[dict[str, dict[str, Any]], str]:
    """Return at most `_MAX_ROWS` rows, those of the lowest value, in their order, and how to say so."""
    if len(rows) <= _MAX_ROWS:
        return rows, ""
    values = {name: value(row) for name, row in rows.items()}
    known = sorted(rows, key=lambda name: float("inf") if values[name] is None else values[name])
    kept = set(known[:_MAX_ROWS])
    return {name: row for name, row in rows.items() if name in kept}, f" The {_MAX_ROWS} lowest of {len(rows)} rows."


def _concordance(groups: list[Group]) -> Iterator[Section]:
    rows = {
        f"{group.label}, cluster {text(name)}": {
            "cell_type": text(group.cell_types[name]) if name in group.cell_types else None,
            "concordance": value,
            "verdict": "Doubtful" if value < LOWEST_CONCORDANCE else "Agrees",
        }
        for group in groups
        for name, value in _agreement(group).items()
    }
    if not rows:
        return
    rows, cut = _lowest(rows, lambda row: row["concordance"])
    yield Section(
        "batch_concordance",
        "Concordance of clusters between batches",
        "How well what distinguishes a cluster in one batch correlates with what does so in another, by raw counts and "
        f"without their noise. Below {LOWEST_CONCORDANCE} a cluster may hold different cells in "
        "different batches: compare its markers by batch, and look at <code>cluster_uncorrected</code>. Clusters of "
        f"one batch cannot be compared.{cut} From <code>groups/&#42;/clustering.json</code>.",
        SAMPLES,
        table(
            rows,
            {
                "cell_type": Column("Cell type", "What the cluster is taken for"),
                "concordance": Column("Concordance", "Mean over the pairs of batches; 1 is best", **_UNIT),
                "verdict": Column(
                    "Verdict",
                    f"Doubtful: concordance below {LOWEST_CONCORDANCE}",
                    rules={"pass": [{"s_eq": "Agrees"}], "warn": [{"s_eq": "Doubtful"}]},
                ),
            },
            id="batch_concordance",
            title="Concordance of clusters between batches",
            first="Cluster",
        ),
    )


def _pictures(run: Run, groups: list[Group], most: int) -> Iterator[Section]:
    """Yield the UMAPs before and after the correction, side by side."""
    corrected = {group: cells for group in groups if (cells := _cells(run, group)) is not None}
    if not corrected:
        return
    shown = dict(list(corrected.items())[:MAX_PICTURES])
    total = sum(map(len, shown.values()))
    share = min(1.0, most / total)
    drawn = {group: cells.iloc[thin(len(cells), share)] for group, cells in shown.items()}
    told = "All" if share == 1 else f"{sum(map(len, drawn.values())):,} of"
    some = f" Of {len(corrected)} corrected groups the first {len(shown)}." if len(shown) < len(corrected) else ""
    body = points(
        {group.label: _clouds(cells) for group, cells in drawn.items()},
        id="umap_correction",
        title="UMAP before and after the correction",
        x_label="before the correction | after the correction",
        y_label="UMAP",
    )
    for series in body["pconfig"]["extra_series"]:
        series.append(_DIVIDER)
    yield Section(
        "umap_correction",
        "UMAP before and after the correction",
        "The same cells by batch: at the left by the principal components as they were, at the right by the embedding "
        "that the clusters were found in. Islands of one batch at the left should join others at the right, unless "
        f"only that batch has these cells. {told} {total:,} cells are drawn.{some} From "
        "<code>groups/&#42;/&#42;.h5ad</code> (<code>obsm['X_umap_uncorrected']</code>, <code>obsm['X_umap']</code>).",
        SAMPLES,
        body,
    )


def _cells(run: Run, group: Group) -> pd.DataFrame | None:
    """Return batch and places of the cells, before and after the correction; None where there was none."""
    if group.umap is None or group.clusters is None or "uncorrected_1" not in group.umap:
        return None
    batches = {sample.id: batch_of(sample.settings) for sample in run.samples}
    cells = group.clusters[["barcode", "sample"]].merge(group.umap, on="barcode", how="inner", validate="one_to_one")
    before, after = (_unit(cells[[f"{name}_1", f"{name}_2"]].to_numpy()) for name in ("uncorrected", "umap"))
    after[:, 0] += _GAP
    return pd.DataFrame(
        {
            "batch": cells["sample"].map(batches).astype(str),
            **{f"before_{axis}": before[:, axis] for axis in (0, 1)},
            **{f"after_{axis}": after[:, axis] for axis in (0, 1)},
        }
    )


def _unit(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return places from 0 to 1 on either axis."""
    low = places.min(axis=0)
    extent = np.ptp(places, axis=0)
    return np.asarray((places - low) / np.where(extent > 0, extent, 1)).round(3)


def _clouds(cells: pd.DataFrame) -> dict[str, Cloud]:
    names = sorted(cells["batch"].unique(), key=natural)
    shown, colors = unique_texts(names), in_order(names)
    return {shown[name]: (colors[name], _places(cells[cells["batch"] == name])) for name in names}


def _places(cells: pd.DataFrame) -> list[tuple[float, float]]:
    return [
        (round(float(x), 3), round(float(y), 3))
        for moment in _MOMENTS
        for x, y in zip(cells[f"{moment}_0"], cells[f"{moment}_1"], strict=True)
    ]


def _distances(run: Run, groups: list[Group]) -> Iterator[Section]:
    known = [group for group in groups if group.distances is not None and len(group.distances)]
    for index, group in enumerate(known[:MAX_HEATMAPS], start=1):
        names, values = _matrix(group)
        labels = [_label(run, name) for name in names]
        title = "Distances between samples" + (f": {group.label}" if len(known) > 1 else "")
        only = f" The first {MAX_HEATMAPS} of {len(known)} groups are drawn." if len(known) > MAX_HEATMAPS else ""
        yield Section(
            f"sample_distances_{index}",
            title,
            f"1 - correlation of log expression of the highly variable genes, {_compared(group)} A sample that is dark "
            "in its whole row stands apart from all others, by its biology or its handling; blocks of light fields are "
            "samples alike. Samples of few cells lie further away by noise alone. Rows are in the order of a "
            f"dendrogram.{only} From <code>groups/&#42;/sample_distances.tsv</code>.",
            SAMPLES,
            heatmap(
                np.round(values, 4).tolist(),
                rows=labels,
                columns=labels,
                id=f"sample_distances_{index}",
                title=title,
                labels=("Sample", "Sample", "Distance"),
                decimals=3,
                highest=float(values.max()) or 1.0,
            ),
        )


def _compared(group: Group) -> str:
    if group.distances is not None and (group.distances["n_cell_types"] > 0).all():
        return "summed within each cell type that two samples share (10 cells each), and averaged over these."
    return "summed over all cells, since two of the samples share no cell type (10 cells each)."


def _label(run: Run, name: str) -> str:
    return next((sample.label for sample in run.samples if sample.id == name), text(name, length=40))


def _matrix(group: Group) -> tuple[list[str], NDArray[np.float64]]:
    """Return the samples, those alike beside each other, and their distances."""
    # Here, not above: a report without groups of several samples need not wait for scipy.
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    names, values = _square(group)
    if len(names) > 2:
        order = leaves_list(linkage(squareform(values, checks=False), "average", optimal_ordering=True))
        return [names[place] for place in order], values[np.ix_(order, order)]
    return names, values


def _square(group: Group) -> tuple[list[str], NDArray[np.float64]]:
    assert group.distances is not None
    pairs = group.distances
    names = sorted({*pairs["sample"], *pairs["other"]}, key=natural)
    rows, columns = (pairs[column].map(names.index).to_numpy() for column in ("sample", "other"))
    values = np.zeros((len(names), len(names)))
    values[rows, columns] = values[columns, rows] = pairs["distance"]
    return names, values


def _farthest(run: Run, group: Group) -> str | None:
    """Return the sample that is farthest from the others, with its mean distance; None of fewer than three."""
    if group.distances is None or len(group.distances) < 3:
        return None
    names, values = _square(group)
    means = values.sum(axis=1) / (len(names) - 1)
    place = int(means.argmax())
    return f"{_label(run, names[place])}: {means[place]:.3f} ({np.median(means):.3f})"
