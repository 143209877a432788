"""Gene symbols of an AnnData, as marker sets and references know them."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..intake.gene_ids import without_versions

DECORATION = r"^(?:GRCh3[78]|GRCm3[89]|hg19|hg38|mm10|mm39)_+|[_.|-]ENS[A-Z]*G\d+(?:\.\d+)?$"
"""What some tools put round a gene symbol: the genome before it, the Ensembl id behind it."""


def gene_symbols(adata: ad.AnnData) -> pd.Index:
    """Return the gene symbols, without genome or Ensembl id; the name where a gene has none."""
    symbols = pd.Series(adata.var_names.astype(str), index=adata.var_names)
    if "gene_symbols" in adata.var:
        given = adata.var["gene_symbols"].astype(object)
        symbols = given.where(given.notna() & (given != ""), symbols).astype(str)
    return pd.Index(symbols.str.replace(DECORATION, "", regex=True))


def shared_genes(adata: ad.AnnData, names: pd.Index) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places, in both, of the genes that a group has under `names`, in one order.

    They are matched by symbol or by Ensembl id, whichever finds more, whatever the capitals. Names
    that come twice are left out.
    """
    theirs = _places(pd.Index(without_versions(pd.Series(names, dtype=str))))
    ours = [_places(gene_symbols(adata))]
    if "gene_ids" in adata.var:
        ours.append(_places(pd.Index(without_versions(adata.var["gene_ids"].astype(str)))))
    most = max(ours, key=lambda places: len(places.index.intersection(theirs.index)))
    genes = most.index.intersection(theirs.index).sort_values()
    return np.asarray(most[genes], dtype=np.int64), np.asarray(theirs[genes], dtype=np.int64)


def _places(names: pd.Index) -> pd.Series[int]:
    """Return the place of each gene by its name in capitals, without names that come twice."""
    places = pd.Series(range(len(names)), index=names.astype(str).str.upper())
    return places[~places.index.duplicated(keep=False)]
