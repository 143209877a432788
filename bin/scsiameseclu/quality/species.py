"""Which species a barcode's counts come from, in a matrix with the genes of two (barnyard)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from ..intake.organism import ORGANISMS, gene_organisms, infer_organism

if TYPE_CHECKING:
    import anndata as ad

PURE = 0.9
"""Share of a barcode's counts at or above which it is of one species; below, it is mixed."""
MIXED = "mixed"


def species_counts(adata: ad.AnnData) -> pd.DataFrame | None:
    """Return the counts of each barcode by species, and its species.

    Parameters
    ----------
    adata
        Raw counts in ``X`` (barcodes x genes), genes named in ``var['gene_ids']`` and
        ``var['gene_symbols']``.

    Returns
    -------
    One row a barcode, in their order: ``counts_human`` and ``counts_mouse`` (int64) and
    ``species``: ``human`` or ``mouse`` with at least 90 % of these counts, else ``mixed``; missing
    without any. None if the genes are not of both species.
    """
    is_named = {"gene_ids", "gene_symbols"} <= set(adata.var)
    if not is_named or infer_organism(adata.var).found != MIXED:
        return None
    organisms, counts = gene_organisms(adata.var), sparse.csr_matrix(adata.X)
    table = pd.DataFrame(index=range(adata.n_obs))
    for organism in ORGANISMS:
        of_it = counts[:, organisms == organism].sum(axis=1)
        table[f"counts_{organism}"] = np.asarray(of_it, dtype=np.int64).ravel()
    total, largest = table.sum(axis=1), table.max(axis=1)
    species = np.asarray(ORGANISMS, dtype=object)[table.to_numpy().argmax(axis=1)]
    species[(largest < PURE * total).to_numpy()] = MIXED
    table["species"] = pd.Series(species).where(total > 0)
    return table


def count_species(ledger: pd.DataFrame) -> dict[str, int] | None:
    """Return the kept barcodes of each species and mixed; None without species in the ledger."""
    if "species" not in ledger:
        return None
    kept = ledger.loc[ledger["kept"], "species"].value_counts()
    return {name: int(kept.get(name, 0)) for name in (*ORGANISMS, MIXED)}
