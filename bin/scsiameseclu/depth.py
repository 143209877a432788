"""Depth normalization: the logarithm of counts per cell, at the precision that a step needs."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray

TARGET_SUM = 1e4
"""Sum of counts to which every cell is scaled, as in scanpy and Seurat."""


def log_normalize(adata: ad.AnnData) -> None:
    """Replace raw counts in ``X`` by log1p of counts per `TARGET_SUM`; sets ``uns['log1p']``.

    Parameters
    ----------
    adata
        Raw counts in ``X`` (cells x genes). A cell without any stays at zero.
    """
    import scanpy as sc  # here: the other functions need not wait for it

    with warnings.catch_warnings():
        # A cell may have had counts only in genes that are left out; it stays at zero.
        warnings.filterwarnings("ignore", message="Some cells have zero counts")
        sc.pp.normalize_total(adata, target_sum=TARGET_SUM)
    sc.pp.log1p(adata)
    # scanpy's None (natural logarithm) is a type that older readers of h5ad do not know; absent
    # means the same.
    adata.uns["log1p"] = {}


def exact_log_normalized(counts: csr_matrix) -> csr_matrix:
    """Return log1p(counts / total * `TARGET_SUM`) in double precision, computed in Seurat's order.

    Values that differ become ties in single precision, and equal ones differ in another order.
    """
    exact = csr_matrix(counts, dtype=np.float64, copy=True)
    totals = np.asarray(exact.sum(axis=1)).ravel()
    exact.data = exact_logarithm(exact.data, np.repeat(totals, np.diff(exact.indptr)))
    return exact


def exact_logarithm(
    counts: NDArray[np.float64], totals: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the same of counts, each with the total of its cell."""
    return np.asarray(np.log1p(counts / totals * TARGET_SUM))


def log_normalized(counts: csr_matrix, depths: NDArray[np.float64], *, target: float) -> csr_matrix:
    """Return log1p(counts x target / depth), float32; rows of depth 0 stay 0.

    Parameters
    ----------
    counts
        Counts of some genes, float32.
    depths
        Sum of the counts of each cell, over all genes.
    target
        Depth to which every cell is brought.
    """
    factors = np.divide(target, depths, out=np.zeros_like(depths), where=depths > 0)
    data = counts.data * np.repeat(factors.astype(np.float32), np.diff(counts.indptr))
    return csr_matrix((np.log1p(data, out=data), counts.indices, counts.indptr), counts.shape)
