"""The chapters of the report, one per stage, in their order."""

from __future__ import annotations

from .content import Room

OVERVIEW = Room(
    "overview",
    "Verdict",
    "says of every sample whether it can be used, and why not.",
)
QUALITY = Room(
    "quality",
    "Quality control",
    "shows which barcodes were removed, by which rule, and what the remaining cells look like.",
)
EXPRESSION = Room(
    "expression",
    "Expression",
    "shows the genes that the clusters were sought in.",
)
CLUSTERING = Room(
    "clustering",
    "Clustering",
    "shows the clusters that scSiameseClu found, how sure they are, and what other methods find on the same cells.",
)
ANNOTATION = Room(
    "annotation",
    "Annotation",
    "shows what marks each cluster, which cell type it is taken for, and on what evidence.",
)
PROVENANCE = Room(
    "provenance",
    "This run",
    "says how the results were made, with what, and how to open them again.",
)
