"""Counts summed by cluster and sample.

Samples, not cells, are the replicates (Squair et al. 2021).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from ..blocks import row_blocks
from ..expression.merge import MEASURED
from .clustered import CLUSTER
from .design import Design


def pseudobulk(adata: ad.AnnData, *, groupby: str = CLUSTER, sample: str = "sample") -> ad.AnnData:
    """Return the counts summed by cluster and sample.

    Parameters
    ----------
    adata
        Raw counts in ``layers['counts']``.
    groupby, sample
        Columns of ``obs`` with the clusters and samples.

    Returns
    -------
    One row per pair that has cells, in the order of clusters and samples, named
    ``<cluster>|<sample>``: ``X`` the sums (CSR), ``obs`` ``cluster``, ``sample`` and ``n_cells``,
    ``var`` the genes.
    """
    clusters = pd.Categorical(adata.obs[groupby])
    samples = pd.Categorical(adata.obs[sample].astype(str))
    codes = clusters.codes.astype(int) * len(samples.categories) + samples.codes
    pairs, places, sizes = np.unique(codes, return_inverse=True, return_counts=True)
    rows, columns = np.divmod(pairs, len(samples.categories))
    obs = pd.DataFrame(
        {
            "cluster": clusters.categories.astype(str).to_numpy()[rows],
            "sample": samples.categories.to_numpy()[columns],
            "n_cells": sizes,
        }
    )
    obs.index = pd.Index(obs["cluster"] + "|" + obs["sample"])
    sums = sparse.csr_matrix((len(pairs), adata.n_vars), dtype=np.int64)
    for cells, counts in row_blocks(adata.layers["counts"]):
        sums += members_of(places[cells], len(pairs)) @ counts
    kept = [column for column in ("gene_ids", "gene_symbols", MEASURED) if column in adata.var]
    return ad.AnnData(sparse.csr_matrix(sums), obs=obs, var=adata.var[kept].copy())


def members_of(rows: NDArray[np.intp], n_rows: int) -> sparse.csr_matrix:
    """Return the matrix that sums cells up by their rows (rows x cells, int64)."""
    ones = np.ones(len(rows), dtype=np.int64)
    return sparse.csr_matrix((ones, (rows, np.arange(len(rows)))), shape=(n_rows, len(rows)))


def with_columns(bulk: ad.AnnData, rows: Sequence[Mapping[str, Any]], design: Design) -> None:
    """Add the design's columns of the samplesheet to `bulk`, under names that HDF5 can hold."""
    taken = set(bulk.obs)
    for column in design.columns:
        of_samples = {
            str(row["sample"]): str((row.get("extra") or {}).get(column) or "") for row in rows
        }
        name = f"samplesheet_{column}" if column in taken else column
        bulk.obs[name] = bulk.obs["sample"].map(of_samples)
