"""Annotation: coordinates, marker genes, cell types, differences, scores, and the annotated data of a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from .assemble import annotated_data, cluster_table
    from .celltypes import annotate_clusters
    from .composition import composition_test
    from .design import Design
    from .differential import differential_expression
    from .marker_sets import CellType, cell_types_for, read_marker_sets
    from .markers import find_markers
    from .pseudobulk import pseudobulk
    from .reference import checked_reference, transfer_labels
    from .scores import marker_agreement, score_clusters
    from .umap import umap_coordinates

__all__ = [
    "CellType",
    "Design",
    "annotate_clusters",
    "annotated_data",
    "cell_types_for",
    "checked_reference",
    "cluster_table",
    "composition_test",
    "differential_expression",
    "find_markers",
    "marker_agreement",
    "pseudobulk",
    "read_marker_sets",
    "score_clusters",
    "transfer_labels",
    "umap_coordinates",
]

# On demand: a step is a process of its own and pays for every import.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "assemble": ["annotated_data", "cluster_table"],
        "celltypes": ["annotate_clusters"],
        "composition": ["composition_test"],
        "design": ["Design"],
        "differential": ["differential_expression"],
        "marker_sets": ["CellType", "cell_types_for", "read_marker_sets"],
        "markers": ["find_markers"],
        "pseudobulk": ["pseudobulk"],
        "reference": ["checked_reference", "transfer_labels"],
        "scores": ["marker_agreement", "score_clusters"],
        "umap": ["umap_coordinates"],
    },
)
