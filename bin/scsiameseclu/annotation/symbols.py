"""Gene symbols of an AnnData, as marker sets and references know them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    import anndata as ad

DECORATION = r"^(?:GRCh3[78]|GRCm3[89]|hg19|hg38|mm10|mm39)_+|[_.|-]ENS[A-Z]*G\d+(?:\.\d+)?$"
"""What some tools put round a gene symbol: the genome before it, the Ensembl id behind it."""


def gene_symbols(adata: ad.AnnData) -> pd.Index:
    """Return the gene symbols, without genome or Ensembl id; the name where a gene has none."""
    symbols = pd.Series(adata.var_names.astype(str), index=adata.var_names)
    if "gene_symbols" in adata.var:
        given = adata.var["gene_symbols"].astype(object)
        symbols = given.where(given.notna() & (given != ""), symbols).astype(str)
    return pd.Index(symbols.str.replace(DECORATION, "", regex=True))
