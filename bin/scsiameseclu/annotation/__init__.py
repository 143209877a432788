"""Annotation: coordinates, marker genes, cell types, differences, scores, and the annotated data of a group."""
