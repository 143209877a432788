"""Reduce a group's expression to what the report shows: variable genes, markers."""

from __future__ import annotations

from collections.abc import Sequence

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from ..blocks import row_blocks
from .inputs import natural

MARKERS_PER_CLUSTER = 3
_STATISTICS = {"means": "mean", "dispersions_norm": "dispersion"}


def variable_genes(group: ad.AnnData) -> pd.DataFrame:
    """Return gene, mean, (normalized) dispersion and highly_variable, where there is dispersion."""
    if not {*_STATISTICS, "highly_variable"} <= set(group.var.columns):
        return pd.DataFrame(columns=["gene", *_STATISTICS.values(), "highly_variable"])
    table: pd.DataFrame = group.var[[*_STATISTICS, "highly_variable"]].rename(columns=_STATISTICS)
    table = table[np.isfinite(table["dispersion"])].rename_axis("gene")
    return table.reset_index()


def marker_profiles(group: ad.AnnData, genes: Sequence[str]) -> pd.DataFrame:
    """Return the share of cells with each gene, and its mean expression, in each cluster.

    Parameters
    ----------
    group
        Log-normalized X (cells x genes, in memory or on disk), obs cluster.
    genes
        Names of genes of `group`.

    Returns
    -------
    Columns cluster, gene, share (0 to 1) and mean (over all cells of the cluster); clusters in
    natural order, genes in the order given.
    """
    clusters = pd.Categorical(group.obs["cluster"].astype(str))
    names = sorted(clusters.categories, key=natural)
    places = group.var_names.get_indexer(genes)
    members = sparse.csr_matrix(pd.get_dummies(clusters, dtype=float)[names].to_numpy().T)
    members = sparse.csr_matrix(sparse.diags(1 / members.sum(axis=1).A1) @ members)
    share, mean = np.zeros((2, len(names), len(genes)))
    for cells, rows in row_blocks(group.X):
        values = rows[:, places].astype(float)
        share += (members[:, cells] @ (values > 0)).toarray()
        mean += (members[:, cells] @ values).toarray()
    return pd.DataFrame(
        {
            "cluster": np.repeat(names, len(genes)),
            "gene": np.tile(np.asarray(genes, dtype=object), len(names)),
            "share": share.ravel(),
            "mean": mean.ravel(),
        }
    )


def top_markers(markers: pd.DataFrame, known: set[str]) -> list[str]:
    """Return each cluster's strongest markers in turn, each gene once, if in the data."""
    usable = markers[markers["gene"].isin(known)]
    heads = usable.groupby("cluster", sort=False).head(MARKERS_PER_CLUSTER)
    return list(dict.fromkeys(heads["gene"]))
