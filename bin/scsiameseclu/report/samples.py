"""Samples in the report: ambient RNA, and in groups correction, mixing, concordance, outliers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from ..contracts import batch_of
from . import content
from .content import Clouds, Html, Section, section, table_section, text
from .inputs import Group, Run, Sample, natural
from .palette import CLEAR, in_order

MAX_PICTURES, MAX_HEATMAPS = 8, 4
"""Groups whose UMAP is drawn before and after the correction, and whose samples' distances are
drawn."""
_MAX_ROWS, _NAMED_CLUSTERS, _NAMED_GENES = 60, 10, 10
_BY_TYPE = (
    "summed within each cell type that two samples share (10 cells each), and averaged over these"
)
_OVER_ALL = "summed over all cells, because two of the samples share no cell type (10 cells each)"
_GAP = 1.3
"""How far to the right the second UMAP stands; each is one wide."""
_DIVIDER: dict[str, Any] = {
    "name": "before | after",
    "pairs": [[(_GAP + 1) / 2, height] for height in (0, 1)],
    "color": "#8a8a8a",
    "width": 1,
    "dash": "dash",
    "showlegend": False,
    "marker": {"symbol": "circle", "color": CLEAR, "line_color": CLEAR, "width": 0},
}
"""A line between the two UMAPs."""


def sections(run: Run) -> Iterator[Section]:
    """Return the sections on groups of several samples, as far as there are, and ambient RNA."""
    yield from ambient(run)
    groups = [group for group in run.finished if len(set(group.clusters["sample"])) > 1]
    if groups:
        limits: Mapping[str, float] = next(
            (of for group in groups if (of := group.summary.get("limits"))), {}
        )
        yield from _correction(run, groups, limits)
        yield from _mixing(groups)
        yield from _concordance(groups, limits)
        yield from _pictures(run, groups)
        yield from _distances(run, groups)


def _decision(group: Group) -> Mapping[str, Any]:
    """Return what was decided about batches; empty where all samples are one batch."""
    return group.summary.get("batch_correction") or {}


def _agreement(group: Group) -> dict[str, float]:
    """Return the concordance of each cluster that can be compared, in the order of the clusters."""
    known = _decision(group).get("cluster_agreement") or {}
    return {name: known[name] for name in sorted(known, key=natural)}


def _correction(run: Run, groups: list[Group], limits: Mapping[str, float]) -> Iterator[Section]:
    asked = {"need": "need below", "validity": "concordance from", "shared": "shared from"}
    rules: dict[str, Any] = {
        name: f" ({words} {limits[name]})" if limits else "" for name, words in asked.items()
    }
    rows = {group.label: _correction_row(run, group, limits) for group in groups}
    yield from table_section(
        "batch_correction",
        rows,
        mixing=any(group.record("mixing") for group in groups),
        distances=any(len(group.table("sample_distances")) for group in groups),
        **rules,
    )


def _correction_row(run: Run, group: Group, limits: Mapping[str, float]) -> dict[str, Any]:
    decision = _decision(group)
    reason = str(decision.get("reason", "the samples are one batch"))
    types = {name: f" ({text(of, length=40)})" for name, of in group.cell_types.items() if of}
    doubtful = [
        f"{text(name)}{types.get(name, '')}"
        for name, value in _agreement(group).items()
        if value < limits.get("cluster", 0)
    ]
    return {
        "n_batches": 1,
        **decision,
        **(group.record("mixing").get("all") or {}),
        "corrected": "Yes" if decision.get("corrected") else "No",
        "reason": f"{reason[:1].upper()}{reason[1:]}.",
        "doubtful": content.wrapped(content.first_of(doubtful, _NAMED_CLUSTERS, between="; "))
        if doubtful
        else None,
        "farthest": _farthest(run, group),
    }


def _mixing(groups: list[Group]) -> Iterator[Section]:
    rows = {
        f"{group.label}, {text(record['cell_type'])}": record
        for group in groups
        for record in sorted(
            group.record("mixing").get("cell_types", []), key=lambda record: -record["n_cells"]
        )
    }
    yield from table_section(
        "batch_mixing",
        rows,
        most=_MAX_ROWS,
        which="lowest",
        by=lambda row: row["over_expected_after"] or row["over_expected_before"],
    )


def _concordance(groups: list[Group], limits: Mapping[str, float]) -> Iterator[Section]:
    lowest = limits.get("cluster", 0)
    rows = {
        group.row(name): {
            "cell_type": group.cell_types.get(name),
            "concordance": value,
            "verdict": "Doubtful" if value < lowest else "Agrees",
        }
        for group in groups
        for name, value in _agreement(group).items()
    }
    yield from table_section(
        "batch_concordance",
        rows,
        most=_MAX_ROWS,
        which="lowest",
        by=lambda row: float(row["concordance"]),
        lowest=lowest,
    )


def _pictures(run: Run, groups: list[Group]) -> Iterator[Section]:
    """Yield UMAPs before and after correction side by side, with a fifth of the usual points."""
    corrected = [group for group in groups if "uncorrected_1" in group.table("umap")]
    if not corrected:
        return
    shown = {group.label: _places(run, group) for group in corrected[:MAX_PICTURES]}
    drawn, how_many = content.thinned(shown, run.max_points // 5)
    some = f" Of {len(corrected)} corrected groups the first {len(shown)}."
    body = content.points(
        {label: _clouds(cells) for label, cells in drawn.items()},
        x_label="before the correction | after the correction",
        y_label="UMAP",
    )
    for series in body["pconfig"]["extra_series"]:
        series.append(_DIVIDER)
    yield section(
        "umap_correction", body, drawn=how_many, some=some if len(shown) < len(corrected) else ""
    )


def _places(run: Run, group: Group) -> pd.DataFrame:
    """Return batch and UMAP places, before and after correction, scaled to 0 to 1 by axis."""
    batches = {sample.id: batch_of(sample.settings) for sample in run.samples}
    cells = group.clusters[["barcode", "sample"]].merge(
        group.table("umap"), on="barcode", validate="one_to_one"
    )
    places = cells[[f"{name}_{axis}" for name in ("uncorrected", "umap") for axis in (1, 2)]]
    places = (places - places.min()) / (places.max() - places.min()).replace(0, 1)
    places["umap_1"] += _GAP
    return places.assign(batch=cells["sample"].map(batches).astype(str))


def _clouds(cells: pd.DataFrame) -> Clouds:
    names = sorted(cells["batch"].unique(), key=natural)
    shown, colors = content.unique_texts(names), in_order(names)
    clouds: Clouds = {}
    for name in names:
        own = cells[cells["batch"] == name]
        before = content.pairs(own, "uncorrected_1", "uncorrected_2", decimals=3)
        after = content.pairs(own, "umap_1", "umap_2", decimals=3)
        clouds[shown[name]] = (colors[name], before + after)
    return clouds


def _distances(run: Run, groups: list[Group]) -> Iterator[Section]:
    known = [group for group in groups if len(group.table("sample_distances"))]
    some = f" The first {MAX_HEATMAPS} of {len(known)} groups are drawn."
    only = some if len(known) > MAX_HEATMAPS else ""
    for number, group in enumerate(known[:MAX_HEATMAPS], start=1):
        distances = group.table("sample_distances")
        compared = _BY_TYPE if (distances["n_cell_types"] > 0).all() else _OVER_ALL
        values = _alike_together(_square(distances)).round(4)
        values = values.rename(index=run.sample_label, columns=run.sample_label)
        highest = float(values.to_numpy().max()) or 1.0
        body = content.heatmap(
            values, labels=("Sample", "Sample", "Distance"), decimals=3, highest=highest
        )
        of = group.label if len(known) > 1 else ""
        yield section("sample_distances", body, number=number, of=of, compared=compared, only=only)


def _square(distances: pd.DataFrame) -> pd.DataFrame:
    long = distances[["sample", "other", "distance"]]
    both = pd.concat([long, long.rename(columns={"sample": "other", "other": "sample"})])
    square = both.pivot_table("distance", index="sample", columns="other", fill_value=0.0)
    names = sorted(square.index, key=natural)
    return square.loc[names, names].rename_axis(index=None, columns=None)


def _alike_together(square: pd.DataFrame) -> pd.DataFrame:
    """Return the distances with samples alike beside each other."""
    # Here, not above: a report without groups of several samples need not wait for scipy.
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(square) < 3:
        return square
    tree = linkage(squareform(square.to_numpy(), checks=False), "average", optimal_ordering=True)
    order: list[int] = leaves_list(tree).tolist()
    return square.iloc[order, order]


def _farthest(run: Run, group: Group) -> Html | None:
    """Return the sample farthest from the others and its mean distance; None below three."""
    distances = group.table("sample_distances")
    if len(distances) < 3:
        return None
    square = _square(distances)
    means = square.sum() / (len(square) - 1)
    return Html(f"{run.sample_label(means.idxmax())}: {means.max():.3f} ({means.median():.3f})")


def ambient(run: Run) -> Iterator[Section]:
    """Return the section on ambient RNA; none where no sample came with its empty droplets."""
    groups = {group.id: group for group in run.tables("ambient")}
    rows = {
        sample.label: {**row, "genes": content.gene_list(_leaking(groups[sample.group], sample))}
        for sample in run.samples
        if sample.group in groups and (row := ambient_of(groups[sample.group], sample))
    }
    yield from table_section("ambient", rows)


def ambient_of(group: Group, sample: Sample) -> dict[str, Any]:
    """Return what the table shows of a sample, its share in percent; empty if nothing is known."""
    own = _records(group.table("ambient"), sample)
    if not own:
        return {}
    found = own[0]
    known = pd.notna(found["contamination"])
    return {
        "n_droplets": found["n_droplets_in_profile"],
        "share": 100 * found["contamination"] if known else None,
        "range": f"{100 * found['low']:.1f} to {100 * found['high']:.1f} %" if known else None,
        "note": found["note"],
    }


def _leaking(group: Group, sample: Sample) -> list[str]:
    genes = _records(group.table("ambient_genes"), sample)[:_NAMED_GENES]
    return [f"{row['gene']} ({row['share_of_ambient']:.1%})" for row in genes]


def _records(table: pd.DataFrame, sample: Sample) -> list[dict[Any, Any]]:
    return table[table["sample"] == sample.id].to_dict("records") if len(table) else []
