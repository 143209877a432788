"""Annotation: coordinates for pictures, marker genes, cell types, scores, and the annotated data of a group."""

from .assemble import annotated_data, cluster_table
from .celltypes import annotate_clusters
from .marker_sets import CellType, cell_types_for, read_marker_sets
from .markers import find_markers
from .scores import score_clusters
from .umap import umap_coordinates

__all__ = [
    "CellType",
    "annotate_clusters",
    "annotated_data",
    "cell_types_for",
    "cluster_table",
    "find_markers",
    "read_marker_sets",
    "score_clusters",
    "umap_coordinates",
]
