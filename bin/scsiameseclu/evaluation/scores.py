"""Scores of clusters: separation, stability, and agreement with a gold standard."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import anndata as ad
import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score

from ..annotation.clustered import CLUSTER
from ..annotation.markers import find_markers
from ..blocks import opened
from ..contracts import LABEL, ClusteringSummary, ClusterMarkers, MarkerAgreement, Scores
from ..files import read_json, read_table, write_json, write_table
from ..steps import Step

METHOD = "scsiameseclu"
MOST_CELLS = 10_000
"""Above this, the silhouette is that of a sample of this many cells: it needs all pairs of
distances."""

Array = np.ndarray[Any, Any]


def score(
    *, prefix: str, annotated: Path, summary: Path, comparison: Path, top_n_markers: int = 50
) -> None:
    """Score the clusters of a group; writes ``<prefix>.metrics.json``.

    With a gold standard it also writes ``<prefix>.contingency.tsv`` (label x cluster, cells).

    Parameters
    ----------
    prefix
        Id of the group.
    annotated
        ``<group>.h5ad``; with a gold standard in ``obs['label']`` if there is one.
    summary
        ``<group>.clustering.json``.
    comparison
        ``<group>.comparison.tsv``: barcode and one column of clusters per method.
    top_n_markers
        Strongest markers of a cluster that are compared with those of its gold type.
    """
    methods = read_table(comparison, dtype=str).set_index("barcode")
    clustering = cast("ClusteringSummary", read_json(summary))
    with opened(annotated) as adata:
        metrics = _metrics(adata, methods.loc[adata.obs_names], clustering, top_n_markers)
        if (gold := adata.obs.get(LABEL)) is not None:
            write_table(contingency(gold, adata.obs[CLUSTER]), f"{prefix}.contingency.tsv")
    write_json(metrics, f"{prefix}.metrics.json")


def _metrics(
    adata: ad.AnnData, methods: pd.DataFrame, clustering: ClusteringSummary, top_n_markers: int
) -> dict[str, Any]:
    gold = adata.obs.get(LABEL)
    metrics: dict[str, Any] = {
        "n_cells": adata.n_obs,
        "n_genes": adata.n_vars,
        "stability_ari": clustering["stability_ari"],
        "device": clustering["device"],
        "seconds": clustering["seconds"],
        "peak_memory_mb": clustering["peak_memory_mb"],
        **score_clusters(adata.obs[CLUSTER].astype(str), adata.obsm["X_pca"], gold),
        "comparison": {
            name: score_clusters(methods[name], adata.obsm["X_pca"], gold)
            for name in methods
            if name != METHOD
        },
        "agreement": agreement(methods),
    }
    if gold is not None:
        metrics["n_labelled"] = int(gold.notna().sum())
        metrics["marker_agreement"] = marker_agreement(adata, gold, top_n=top_n_markers)
    return metrics


def score_clusters(clusters: pd.Series, embedding: Array, gold: pd.Series | None) -> Scores:
    """Return ``n_clusters``, ``silhouette`` and, with a gold standard, ``acc nmi ari``.

    Parameters
    ----------
    clusters
        Cluster of each cell.
    embedding
        Cells x dimensions, for the silhouette.
    gold
        Gold standard of the same cells; those without one are left out of ``acc``, ``nmi`` and
        ``ari``, which are None if no cell has one.
    """
    result: Scores = {
        "n_clusters": int(clusters.nunique()),
        "silhouette": silhouette(clusters.to_numpy(), embedding),
    }
    if gold is not None:
        labelled = gold.notna().to_numpy()
        result |= {"acc": None, "nmi": None, "ari": None}
        if labelled.any():
            truth, found = (
                gold[labelled].to_numpy(dtype=str),
                clusters[labelled].to_numpy(dtype=str),
            )
            result["acc"] = accuracy(truth, found)
            result["nmi"] = float(normalized_mutual_info_score(truth, found))
            result["ari"] = float(adjusted_rand_score(truth, found))
    return result


def marker_agreement(adata: ad.AnnData, gold: pd.Series, *, top_n: int = 50) -> MarkerAgreement:
    """Return how many of each cluster's strongest markers are among those of its gold type.

    The figure of Xu et al. (scSiameseClu, IJCAI 2025): the gold type of a cluster is the label of
    most of its cells, and the share is that of the cluster's `top_n` markers which are among the
    type's `top_n`.

    Parameters
    ----------
    adata
        Raw counts in ``layers['counts']``, in memory or on disk; clusters in ``obs['cluster']``.
    gold
        Gold standard of the cells; those without one are left out on both sides.
    top_n
        Markers of each that are compared: higher in the cluster, strongest first, as in
        ``markers.tsv``.

    Returns
    -------
    ``top_n``, ``mean`` over the clusters that have markers (None without any), and ``clusters``:
    ``label`` and ``share`` of each, None if a cluster has no labelled cell or no marker.
    """
    known = gold.notna()
    groups = {
        CLUSTER: adata.obs[CLUSTER].where(known),
        "gold": pd.Categorical(gold.astype(str).where(known)),
    }
    labelled = ad.AnnData(
        obs=pd.DataFrame(groups), var=adata.var[[]], layers={"counts": adata.layers["counts"]}
    )
    tops = {
        key: _top(find_markers(labelled, groupby=key, only_pos=True, exact=True), top_n)
        for key in (CLUSTER, "gold")
    }
    clusters: dict[str, ClusterMarkers] = {}
    for cluster in adata.obs[CLUSTER].cat.categories:
        sizes = labelled.obs.loc[labelled.obs[CLUSTER] == cluster, "gold"].value_counts()
        label = str(sizes.index[0]) if sizes.sum() else None
        ours, theirs = tops[CLUSTER].get(str(cluster), set()), tops["gold"].get(label, set())
        clusters[str(cluster)] = {
            "label": label,
            "share": len(ours & theirs) / len(ours) if ours else None,
        }
    shares = [found["share"] for found in clusters.values() if found["share"] is not None]
    return {
        "top_n": top_n,
        "mean": float(np.mean(shares)) if shares else None,
        "clusters": clusters,
    }


def _top(markers: pd.DataFrame, top_n: int) -> dict[str | None, set[str]]:
    return {
        str(name): set(rows["gene"].head(top_n))
        for name, rows in markers.groupby("cluster", sort=False)
    }


def accuracy(truth: Array, found: Array) -> float:
    """Return the share of right cells under the best one-to-one match of clusters and labels."""
    table = pd.crosstab(truth, found).to_numpy()
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / len(truth))


def silhouette(clusters: Array, embedding: Array) -> float | None:
    """Return the mean silhouette.

    None unless there are at least two clusters and fewer clusters than cells.

    Of more than 10,000 cells a fixed sample is used.
    """
    if len(clusters) > MOST_CELLS:
        sample = np.sort(np.random.default_rng(0).choice(len(clusters), MOST_CELLS, replace=False))
        clusters, embedding = clusters[sample], embedding[sample]
    if not 2 <= len(set(clusters)) < len(clusters):
        return None
    return float(silhouette_score(embedding, clusters))


def agreement(methods: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the adjusted Rand index between every two methods (columns)."""
    names = [str(name) for name in methods]
    return {
        one: {other: float(adjusted_rand_score(methods[one], methods[other])) for other in names}
        for one in names
    }


def contingency(gold: pd.Series, clusters: pd.Series) -> pd.DataFrame:
    """Return cells of each label (rows, column ``label``) in each cluster, by category order."""
    labelled = gold.notna().to_numpy()
    found = pd.Categorical(clusters[labelled], categories=clusters.cat.categories)
    table = pd.crosstab(gold[labelled].to_numpy(dtype=str), found, dropna=False)
    table.columns = [str(column) for column in table.columns]
    return table.rename_axis("label").reset_index()


STEP = Step(score, isolate=True)
