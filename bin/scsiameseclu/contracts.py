"""Names that stages hand to each other, each written once."""

from __future__ import annotations

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
