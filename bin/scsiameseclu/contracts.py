"""Names that stages hand to each other, each written once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import pandas as pd

Names = TypeVar("Names", "pd.Index", "pd.Series")

BATCH = "batch"
"""Column of the samplesheet and of ``obs``: between samples of one batch nothing is corrected."""
LABEL = "label"
"""Column of ``obs`` with the gold standard, which only the annotated data of a group have."""
CORRECTED_PCA = "X_pca_corrected"
"""Key of ``obsm`` that is there where batches were corrected."""

OBS_COLUMNS = frozenset(
    {
        *("barcode", "index", "_index"),
        *("n_genes_by_counts", "total_counts", "pct_counts_mt", "pct_counts_ribo", "pct_counts_hb"),
        *("doublet_score", "predicted_doublet"),
        *("cluster", "cluster_coarse", "cluster_fine", "cluster_uncorrected", "cluster_confidence", "confidence"),
        *("consensus", "cell_type", "label", "unlike_known"),
    }
)
"""What the pipeline writes of each cell beside the samplesheet's columns: none of those may have such a name."""


def cell_names(sample: str | Names, barcodes: Names) -> Names:
    """Return the names of cells in a group, ``<sample>_<barcode>``; `sample` is one for all, or one of each."""
    return sample + "_" + barcodes


def batch_of(sample: Mapping[str, Any]) -> str:
    """Return the batch of a sample, given its settings: the samplesheet's, by default the sample."""
    return str((sample.get("extra") or {}).get(BATCH) or sample["sample"])
