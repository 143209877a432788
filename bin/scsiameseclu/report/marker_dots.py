"""The marker dot plot in the report: how many cells of each cluster have a marker, and how much of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .content import Section, dots, text
from .inputs import natural
from .palette import graded
from .rooms import ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from .inputs import Group, Run

_MAX_OF_GROUP = 1_500
_MAX_IN_ALL = 12_000
"""Dots that a browser draws without delay, and that keep the report small."""
_LARGEST = 18.0


def sections(run: Run) -> Iterator[Section]:
    """Return the dot plot of the groups that have markers, with a switch between them."""
    marked = {group: profiles for group in run.finished if (profiles := group.profiles) is not None and len(profiles)}
    datasets: dict[str, list[dict[str, Any]]] = {}
    left = _MAX_IN_ALL
    for group, profiles in marked.items():
        row = list(_dots(group, _drawable(profiles)))
        left -= len(row)
        if left >= 0:
            datasets[group.label] = row
    if not datasets:
        return
    shown = "" if len(datasets) == len(marked) else f"Shown are {len(datasets)} of {len(marked)} groups. "
    yield Section(
        "marker_dots",
        "Marker dot plot",
        "The strongest markers of each cluster in all clusters. The larger the dot, the more cells have the gene; the "
        "darker, the higher its mean expression, relative to the cluster where it is highest. Markers that are large "
        f"and dark in one row only tell their cluster from all others. {shown}From "
        "<code>groups/&#42;/markers.tsv</code> and <code>groups/&#42;/&#42;.h5ad</code> (<code>X</code>); for print: "
        "<code>groups/&#42;/figures/marker_dotplot.svg</code>.",
        ANNOTATION,
        dots(datasets, id="marker_dots", title="Marker dot plot", x_label="Gene", y_label="Cluster"),
    )


def _drawable(profiles: pd.DataFrame) -> pd.DataFrame:
    """Return the profiles with means relative to the highest; only the first genes where there were too many dots."""
    genes = list(dict.fromkeys(profiles["gene"]))
    rows = profiles[profiles["gene"].isin(genes[: max(_MAX_OF_GROUP // profiles["cluster"].nunique(), 1)])]
    highest = rows.groupby("gene")["mean"].transform("max").clip(lower=1e-9)
    return rows.assign(relative=rows["mean"] / highest)


def _dots(group: Group, profiles: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Return the dots, the last cluster first: the first axis entry is at the bottom."""
    for cluster in sorted(profiles["cluster"].unique(), key=natural, reverse=True):
        row_name = f"{text(cluster)} {text(group.cell_types.get(cluster, ''), length=24)}"
        for gene, share, mean, relative in profiles.loc[
            profiles["cluster"] == cluster, ["gene", "share", "mean", "relative"]
        ].itertuples(index=False):
            yield {
                "x": text(gene, length=20),
                "y": row_name,
                "name": f"{text(gene, length=40)}: {100 * share:.0f} &#37; of the cells, mean {mean:.2f}",
                "marker_size": round(_LARGEST * share**0.5, 1),
                "color": graded(relative),
            }
