"""The sex of a sample's donor by its RNA, compared with the one that the samplesheet gives.

Cells of females express XIST, which silences one of two X chromosomes; cells of males express genes
of chromosome Y. A sample that says otherwise than its row may have been swapped with another.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from ..contracts import SEX, SexRecord
from ..files import settings
from ..intake.gene_ids import without_genome, without_versions

if TYPE_CHECKING:
    import anndata as ad
    import pandas as pd

MALE, FEMALE, MIXED, UNDETERMINED = "male", "female", "mixed", "undetermined"
XIST = {"human": {"XIST": "ENSG00000229807"}, "mouse": {"Xist": "ENSMUSG00000086503"}}
"""Organism -> symbol and id of the gene."""
Y_GENES = {
    "human": {
        "RPS4Y1": "ENSG00000129824",
        "DDX3Y": "ENSG00000067048",
        "UTY": "ENSG00000183878",
        "KDM5D": "ENSG00000012817",
        "EIF1AY": "ENSG00000198692",
        "USP9Y": "ENSG00000114374",
        "ZFY": "ENSG00000067646",
        "TXLNGY": "ENSG00000131002",
    },
    "mouse": {
        "Ddx3y": "ENSMUSG00000069045",
        "Uty": "ENSMUSG00000068457",
        "Kdm5d": "ENSMUSG00000056673",
        "Eif2s3y": "ENSMUSG00000069049",
    },
}
"""Organism -> symbols and ids of single-copy genes of chromosome Y that many cell types express."""

# A convention, not estimates. In blood by 10x, nine in ten cells of a male have counts of a gene of
# Y; of blood, a tumour and cell lines of females 2 to 50 % of the cells have counts of XIST. Of the
# other sex's genes it was none.
MIN_CELLS = 50
"""Fewer cells than this say nothing."""
MIN_Y_GENES = 2
"""With fewer of the genes of Y in the matrix, their absence says nothing."""
MIN_SHARE_XIST = 0.02
"""Share of the cells with counts of XIST at or above which some are of a female."""
MIN_SHARE_Y = 0.05
"""Share of the cells with counts of a gene of Y at or above which some are of a male."""
MIN_EXPRESSING = 3
"""Fewest expressing cells in any case."""
MAX_TOGETHER = 0.5
"""Cells with both, over their number if the two were independent: below it they are two kinds of
cells (several donors), above it one kind (two X and a Y, or counts that leak between cells)."""


def sex_of(adata: ad.AnnData) -> tuple[SexRecord | None, list[str]]:
    """Return the donor's sex by the RNA of a sample's cells.

    Parameters
    ----------
    adata
        Raw counts of the kept cells in ``X`` (cells x genes), genes named in ``var['gene_ids']``
        and ``var['gene_symbols']``, the samplesheet's sex among the settings.

    Returns
    -------
    The account in ``<sample>.qc.json``, None if the genes are neither human nor mouse; and
    warnings for the verdict if it contradicts the samplesheet.
    """
    organism = _organism(adata)
    if organism not in XIST or not adata.n_obs:
        return None, []
    given = (settings(adata).get("extra") or {}).get(SEX)
    counts = sparse.csr_matrix(adata.X)
    total = max(float(counts.sum(dtype=np.float64)), 1.0)
    of_xist, of_y = (_genes(adata.var, genes[organism]) for genes in (XIST, Y_GENES))
    xist, y = (np.asarray(counts[:, mask].sum(axis=1)).ravel() for mask in (of_xist, of_y))
    known = bool(of_xist.any()), int(of_y.sum()) >= MIN_Y_GENES
    call, why = _call(xist > 0, y > 0, known)
    found: SexRecord = {
        "given": given,
        "call": call,
        "note": why,
        "n_y_genes": int(of_y.sum()),
        "cells_xist": float((xist > 0).mean()) if of_xist.any() else None,
        "cells_y": float((y > 0).mean()) if of_y.any() else None,
        "cells_both": float(((xist > 0) & (y > 0)).mean()) if all(known) else None,
        "counts_xist": float(xist.sum() / total) if of_xist.any() else None,
        "counts_y": float(y.sum() / total) if of_y.any() else None,
    }
    return found, _contradiction(found)


def _organism(adata: ad.AnnData) -> str:
    """Return the organism of the genes, or the given one if they do not show it."""
    found: str | None = (json.loads(adata.uns["intake"]).get("organism") or {}).get("found")
    return found or str(settings(adata).get("organism") or "").casefold()


def _genes(var: pd.DataFrame, wanted: dict[str, str]) -> np.ndarray:
    """Return which genes are `wanted` by symbol, with or without a genome before it, or by id."""
    symbols, ids = (
        (var[column] if column in var else var.index.to_series()).astype(str)
        for column in ("gene_symbols", "gene_ids")
    )
    found = without_genome(symbols).isin(wanted) | without_versions(ids).isin(wanted.values())
    return np.asarray(found, dtype=bool)


def _call(has_xist: np.ndarray, has_y: np.ndarray, known: tuple[bool, bool]) -> tuple[str, str]:
    """Return the call and, if necessary, a note on it.

    `known` says whether XIST is in the matrix, and whether enough genes of Y are. Genes without
    counts are often removed from a matrix; the other genes decide.
    """
    n = len(has_xist)
    if n < MIN_CELLS:
        return UNDETERMINED, f"{n} cells are too few (at least {MIN_CELLS} needed)"
    n_xist, n_y = int(has_xist.sum()), int(has_y.sum())
    female = known[0] and n_xist >= max(MIN_SHARE_XIST * n, MIN_EXPRESSING)
    male = known[1] and n_y >= max(MIN_SHARE_Y * n, MIN_EXPRESSING)
    missing = [] if known[0] else ["XIST is not in the matrix"]
    missing += [] if known[1] else [f"fewer than {MIN_Y_GENES} genes of chromosome Y are in it"]
    note = "; ".join(missing)
    if not female and not male:
        few = "too few cells express XIST or genes of chromosome Y"
        return UNDETERMINED, "; ".join([few, *missing])
    if female != male:
        return (FEMALE if female else MALE), note
    if int((has_xist & has_y).sum()) < MAX_TOGETHER * n_xist * n_y / n:
        return MIXED, "some cells express XIST, others genes of chromosome Y: several donors?"
    return UNDETERMINED, "the same cells express XIST and genes of chromosome Y"


def _contradiction(found: SexRecord) -> list[str]:
    given, call = found["given"], found["call"]
    if given not in (MALE, FEMALE) or call in (given, UNDETERMINED):
        return []
    says = "it is of both sexes" if call == MIXED else f"it is {call}"
    may = "hold cells of several donors" if call == MIXED else "be swapped or mislabelled"
    return [
        f"The sample is given as {given}, but its RNA says that {says} (XIST in "
        f"{100 * (found['cells_xist'] or 0):.1f} % of the cells, genes of chromosome Y in "
        f"{100 * (found['cells_y'] or 0):.1f} %): it may {may}."
    ]
