"""Cells of different depth made comparable: the one way in which every stage does it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import scanpy as sc

if TYPE_CHECKING:
    import anndata as ad


def log_normalize(adata: ad.AnnData, target_sum: float = 1e4) -> None:
    """Replace raw counts in ``X`` by log1p of counts per `target_sum`; sets ``uns['log1p']``.

    Parameters
    ----------
    adata
        Raw counts in ``X`` (cells x genes). A cell without any stays at zero.
    target_sum
        Sum of counts to which every cell is brought.
    """
    with warnings.catch_warnings():
        # A cell may have had counts only in genes that are left out; it stays at zero.
        warnings.filterwarnings("ignore", message="Some cells have zero counts")
        sc.pp.normalize_total(adata, target_sum=target_sum)
    sc.pp.log1p(adata)
    # scanpy's None (natural logarithm) is a type that older readers of h5ad do not know; absent means the same.
    adata.uns["log1p"] = {}
