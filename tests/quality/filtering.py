"""Runs the filter on counts in memory, in the working folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from scsiameseclu.files import read_json
from scsiameseclu.quality.filter import Options, filter_sample
from scsiameseclu.quality.ledger import read_ledger

if TYPE_CHECKING:
    import anndata as ad
    import pandas as pd


def run(adata: ad.AnnData, **options: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the ledger and the account of the filter."""
    adata.write_h5ad("s1.counts.h5ad")
    filter_sample(prefix="s1", counts=Path("s1.counts.h5ad"), options=Options(**options))
    return read_ledger("s1.filter_ledger.tsv.gz"), read_json("s1.filter.json")
