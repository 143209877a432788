"""The parts of a group's AnnData that go into Seurat objects and SingleCellExperiments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from ...contracts import CLR, CORRECTED_PCA, GUIDE, HASHTAG, PROTEIN
from ..clustered import EMBEDDING, UNCORRECTED_PICTURE

ASSAYS = {PROTEIN: "ADT", HASHTAG: "HTO", GUIDE: "GDO"}
"""Kind of feature -> what Seurat's tutorials call its assay."""
NORMALIZED = {PROTEIN: CLR}
"""Kind of feature -> key of ``obsm`` with its normalized counts, if there are some."""
REDUCTIONS = {
    "X_pca": ("pca", "PC_"),
    CORRECTED_PCA: ("pca.corrected", "PCcorrected_"),
    EMBEDDING: ("scsiameseclu", "scSiameseClu_"),
    "X_umap": ("umap", "UMAP_"),
    UNCORRECTED_PICTURE: ("umap.uncorrected", "UMAPuncorrected_"),
}
"""Key of ``obsm`` -> name of the reduction, and prefix of its dimensions."""


@dataclass(frozen=True)
class Beside:
    """Features of one kind other than genes, cells x features.

    Cells of a sample that was not measured for a feature have NaN.
    """

    assay: str
    names: list[str]
    counts: sparse.csr_matrix
    normalized: sparse.csr_matrix | None


def beside_genes(adata: ad.AnnData) -> Iterator[Beside]:
    """Yield the proteins, hashtags and guides of a group, if any."""
    for kind, assay in ASSAYS.items():
        if kind in adata.obsm:
            counts, key = adata.obsm[kind], NORMALIZED.get(kind, "")
            normalized = _sparse(adata.obsm[key]) if key in adata.obsm else None
            yield Beside(assay, [str(name) for name in counts.columns], _sparse(counts), normalized)


def reductions(adata: ad.AnnData) -> Iterator[tuple[str, str, np.ndarray, list[str]]]:
    """Yield name, key, cells x dimensions and the names of the dimensions of each reduction."""
    for place, (name, key) in REDUCTIONS.items():
        if place in adata.obsm:
            values = np.asarray(adata.obsm[place])
            yield name, key, values, [f"{key}{number + 1}" for number in range(values.shape[1])]


def _sparse(table: pd.DataFrame) -> sparse.csr_matrix:
    return sparse.csr_matrix(table.to_numpy(np.float64))
