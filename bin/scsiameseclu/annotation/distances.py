"""How far the samples of a group are from each other, by their counts summed within cell types."""

from __future__ import annotations

from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..expression.merge import MEASURED
from .pseudobulk import pseudobulk

FEWEST_CELLS = 10
"""Cells of a type that a sample must have to be compared in it."""

PRIOR = 2.0
"""Counts that are added to each gene of a profile of mean depth: edgeR's default."""


def sample_distances(adata: ad.AnnData, types: NDArray[np.object_]) -> pd.DataFrame:
    """Return the distance between each two samples.

    It is 1 - Pearson's correlation of the logarithm of counts per million of the highly variable
    genes that all samples were measured for, within each cell type of which both have at least 10
    cells, averaged with the smaller number of cells as the weight. If two samples share no such
    type, all are compared by the sums over all of their cells.

    Parameters
    ----------
    adata
        Raw counts in ``layers['counts']``, ``obs['sample']``, ``var['highly_variable']`` and, where
        samples were measured for different genes, ``var['in_all_samples']``.
    types
        Cell type of each cell.

    Returns
    -------
    Columns ``sample other distance n_cell_types``, a row per pair; the last is the number of types
    compared within, 0 where all cells are summed.
    """
    samples = pd.Index(sorted(adata.obs["sample"].astype(str).unique()))
    distances, shared = _distances(adata, types, samples, fewest=FEWEST_CELLS)
    if not shared.all():
        distances, _ = _distances(adata, np.full(adata.n_obs, "", dtype=object), samples, fewest=1)
        shared = np.zeros_like(shared)
    first, second = np.triu_indices(len(samples), k=1)
    return pd.DataFrame(
        {
            "sample": samples[first],
            "other": samples[second],
            "distance": distances[first, second].round(6),
            "n_cell_types": shared[first, second],
        }
    )


def _distances(
    adata: ad.AnnData, types: NDArray[np.object_], samples: pd.Index, *, fewest: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return samples x samples: their mean distance, and the number of types compared."""
    cells = ad.AnnData(
        obs=adata.obs[["sample"]].astype(str).assign(type=pd.Categorical(types)),
        var=adata.var,
        layers={"counts": adata.layers["counts"]},
    )
    bulk = pseudobulk(cells, groupby="type")
    chosen = adata.var["highly_variable"].to_numpy(bool)
    if MEASURED in adata.var:
        # Elsewhere a zero is not a count.
        measured = adata.var[MEASURED].to_numpy(bool)
        bulk, chosen = bulk[:, measured].copy(), chosen[measured]
    sizes = bulk.obs["n_cells"].to_numpy(int)
    places = samples.get_indexer(bulk.obs["sample"])
    total, weight = np.zeros((2, len(samples), len(samples)))
    shared = np.zeros(total.shape, dtype=np.int64)
    for name in bulk.obs["cluster"].unique():
        rows = np.flatnonzero((bulk.obs["cluster"] == name) & (sizes >= fewest))
        if len(rows) < 2:
            continue
        pairs = np.ix_(places[rows], places[rows])
        smaller = np.minimum.outer(sizes[rows], sizes[rows])
        profiles = _unit_profiles(bulk.X[rows], chosen if chosen.any() else ~chosen)
        total[pairs] += smaller * (1 - profiles @ profiles.T)
        weight[pairs] += smaller
        shared[pairs] += 1
    np.fill_diagonal(shared, 1)
    return total / np.maximum(weight, 1), shared


def _unit_profiles(sums: Any, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return log counts per million of the chosen genes, with mean 0 and length 1 in each row.

    As in edgeR, a prior count is added to each gene, because few counts are noise.
    """
    depth = np.maximum(np.asarray(sums.sum(axis=1), dtype=float).reshape(-1, 1), 1)
    values = np.log(sums[:, chosen].toarray() * (1e6 / depth) + PRIOR * 1e6 / depth.mean())
    values -= values.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.where(lengths > 0, lengths, 1))
