"""The marker dot plot in the report.

It is a picture, as MultiQC has no such plot.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from .content import Section, folded, section, unique_texts
from .inputs import Group, Run
from .palette import graded

_MAX_OF_GROUP, _MAX_IN_ALL = 1_500, 2_000
"""Dots that keep the report small."""
_STEP, _LARGEST = 22, 9.0
_LEFT, _BELOW = 200, 130
"""Pixels from dot to dot, of the largest radius, and for the names of clusters and genes."""


def sections(run: Run) -> Iterator[Section]:
    """Return the dot plots of the groups that have markers, the first one unfolded."""
    marked = {group: _drawable(group.profiles) for group in run.finished if len(group.profiles)}
    dots = pd.Series(
        {group.label: len(profiles) for group, profiles in marked.items()}, dtype=int
    ).cumsum()
    pictures = {
        group.label: _picture(group, profiles)
        for group, profiles in marked.items()
        if dots[group.label] <= _MAX_IN_ALL
    }
    shown = (
        ""
        if len(pictures) == len(marked)
        else f" Shown are {len(pictures)} of {len(marked)} groups."
    )
    if pictures:
        yield section("marker_dots", folded(pictures), shown=shown)


def picture(group: Group, profiles: pd.DataFrame) -> str:
    """Return the dot plot of a table ``cluster gene share mean`` as HTML."""
    return _picture(group, _drawable(profiles))


def _drawable(profiles: pd.DataFrame) -> pd.DataFrame:
    """Return profiles with relative means, limited to the first genes if dots are too many."""
    most = max(_MAX_OF_GROUP // profiles["cluster"].nunique(), 1)
    rows = profiles[profiles["gene"].isin(profiles["gene"].unique()[:most])]
    return rows.assign(
        relative=rows["mean"] / rows.groupby("gene")["mean"].transform("max").clip(lower=1e-9)
    )


def _picture(group: Group, profiles: pd.DataFrame) -> str:
    """Return the dot plot of a group as SVG, a row per cluster and a column per gene."""
    genes = unique_texts(profiles["gene"], length=20)
    clusters = [name for name in group.cluster_names if name in set(profiles["cluster"])]
    x = {gene: _LEFT + _STEP * (place + 1) for place, gene in enumerate(genes)}
    y = {cluster: _STEP * (place + 1) for place, cluster in enumerate(clusters)}
    bottom = _STEP * (len(clusters) + 1)
    parts = [
        f'<text x="{_LEFT}" y="{at + 4}" '
        f'text-anchor="end">{group.titled(cluster, length=24)}</text>'
        for cluster, at in y.items()
    ]
    parts += [
        f'<text transform="translate({x[gene] - 4} {bottom}) rotate(60)">{name}</text>'
        for gene, name in genes.items()
    ]
    for dot in profiles.to_dict("records"):
        place = (
            f'cx="{x[dot["gene"]]}" cy="{y[dot["cluster"]]}" '
            f'r="{_LARGEST * dot["share"] ** 0.5:.1f}"'
        )
        title = (
            f"<title>{100 * dot['share']:.0f} &#37; of the cells, mean {dot['mean']:.2f}</title>"
        )
        parts.append(f'<circle {place} fill="{graded(dot["relative"])}">{title}</circle>')
    size = f'width="{_LEFT + _STEP * len(genes) + 100}" height="{bottom + _BELOW}"'
    return f'<div class="marker_dots"><svg {size} role="img">{"".join(parts)}</svg></div>'
