"""Scores of cells on their way into the annotated data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..files import read_table
from .cell_cycle import PHASES

if TYPE_CHECKING:
    from pathlib import Path

    import anndata as ad


def add_scores(adata: ad.AnnData, path: Path) -> None:
    """Add the columns of ``<group>.scored_cells.tsv`` to ``obs``: float32, the phase a category.

    Parameters
    ----------
    adata
        The group.
    path
        ``barcode`` and the columns, of the same cells.
    """
    table = read_table(path, dtype={"barcode": str}).set_index("barcode").loc[adata.obs_names]
    for name in table:
        adata.obs[name] = (
            pd.Categorical(table[name], categories=PHASES)
            if name == "phase"
            else table[name].to_numpy(dtype=np.float32)
        )
