"""Expression in the report: the genes that vary most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .content import Section, points, thin
from .palette import UNKNOWN, cluster_color
from .rooms import EXPRESSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from .content import Cloud
    from .inputs import Run

_CLOUDS = {"Highly variable": (True, cluster_color(0)), "Other genes": (False, UNKNOWN)}


def sections(run: Run, *, max_points: int) -> Iterator[Section]:
    """Return the section of the variable genes, if any; `max_points` genes are drawn, all groups together."""
    genes = {group: table for group in run.finished if (table := group.genes) is not None and len(table)}
    if not genes:
        return
    total = sum(map(len, genes.values()))
    share = min(1.0, max_points / total)
    datasets = {group.label: _clouds(table, share) for group, table in genes.items()}
    counts = ", ".join(f"{table['highly_variable'].sum():,} of {len(table):,}" for table in list(genes.values())[:4])
    drawn = sum(len(places) for clouds in datasets.values() for _, places in clouds.values())
    yield Section(
        "variable_genes",
        "Highly variable genes",
        "Each point is a gene: how strongly it is expressed, and how much it varies for that strength (Seurat's "
        "normalized dispersion). Only the highly variable ones take part in the clustering; they should stand out at "
        f"every strength. Highly variable genes{' of the first groups' if len(genes) > 4 else ''}: {counts}. "
        f"{drawn:,} of {total:,} points are drawn. From <code>groups/&#42;/&#42;.h5ad</code> (<code>var</code>).",
        EXPRESSION,
        points(
            datasets,
            id="variable_genes",
            title="Highly variable genes",
            x_label="Mean expression",
            y_label="Normalized dispersion",
        ),
    )


def _clouds(table: pd.DataFrame, share: float) -> dict[str, Cloud]:
    clouds: dict[str, Cloud] = {}
    for name, (chosen, color) in _CLOUDS.items():
        cloud = table[table["highly_variable"] == chosen].sort_values("mean", kind="stable")
        if len(cloud):
            drawn = cloud.iloc[thin(len(cloud), share)]
            places = zip(drawn["mean"], drawn["dispersion"], strict=True)
            clouds[name] = (color, [(round(x, 3), round(y, 2)) for x, y in places])
    return clouds
