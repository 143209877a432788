"""Annotation: coordinates, marker genes, cell types, differences, and the annotated data of a group."""
