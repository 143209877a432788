"""A second opinion on cell types: SingleR with the reference, and a model of CellTypist."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import pandas as pd

from ..contracts import CELLTYPIST_TYPE, SINGLER_TYPE
from ..errors import InputError, Problem, collected
from ..files import read_table, write_table
from ..steps import Step
from .agreement import UNKNOWN, agreement
from .celltypist import Model, celltypist_types
from .clustered import CLUSTER, clustered
from .options import Annotation, Clustering, Expression, Prefix
from .singler import singler_types

SMALLEST_SHARE = 0.5
"""Share of a cluster's cells that a type must have to count as an opinion."""
AGREES, DISAGREES, NO_OPINION = "agrees", "disagrees", "no opinion"
SOURCES = {"SingleR": SINGLER_TYPE, "CellTypist": CELLTYPIST_TYPE}
"""Source of an opinion -> its column of ``obs``."""
COLUMNS = [
    *("cluster", "n_cells", "cell_type", "source", "opinion", "share", "mean_score", "mean_delta"),
    "agreement",
]


def opinion(
    *,
    prefix: Prefix,
    expression: Expression,
    clustering: Clustering,
    annotation: Annotation,
    labelled: Path | None = None,
    model: Path | None = None,
    seed: int = 0,
) -> None:
    """Write ``<prefix>.second_opinion.tsv`` and ``<prefix>.opinions.tsv``.

    The first has a row per cluster and source, the second (barcode, singler_type and
    celltypist_type) a row per cell. If one source cannot be used, the other's are written before
    the error is raised.

    Parameters
    ----------
    labelled
        The checked reference, for SingleR. Default: none was given.
    model
        The checked model, for CellTypist. Default: none was given.
    seed
        Seed of SingleR's profiles of the reference.
    """
    types = read_table(annotation, dtype={"cluster": str, "cell_type": str})
    problems: list[Problem] = []
    found: dict[str, pd.DataFrame] = {}
    with clustered(expression, clustering) as adata:
        calls = {
            "SingleR": labelled
            and (lambda: singler_types(adata, ad.read_h5ad(labelled), seed=seed)),
            "CellTypist": model and (lambda: celltypist_types(adata, Model.read(model))),
        }
        for source, call in calls.items():
            with collected(problems):
                if call:
                    found[source] = call()
        clusters = adata.obs[CLUSTER]
    if found:
        tables = [second_opinion(cells, clusters, types, of) for of, cells in found.items()]
        write_table(pd.concat(tables), f"{prefix}.second_opinion.tsv")
        columns = {SOURCES[source]: cells["type"] for source, cells in found.items()}
        cells = pd.DataFrame(columns, index=clusters.index)
        write_table(cells.rename_axis("barcode").reset_index(), f"{prefix}.opinions.tsv")
    if problems:
        raise InputError(problems)


def second_opinion(
    cells: pd.DataFrame, clusters: pd.Series[str], annotation: pd.DataFrame, source: str
) -> pd.DataFrame:
    """Return a row per cluster with the most frequent type of its cells.

    Parameters
    ----------
    cells
        Columns type, score and delta of each cell.
    clusters
        Cluster of each cell, categorical, in the same order.
    annotation
        Columns cluster and cell_type.
    source
        What the types are from.
    """
    named = dict(zip(annotation["cluster"], annotation["cell_type"], strict=True))
    rows = []
    for cluster, members in cells.groupby(clusters.set_axis(cells.index), observed=True):
        sizes = members["type"].value_counts()
        # Of types with as many cells, the first by name.
        most = min(sizes.index[sizes == sizes.max()])
        own, share = str(named.get(str(cluster), UNKNOWN)), sizes.max() / len(members)
        row = [str(cluster), len(members), own, source, most, share]
        means = [members["score"].mean(), members["delta"].mean()]
        alike = agreement(own, str(most)) if share >= SMALLEST_SHARE else ""
        rows.append([*row, *means, {"yes": AGREES, "no": DISAGREES}.get(alike, NO_OPINION)])
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.round({"share": 4, "mean_score": 4, "mean_delta": 4})


STEP = Step(opinion, isolate=True)
