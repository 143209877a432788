"""Clusters within clusters: partitions and tree anew from the cells of a chosen cluster alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.preprocessing import normalize as unit_rows
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ..clustering.consensus.batches import corrected
from ..clustering.consensus.levels import DETAIL, by_falling_size, consensus_clustering, levels
from ..clustering.consensus.neighbors import Neighbors
from ..clustering.consensus.sketch import MAX_CELLS, sketch
from ..contracts import BATCH
from ..errors import InputError, quoted
from ..expression.normalize import normalize
from ..files import below_each_other, read_json, read_table, write_json, write_table
from ..steps import Step
from ..threads import n_threads
from .clustered import CLUSTER, SUBCLUSTER, UNCORRECTED, clustered
from .markers import COLUMNS, SeuratVersion, find_markers
from .options import Annotation, Clustering, Expression, Prefix, Seed

Integers = NDArray[np.int64]


ALL = "all"
FEWEST_CELLS = 50
"""Smaller clusters are not divided."""
LARGEST_P_VALUE = 0.01
"""Adjusted p-value below which a marker counts in the table."""
TABLE = ["cluster", "cell_type", "cluster_sub", "n_cells", "stability", "n_markers", "note"]


@dataclass(frozen=True)
class Division:
    """The subclusters of a cluster.

    Parameters
    ----------
    labels
        Subcluster of each cell of the cluster, 0 .. k - 1 by falling size.
    stability
        Of each: the mean, over the partitions, of its best Jaccard index with one of their
        clusters; None for a cluster that is not divided.
    note
        Why it is not divided, or empty.
    """

    labels: Integers
    stability: Sequence[float | None]
    note: str = ""


def subclusters(
    *,
    prefix: Prefix,
    expression: Expression,
    clustering: Clustering,
    annotation: Annotation,
    chosen: Path,
    cluster_detail: float = DETAIL,
    seed: Seed = 0,
    min_pct: float | None = None,
    logfc_threshold: float | None = None,
    only_pos: bool = False,
    seurat_compat: SeuratVersion = "5",
) -> None:
    """Divide the chosen clusters of a group.

    Writes ``<prefix>.cluster_sub.tsv`` (barcode, cluster_sub), ``<prefix>.subclusters.tsv``
    (cluster cell_type cluster_sub n_cells stability n_markers note), ``<prefix>.submarkers.tsv``
    (the columns of ``markers.tsv``; ``cluster`` is the subcluster, and the rest are its siblings)
    and ``<prefix>.subclusters.json`` (requested names, notes).

    Parameters
    ----------
    chosen
        JSON with ``subcluster``: names of clusters and cell types, separated by commas, or all.
    cluster_detail
        Where the tree of a cluster is cut: 0 coarse, 1 fine.
    min_pct, logfc_threshold, only_pos, seurat_compat
        As of the markers of clusters.
    """
    asked = str(read_json(chosen)["subcluster"])
    types = read_table(annotation, dtype={"cluster": str, "cell_type": str})
    names = dict(zip(types["cluster"], types["cell_type"], strict=True))
    with clustered(expression, clustering) as adata:
        wanted, notes = chosen_clusters(asked, names)
        divisions = divide(adata, wanted, detail=cluster_detail, seed=seed)
        adata.obs[SUBCLUSTER] = named(adata.obs[CLUSTER], divisions)
        markers = sibling_markers(
            adata,
            [name for name, division in divisions.items() if not division.note],
            min_pct=min_pct,
            logfc_threshold=logfc_threshold,
            only_pos=only_pos,
            seurat_compat=seurat_compat,
            exact=True,
            threads=n_threads(),
        )
        cells = adata.obs[[SUBCLUSTER]].rename_axis("barcode").reset_index()
    write_table(cells, f"{prefix}.{SUBCLUSTER}.tsv")
    write_table(_summed_up(divisions, names, markers), f"{prefix}.subclusters.tsv")
    write_table(markers, f"{prefix}.submarkers.tsv")
    write_json({"subcluster": asked, "notes": notes}, f"{prefix}.subclusters.json")


def chosen_clusters(asked: str, types: dict[str, str]) -> tuple[list[str], list[str]]:
    """Return the requested clusters, and a note on each unknown name.

    Parameters
    ----------
    asked
        Names of clusters or cell types, in any capitals, separated by commas; ``all`` is all.
    types
        Cell type of each cluster.
    """
    own = {name: {name.casefold(), kind.casefold()} for name, kind in types.items()}
    wanted = [asked.strip()]
    if not any(wanted[0].casefold() in names for names in own.values()):
        wanted = [name for part in asked.split(",") if (name := part.strip())]
    folded = {name.casefold() for name in wanted}
    everything = ALL in folded or not folded
    found = [name for name, names in own.items() if everything or folded & names]
    known = set().union(*own.values()) | {ALL} if own else {ALL}
    notes = [
        f"No cluster or cell type of this group is called {quoted(name)}."
        for name in wanted
        if name.casefold() not in known
    ]
    return found, notes


def divide(
    adata: ad.AnnData, wanted: Iterable[str], *, detail: float = DETAIL, seed: int = 0
) -> dict[str, Division]:
    """Return the division of each wanted cluster.

    Parameters
    ----------
    adata
        Raw counts in ``layers['counts']``, in memory or on disk; ``obs['cluster']``; where batches
        were corrected ``obs['cluster_uncorrected']``, and ``obs['batch']``.
    wanted
        Clusters.
    detail
        Where their trees are cut.
    seed
        Seed of all randomness.
    """
    clusters = adata.obs[CLUSTER].astype(str).to_numpy()
    batches = np.zeros(adata.n_obs, dtype=np.int64)
    if UNCORRECTED in adata.obs:
        batches = np.unique(adata.obs[BATCH].astype(str), return_inverse=True)[1]
    found = {}
    for name in wanted:
        cells = np.flatnonzero(clusters == name)
        if len(cells) < FEWEST_CELLS:
            found[name] = _whole(len(cells), f"not divided: fewer than {FEWEST_CELLS} cells")
            continue
        counts = csr_matrix(adata.layers["counts"][cells])
        own = np.unique(batches[cells], return_inverse=True)[1]
        found[name] = division_of(counts, own, detail=detail, seed=seed)
    return found


def division_of(
    counts: csr_matrix, batches: Integers, *, detail: float = DETAIL, seed: int = 0
) -> Division:
    """Return the subclusters of a cluster's cells by the consensus of their partitions.

    Of more than 20,000 cells a sketch is divided, and the others are placed by their nearest ones.

    Parameters
    ----------
    counts
        Raw counts of the cluster's cells.
    batches
        Batch of each, 0, 1 ...; differences between these are corrected.
    detail
        Where the tree is cut.
    seed
        Seed of all randomness.
    """
    n = counts.shape[0]
    with threadpool_limits(1):
        try:
            expression = normalize(ad.AnnData(counts), random_state=seed)
        except InputError:
            return _whole(n, "not divided: too few genes are detected in its cells")
        scores = np.asarray(expression.obsm["X_pca"], dtype=np.float32)
        several = bool(batches.any())
        cells = sketch(batches, MAX_CELLS, random_state=seed)
        consensus = consensus_clustering(
            csr_matrix(expression.layers["counts"])[cells].astype(np.float32),
            highly_variable=expression.var["highly_variable"].to_numpy(),
            detail=detail,
            random_state=seed,
            batches=batches[cells] if several else None,
        )
        if consensus.n_clusters == 1:
            return _whole(n, "not divided: the partitions agree on no division of it")
        nodes = levels(consensus.dendrogram, detail=detail)[1]
        if len(cells) < n:
            scores = corrected(scores, batches, random_state=seed) if several else scores
            nodes = Neighbors.spread(nodes, cells, unit_rows(scores))
    labels = by_falling_size(nodes)
    stability = consensus.dendrogram.stability(consensus.partitions.labels)
    first = np.unique(labels, return_index=True)[1]
    return Division(labels, stability[nodes[first]].tolist())


def _whole(n_cells: int, note: str) -> Division:
    return Division(np.zeros(n_cells, dtype=np.int64), [None], note)


def named(clusters: pd.Series, divisions: dict[str, Division]) -> pd.Categorical:
    """Return each cell's subcluster: ``3.1``, ``3.2`` ... by falling size, or the cluster.

    Parameters
    ----------
    clusters
        Categorical; its order is kept.
    divisions
        By cluster.
    """
    names = clusters.astype(str).to_numpy(dtype=object)
    order: list[str] = []
    for name in map(str, clusters.cat.categories):
        division = divisions.get(name)
        parts = _parts(name, division) if division else [name]
        if division:
            names[names == name] = np.array(parts, dtype=object)[division.labels]
        order += parts
    return pd.Categorical(names, categories=order)


def _parts(name: str, division: Division) -> list[str]:
    """Return the names of the subclusters of a cluster; its own if it is not divided."""
    if division.note:
        return [name]
    return [f"{name}.{part + 1}" for part in range(len(division.stability))]


def sibling_markers(adata: ad.AnnData, clusters: Iterable[str], **options: Any) -> pd.DataFrame:
    """Return the markers of each subcluster against the other cells of its cluster.

    Parameters
    ----------
    adata
        As of :func:`.markers.find_markers`, with ``obs['cluster_sub']``.
    clusters
        Those that were divided.
    options
        Of :func:`.markers.find_markers`.
    """
    tables = []
    for name in clusters:
        inside = adata.obs[CLUSTER].astype(str) == name
        own = adata.obs[SUBCLUSTER].where(inside).cat.remove_unused_categories()
        siblings = ad.AnnData(
            adata.X,
            obs=pd.DataFrame({CLUSTER: own}, index=adata.obs_names),
            var=adata.var[[]],
            layers={"counts": adata.layers["counts"]},
        )
        tables.append(find_markers(siblings, **options))
    return below_each_other(tables, COLUMNS)


def _summed_up(
    divisions: dict[str, Division], types: dict[str, str], markers: pd.DataFrame
) -> pd.DataFrame:
    """Return a row for every subcluster, and for every cluster that is not divided."""
    strong = markers[(markers["p_val_adj"] < LARGEST_P_VALUE) & (markers["avg_log2FC"] > 0)]
    n_markers = strong["cluster"].value_counts()
    rows = []
    for name, division in divisions.items():
        sizes = np.bincount(division.labels)
        for part, stability, size in zip(
            _parts(name, division), division.stability, sizes, strict=True
        ):
            rows.append(
                {
                    "cluster": name,
                    "cell_type": types[name],
                    "cluster_sub": part,
                    "n_cells": int(size),
                    "stability": None if stability is None else round(stability, 4),
                    "n_markers": None if division.note else int(n_markers.get(part, 0)),
                    "note": division.note,
                }
            )
    table = pd.DataFrame(rows, columns=TABLE)
    return table.astype({"n_markers": "Int64"})


STEP = Step(subclusters, isolate=True)
