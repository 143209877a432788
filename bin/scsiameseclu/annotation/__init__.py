"""Annotation: coordinates, markers, cell types, differences, and the annotated data of a group."""
