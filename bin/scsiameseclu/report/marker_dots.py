"""The marker dot plot in the report.

It is a picture, as MultiQC has no such plot.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

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
    marked = run.tables("profiles")
    dots = accumulate(len(_drawable(found)) for found in marked.values())
    pictures = {
        group.label: picture(group, profiles)
        for (group, profiles), n in zip(marked.items(), dots, strict=True)
        if n <= _MAX_IN_ALL
    }
    some = f" Shown are {len(pictures)} of {len(marked)} groups."
    if pictures:
        shown = "" if len(pictures) == len(marked) else some
        yield section("marker_dots", folded(pictures), shown=shown)


def _drawable(profiles: pd.DataFrame) -> pd.DataFrame:
    """Return profiles with relative means, limited to the first genes if dots are too many."""
    most = max(_MAX_OF_GROUP // profiles["cluster"].nunique(), 1)
    rows = profiles[profiles["gene"].isin(profiles["gene"].unique()[:most])]
    return rows.assign(
        relative=rows["mean"] / rows.groupby("gene")["mean"].transform("max").clip(lower=1e-9)
    )


def picture(group: Group, profiles: pd.DataFrame) -> str:
    """Return a table ``cluster gene share mean`` as SVG, clusters in rows and genes in columns."""
    profiles = _drawable(profiles)
    genes = unique_texts(profiles["gene"], length=20)
    clusters = [name for name in group.cluster_names if name in set(profiles["cluster"])]
    x = {gene: _LEFT + _STEP * (place + 1) for place, gene in enumerate(genes)}
    y = {cluster: _STEP * (place + 1) for place, cluster in enumerate(clusters)}
    bottom = _STEP * (len(clusters) + 1)
    parts = []
    for cluster, at in y.items():
        words = group.titled(cluster, length=24)
        parts.append(f'<text x="{_LEFT}" y="{at + 4}" text-anchor="end">{words}</text>')
    for gene, name in genes.items():
        place = f"translate({x[gene] - 4} {bottom}) rotate(60)"
        parts.append(f'<text transform="{place}">{name}</text>')
    for dot in profiles.to_dict("records"):
        radius = f"{_LARGEST * dot['share'] ** 0.5:.1f}"
        place = f'cx="{x[dot["gene"]]}" cy="{y[dot["cluster"]]}" r="{radius}"'
        words = f"{100 * dot['share']:.0f} &#37; of the cells, mean {dot['mean']:.2f}"
        color = graded(dot["relative"])
        parts.append(f'<circle {place} fill="{color}"><title>{words}</title></circle>')
    size = f'width="{_LEFT + _STEP * len(genes) + 100}" height="{bottom + _BELOW}"'
    return f'<div class="marker_dots"><svg {size} role="img">{"".join(parts)}</svg></div>'
