"""Counts without those expected to be ambient, as SoupX's method ``subtraction`` makes them.

Source: Young and Behjati, GigaScience 2020.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from anndata.io import sparse_dataset
from numpy.typing import NDArray
from scipy import sparse

from ..blocks import Matrix, MatrixWriter, row_blocks

Floats = NDArray[np.float64]


CORRECTED = "ambient_corrected"
"""Layer with the counts that are not expected to be ambient."""


def allocate(total: float, limits: Floats, weights: Floats) -> Floats:
    """Return `total` shared out by `weights`, to none more than its limit.

    What a gene cannot give is taken from the others, by their weights; all that those with a weight
    have, where that is less than `total`.
    """
    taken = np.zeros(len(limits))
    usable = np.flatnonzero((weights > 0) & (limits > 0))
    levels = limits[usable] / weights[usable]
    order = usable[np.argsort(levels, kind="stable")]
    limits_, weights_ = limits[order], weights[order]
    # At the level of a gene, it and those before it give all they have.
    full = np.cumsum(limits_) - limits_
    left = np.cumsum(weights_[::-1])[::-1]
    at_level = full + left * np.sort(levels)
    stop = int(np.searchsorted(at_level, total))
    taken[order] = limits_
    if stop < len(order):
        level = (total - full[stop]) / left[stop]
        taken[order[stop:]] = np.minimum(level * weights_[stop:], limits_[stop:])
    return taken


def kept_shares(sums: Floats, totals: Floats, profile: Floats, contamination: float) -> Floats:
    """Return the share of the counts of each gene in each cluster that is not ambient.

    Parameters
    ----------
    sums
        A sample's counts (clusters x genes).
    totals
        Counts of each cluster over all genes of the sample's matrix.
    profile
        Share of each gene in the ambient RNA.
    contamination
        Share of the counts that is ambient.

    Returns
    -------
    Clusters x genes; 1 where a cluster has no counts of a gene.
    """
    kept = np.ones(sums.shape)
    for place, (own, total) in enumerate(zip(sums, totals, strict=True)):
        taken = allocate(contamination * total * profile.sum(), own, profile)
        kept[place] -= np.divide(taken, own, out=np.zeros(len(own)), where=own > 0)
    return kept.clip(0, 1)


def corrected_blocks(
    counts: Matrix, shares: NDArray[np.float32], rows_of: NDArray[np.intp]
) -> Iterator[tuple[slice, sparse.csr_matrix]]:
    """Yield the corrected counts (float32) some cells at a time.

    Parameters
    ----------
    counts
        Raw counts (cells x genes).
    shares
        Which share of a gene's counts is kept (pairs of sample and cluster x genes).
    rows_of
        Row of `shares` for each cell.
    """
    for cells, block in row_blocks(counts):
        kept = block.astype(np.float32)
        of_values = np.repeat(rows_of[cells], np.diff(kept.indptr))
        kept.data *= shares[of_values, kept.indices]
        kept.eliminate_zeros()
        yield cells, kept


def add_corrected(path: Path | str, shares: Path, obs: pd.DataFrame) -> None:
    """Add the layer `CORRECTED` to a group's ``.h5ad``.

    Parameters
    ----------
    path
        File with ``layers['counts']``.
    shares
        ``<group>.ambient.h5ad``: ``X`` as of :func:`corrected_blocks`; ``obs`` ``sample`` and
        ``cluster``.
    obs
        ``sample`` and ``cluster`` of each cell.
    """
    found = ad.read_h5ad(shares)
    pairs = {
        pair: row
        for row, pair in enumerate(
            found.obs[["sample", "cluster"]].astype(str).itertuples(index=False, name=None)
        )
    }
    cells = obs[["sample", "cluster"]].astype(str).itertuples(index=False, name=None)
    rows_of = np.array([pairs[pair] for pair in cells], dtype=np.intp)
    with h5py.File(path, "r+") as file:
        counts = sparse_dataset(file["layers/counts"])
        writer = MatrixWriter(
            file, f"layers/{CORRECTED}", n_genes=counts.shape[1],
            n_values=file["layers/counts/data"].shape[0], dtype=np.float32,
        )  # fmt: skip
        for _, block in corrected_blocks(counts, np.asarray(found.X), rows_of):
            writer.append(block)
