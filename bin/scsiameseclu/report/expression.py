"""Expression in the report: the genes that vary most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .chapters import EXPRESSION
from .content import Column, Section, paragraph, points, table, thin
from .palette import UNKNOWN, cluster_color

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from .content import Cloud
    from .inputs import Run

_CLOUDS = {"Highly variable": (True, cluster_color(0)), "Other genes": (False, UNKNOWN)}


def sections(run: Run, *, max_points: int) -> Iterator[Section]:
    """Return what samples lost in their group, and the variable genes.

    `max_points` genes are drawn, all groups together.
    """
    yield from _joined(run)
    genes = {group: found for group in run.finished if (found := group.genes) is not None and len(found)}
    if not genes:
        return
    total = sum(map(len, genes.values()))
    share = min(1.0, max_points / total)
    datasets = {group.label: _clouds(found, share) for group, found in genes.items()}
    counts = ", ".join(f"{found['highly_variable'].sum():,} of {len(found):,}" for found in list(genes.values())[:4])
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


def _joined(run: Run) -> Iterator[Section]:
    rows = {
        group.label: {
            "genes": "all of any sample" if group.expression.get("genes") == "outer" else "those of all samples",
            "count": group.expression.get("n_genes_in"),
            "notes": paragraph(" ".join(map(str, notes)), length=1200),
        }
        for group in run.finished
        if (notes := group.expression.get("notes"))
    }
    if not rows:
        return
    yield Section(
        "group_genes",
        "Genes of the groups",
        "Groups whose samples have different genes, or with something else to know about how they were joined. "
        "<code>--genes outer</code> keeps genes that only some of the samples have. From "
        "<code>pipeline_info/expression/&#42;.json</code>.",
        EXPRESSION,
        table(
            rows,
            {
                "genes": Column("Genes kept", "By --genes"),
                "count": Column("Genes", "Genes of the joined samples", format="{:,d}"),
                "notes": Column("Notes", "What was left out, and why"),
            },
            id="group_genes",
            title="Genes of the groups",
            first="Group",
        ),
    )


def _clouds(genes: pd.DataFrame, share: float) -> dict[str, Cloud]:
    clouds: dict[str, Cloud] = {}
    for name, (chosen, color) in _CLOUDS.items():
        cloud = genes[genes["highly_variable"] == chosen].sort_values("mean", kind="stable")
        if len(cloud):
            drawn = cloud.iloc[thin(len(cloud), share)]
            places = zip(drawn["mean"], drawn["dispersion"], strict=True)
            clouds[name] = (color, [(round(x, 3), round(y, 2)) for x, y in places])
    return clouds
