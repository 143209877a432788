"""What the empty droplets of a sample hold: the profile of its ambient RNA, after SoupX.

Source: Young and Behjati, GigaScience 2020 (their ``estimateSoup``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from ..contracts import LISTED, SOUP_COUNTS
from ..files import settings, write_h5ad
from .ambient import gene_totals
from .cells import RULE as NOT_A_CELL
from .cells import are_alike, looks_unfiltered, lower_counts

if TYPE_CHECKING:
    from numpy.typing import NDArray


def write_soup(sample: str, adata: ad.AnnData, ledger: pd.DataFrame) -> int:
    """Write ``<sample>.soup.h5ad`` if there are empty droplets; return their number."""
    soup = soup_of(adata, ledger)
    if soup is None:
        return 0
    write_h5ad(soup, f"{sample}.soup.h5ad")
    return int(soup.obs["n_droplets"].iloc[0])


def soup_of(adata: ad.AnnData, ledger: pd.DataFrame) -> ad.AnnData | None:
    """Return the counts of each gene in the empty droplets of an unfiltered matrix.

    Parameters
    ----------
    adata
        Raw counts of all barcodes (barcodes x genes); ``uns['settings']`` of the sample.
    ledger
        Row by row the same barcodes: ``total_counts``, ``kept`` and ``rule``.

    Returns
    -------
    One row, the droplets, without a matrix: ``obs['n_droplets']``, ``var['soup_counts']`` (float64)
    with the names and ids of all genes. None if no barcode is an empty droplet.
    """
    droplets = empty_droplets(ledger)
    n_droplets = int(droplets.sum())
    if not n_droplets or not _may_be_empty(adata, ledger["total_counts"].to_numpy()):
        return None
    names = [name for name in ("gene_ids", "gene_symbols") if name in adata.var]
    var = adata.var[names].assign(**{SOUP_COUNTS: gene_totals(adata.X, droplets)})
    obs = pd.DataFrame({"n_droplets": [n_droplets]}, index=["droplets"])
    return ad.AnnData(obs=obs, var=var, uns={"settings": adata.uns["settings"]})


def _may_be_empty(adata: ad.AnnData, totals: NDArray[np.float64]) -> bool:
    """Return whether barcodes other than cells may be droplets; by the counts, if cells are given.

    A list of cells, or their number, may leave out cells of a filtered matrix.
    """
    given = LISTED in adata.obs or settings(adata).get("overrides", {}).get("force_cells")
    return not given or looks_unfiltered(totals) or are_alike(sparse.csr_matrix(adata.X), totals)


def empty_droplets(ledger: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which barcodes are empty droplets with some counts, fewer than 100 (as SoupX's).

    If most barcodes of the matrix hold more, the bound is that of the cell calling. They are not
    cells by the cell calling; where none were called although the matrix looks unfiltered, those
    that are not kept.
    """
    totals = ledger["total_counts"].to_numpy()
    outside = (ledger["rule"] == NOT_A_CELL).to_numpy()
    if not outside.any() and looks_unfiltered(totals):
        outside = ~ledger["kept"].to_numpy(bool)
    return np.asarray(outside & (totals > 0) & (totals < lower_counts(totals)))
