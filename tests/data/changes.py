"""Changes of an AnnData that keep its counts."""

from __future__ import annotations

import anndata as ad


def renamed(adata: ad.AnnData) -> ad.AnnData:
    """Return a copy whose cells and genes have other names, in reverse order."""
    other = adata.copy()
    other.obs_names = [f"x{number}" for number in range(other.n_obs)[::-1]]
    other.var_names = [f"y{number}" for number in range(other.n_vars)[::-1]]
    return other
