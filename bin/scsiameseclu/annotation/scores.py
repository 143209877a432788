"""Scores of a clustering: how well it separates, how stable it is, and, with a gold standard, how right it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score

from ..files import read_json, read_table, write_json, write_table
from .clustered import CLUSTER, read_clustered, read_labels

METHOD = "scsiameseclu"
MOST_CELLS = 10_000
"""Above this, the silhouette is that of a sample of this many cells: it needs all pairs of distances."""

Array = np.ndarray[Any, Any]


def scores(
    *,
    prefix: str,
    expression: Path,
    clustering: Path,
    summary: Path,
    comparison: Path,
    labels: list[Path] | None = None,
) -> None:
    """Write ``<prefix>.metrics.json`` and, with labels, ``<prefix>.contingency.tsv`` (label x cluster, cells).

    Parameters
    ----------
    prefix
        Id of the group.
    expression
        ``<group>.expression.h5ad``.
    clustering
        ``<group>.clustering.h5ad``.
    summary
        ``<group>.clustering.json``.
    comparison
        ``<group>.comparison.tsv``: barcode and one column of clusters per method.
    labels
        ``<sample>.labels.tsv`` (barcode label) of the group's samples that have a gold standard.
    """
    adata = read_clustered(expression, clustering)
    told = read_json(summary)
    gold = read_labels(labels or [], adata.obs_names)
    methods = read_table(comparison, dtype=str).set_index("barcode").loc[adata.obs_names]
    metrics = {
        "n_cells": adata.n_obs,
        "n_genes": adata.n_vars,
        **{key: told[key] for key in ("stability_ari", "device", "seconds", "peak_memory_mb")},
        **score_clusters(adata.obs[CLUSTER].astype(str), adata.obsm["X_pca"], gold),
        "comparison": {
            name: score_clusters(methods[name], adata.obsm["X_pca"], gold) for name in methods if name != METHOD
        },
        "agreement": agreement(methods),
    }
    if gold is not None:
        metrics["n_labelled"] = int(gold.notna().sum())
        write_table(contingency(gold, adata.obs[CLUSTER]), f"{prefix}.contingency.tsv")
    write_json(metrics, f"{prefix}.metrics.json")


def score_clusters(clusters: pd.Series, embedding: Array, gold: pd.Series | None) -> dict[str, Any]:
    """Return ``n_clusters``, ``silhouette`` and, with a gold standard, ``acc``, ``nmi`` and ``ari``.

    Parameters
    ----------
    clusters
        Cluster of each cell.
    embedding
        Cells x dimensions, for the silhouette.
    gold
        Gold standard of the same cells; those without one are left out of ``acc``, ``nmi`` and ``ari``, which are None
        if no cell has one.
    """
    result: dict[str, Any] = {
        "n_clusters": int(clusters.nunique()),
        "silhouette": silhouette(clusters.to_numpy(), embedding),
    }
    if gold is not None:
        labelled = gold.notna().to_numpy()
        result |= dict.fromkeys(("acc", "nmi", "ari"))
        if labelled.any():
            truth, found = gold[labelled].to_numpy(dtype=str), clusters[labelled].to_numpy(dtype=str)
            result["acc"] = accuracy(truth, found)
            result["nmi"] = float(normalized_mutual_info_score(truth, found))
            result["ari"] = float(adjusted_rand_score(truth, found))
    return result


def accuracy(truth: Array, found: Array) -> float:
    """Return the share of cells that are right when each cluster stands for one label, in the best way of pairing."""
    table = pd.crosstab(truth, found).to_numpy()
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / len(truth))


def silhouette(clusters: Array, embedding: Array) -> float | None:
    """Return the mean silhouette, or None unless there are at least two clusters and fewer clusters than cells.

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
    return {one: {other: float(adjusted_rand_score(methods[one], methods[other])) for other in names} for one in names}


def contingency(gold: pd.Series, clusters: pd.Series) -> pd.DataFrame:
    """Return the cells of each label (rows, column ``label``) in each cluster (columns in the categories' order)."""
    labelled = gold.notna().to_numpy()
    found = pd.Categorical(clusters[labelled], categories=clusters.cat.categories)
    table = pd.crosstab(gold[labelled].to_numpy(dtype=str), found, dropna=False)
    table.columns = [str(column) for column in table.columns]
    return table.rename_axis("label").reset_index()
