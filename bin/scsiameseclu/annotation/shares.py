"""Cells of each type in each sample."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from .agreement import UNKNOWN


def cells_by_type(sizes: pd.DataFrame, types: Mapping[str, str]) -> pd.DataFrame:
    """Return samples x cell types: numbers of cells; clusters of unknown type stay apart.

    Parameters
    ----------
    sizes
        Columns cluster, sample and n_cells.
    types
        Cell types by cluster.
    """
    long = sizes.assign(
        cell_type=sizes["cluster"].astype(str).map(apart(types)), sample=sizes["sample"].astype(str)
    )
    wide = long.pivot_table(
        "n_cells", index="sample", columns="cell_type", aggfunc="sum", fill_value=0
    )
    return wide.rename_axis(index=None, columns=None)


def apart(types: Mapping[str, str]) -> dict[str, str]:
    """Return the cell types by cluster, with clusters of unknown type as types of their own."""
    return {
        cluster: f"{UNKNOWN}, cluster {cluster}" if name == UNKNOWN else name
        for cluster, name in types.items()
    }
