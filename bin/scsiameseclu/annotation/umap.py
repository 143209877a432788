"""Two coordinates per cell for plots: UMAP of the embedding in which clusters were found."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from scipy.sparse import SparseEfficiencyWarning
from sklearn.neighbors import KNeighborsRegressor

from ..compiled import keep_compiled
from ..contracts import CORRECTED_PCA
from ..files import write_table
from ..steps import Step
from .clustered import EMBEDDING, UNCORRECTED_UMAP, clustered
from .options import Expression, Prefix, Seed

FEWEST_CELLS = 15
"""Below this, neighborhoods would be the whole data set: the first two principal components serve
instead."""
NEIGHBORS = 15
LAID_OUT = 50_000
"""Cells that are laid out; of more a random sample is, and each other cell lies among its nearest
ones in it."""
INITIAL_RANGE = 10.0
"""Largest absolute coordinate at the start, as in umap-learn's own initialization."""


def umap(*, prefix: Prefix, expression: Expression, clustering: Path, seed: Seed = 0) -> None:
    """Write ``<prefix>.umap.tsv`` with the columns barcode, umap_1 and umap_2.

    Where batches were corrected also uncorrected_1 and uncorrected_2, of the principal components
    before that.

    Parameters
    ----------
    clustering
        ``<group>.clustering.h5ad`` with ``obsm['X_scsiameseclu']``.
    """
    with clustered(expression, clustering) as adata:
        coordinates = umap_coordinates(adata.obsm[EMBEDDING], seed=seed)
        table = pd.DataFrame(coordinates, columns=["umap_1", "umap_2"])
        if CORRECTED_PCA in adata.obsm:
            table[list(UNCORRECTED_UMAP)] = umap_coordinates(adata.obsm["X_pca"], seed=seed)
        table.insert(0, "barcode", adata.obs_names)
    write_table(table, f"{prefix}.umap.tsv")


def umap_coordinates(embedding: np.ndarray[Any, Any], *, seed: int = 0) -> np.ndarray[Any, Any]:
    """Return the UMAP coordinates of an embedding.

    The layout starts from the first two principal components, which keeps the large distances
    (Kobak and Linderman, Nature Biotechnology 2021) and, unlike the spectral start, never fails on
    a disconnected graph. Of more than 50,000 cells a random sample of as many is laid out; each
    other cell lies at the mean of its 15 nearest ones in it.

    Parameters
    ----------
    embedding
        Cells x dimensions.
    seed
        Seed of all randomness.

    Returns
    -------
    Cells x 2, float32, rounded to 4 decimals; the principal components themselves for fewer than 15
    cells and for cells that are all alike.
    """
    n = len(embedding)
    if n <= LAID_OUT:
        return _laid_out(embedding, seed)
    cells = np.random.default_rng(seed).permutation(n) < LAID_OUT
    coordinates = np.empty((n, 2), dtype=np.float32)
    coordinates[cells] = _laid_out(embedding[cells], seed)
    near = KNeighborsRegressor(NEIGHBORS, weights="distance", algorithm="brute")
    near.fit(embedding[cells], coordinates[cells])
    coordinates[~cells] = near.predict(embedding[~cells]).round(4)
    return coordinates


def _laid_out(embedding: np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
    start = _principal_components(embedding)
    if len(embedding) < FEWEST_CELLS or not start.any():
        return start.round(4)
    keep_compiled()
    adata = ad.AnnData(
        obsm={EMBEDDING: np.asarray(embedding, dtype=np.float32)}, shape=(len(embedding), 0)
    )
    with warnings.catch_warnings():
        # scanpy clears the diagonal of the distances, which cells exactly alike leave out;
        # harmless, if slow.
        warnings.simplefilter("ignore", SparseEfficiencyWarning)
        # The exact search of 50,000 cells takes less than to compile the approximate one.
        sc.pp.neighbors(
            adata,
            n_neighbors=min(NEIGHBORS, len(embedding) - 1),
            use_rep=EMBEDDING,
            transformer="sklearn",
            random_state=seed,
        )
    # As in umap-learn: equal cells must start apart.
    noise = np.random.default_rng(seed).normal(scale=1e-4, size=start.shape).astype(np.float32)
    sc.tl.umap(adata, init_pos=start + noise, random_state=seed)
    return np.asarray(adata.obsm["X_umap"], dtype=np.float32).round(4)


def _principal_components(embedding: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the first two components, scaled, with fixed signs; zeros if there are none."""
    centered = np.asarray(embedding, dtype=np.float64)
    centered = centered - centered.mean(axis=0)
    _, axes = np.linalg.eigh(centered.T @ centered)
    axes = axes[:, ::-1][:, :2]
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])] < 0, -1.0, 1.0)
    components = np.zeros((len(centered), 2))
    components[:, : axes.shape[1]] = centered @ axes
    largest = np.abs(components).max(initial=0.0)
    return (components * (INITIAL_RANGE / largest if largest > 0 else 1.0)).astype(np.float32)


STEP = Step(umap, isolate=True)
