"""The marker dot plot in the report, a picture, as MultiQC has no such plot: who has a marker, and how much of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .chapters import ANNOTATION
from .content import Section, html, text, unique_texts
from .inputs import natural
from .palette import graded

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from .inputs import Group, Run

_MAX_OF_GROUP = 1_500
_MAX_IN_ALL = 2_000
"""Dots that keep the report small."""
_STEP, _LARGEST = 22, 9.0
_LEFT, _BELOW = 200, 130
"""Pixels from dot to dot, of the largest radius, and for the names of clusters and genes."""


def sections(run: Run) -> Iterator[Section]:
    """Return the dot plots of the groups that have markers, the first one unfolded."""
    marked = {group: _drawable(table) for group in run.finished if (table := group.profiles) is not None and len(table)}
    pictures: list[str] = []
    left = _MAX_IN_ALL
    for group, profiles in marked.items():
        left -= len(profiles)
        if left >= 0:
            unfolded = "" if pictures else " open"
            pictures.append(f"<details{unfolded}><summary>{group.label}</summary>{_picture(group, profiles)}</details>")
    if not pictures:
        return
    shown = "" if len(pictures) == len(marked) else f"Shown are {len(pictures)} of {len(marked)} groups. "
    yield Section(
        "marker_dots",
        "Marker dot plot",
        "The strongest markers of each cluster in all clusters. The larger the dot, the more cells have the gene; the "
        "darker, the higher its mean expression, relative to the cluster where it is highest; rest the mouse on a dot "
        "for the numbers. Markers that are large and dark in one row only are specific to that cluster. "
        f"{shown}From <code>groups/&#42;/markers.tsv</code> and <code>groups/&#42;/&#42;.h5ad</code> (<code>X</code>); "
        "for print: <code>groups/&#42;/figures/marker_dotplot.svg</code>.",
        ANNOTATION,
        html("".join(pictures)),
    )


def _drawable(profiles: pd.DataFrame) -> pd.DataFrame:
    """Return the profiles with means relative to the highest; only the first genes where there were too many dots."""
    genes = list(dict.fromkeys(profiles["gene"]))
    rows = profiles[profiles["gene"].isin(genes[: max(_MAX_OF_GROUP // profiles["cluster"].nunique(), 1)])]
    highest = rows.groupby("gene")["mean"].transform("max").clip(lower=1e-9)
    return rows.assign(relative=rows["mean"] / highest)


def _picture(group: Group, profiles: pd.DataFrame) -> str:
    """Return the dot plot of a group as SVG, a row per cluster and a column per gene."""
    genes = unique_texts(profiles["gene"], length=20)
    clusters = sorted(profiles["cluster"].unique(), key=natural)
    names = {cluster: f"{text(cluster)} {text(group.cell_types.get(cluster, ''), length=24)}" for cluster in clusters}
    x = {gene: _LEFT + _STEP * (place + 1) for place, gene in enumerate(genes)}
    y = {cluster: _STEP * (place + 1) for place, cluster in enumerate(clusters)}
    bottom = _STEP * (len(clusters) + 1)
    parts = [
        f'<text x="{_LEFT}" y="{y[cluster] + 4}" text-anchor="end">{name}</text>' for cluster, name in names.items()
    ]
    parts += [
        f'<text transform="translate({x[gene] - 4} {bottom}) rotate(60)">{name}</text>' for gene, name in genes.items()
    ]
    columns = ["cluster", "gene", "share", "mean", "relative"]
    for cluster, gene, share, mean, relative in profiles[columns].itertuples(index=False):
        title = f"{100 * share:.0f} &#37; of the cells, mean {mean:.2f}"
        dot = f'cx="{x[gene]}" cy="{y[cluster]}" r="{_LARGEST * share**0.5:.1f}" fill="{graded(relative)}"'
        parts.append(f"<circle {dot}><title>{title}</title></circle>")
    width, height = _LEFT + _STEP * len(genes) + 100, bottom + _BELOW
    return f'<div class="marker_dots"><svg width="{width}" height="{height}" role="img">{"".join(parts)}</svg></div>'
