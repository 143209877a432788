"""The chapters of the report, one per stage, in their order."""

from __future__ import annotations

from .content import Chapter

OVERVIEW = Chapter(
    "overview",
    "Verdict",
    "is where to start: FAILED samples are not in the results, WARN is worth a look at the chapter that "
    "its reason names.",
)
QUALITY = Chapter(
    "quality",
    "Quality control",
    "accounts for every barcode. Look for samples that lose far more than the others, or lose them to "
    "another rule: that is the bound or the sample, not the cells.",
)
EXPRESSION = Chapter(
    "expression",
    "Expression",
    "decides what the clusters can be made of: a cell type whose markers are not among the highly "
    "variable genes is not found.",
)
CLUSTERING = Chapter(
    "clustering",
    "Clustering",
    "is unsupervised: no label was used. Trust a cluster that is stable, that its cells belong to with "
    "confidence, and that other methods find on the same cells.",
)
SAMPLES = Chapter(
    "samples",
    "Samples",
    "is about groups of several samples: whether differences between them were taken out, and whether that was right. "
    "Clusters of one sample, or whose concordance is low, may be effects of the batch or types joined by mistake.",
)
ANNOTATION = Chapter(
    "annotation",
    "Annotation",
    "is a proposal: each cell type stands beside its markers, its margin over the runner-up, and Unknown "
    "where the evidence is thin.",
)
PROVENANCE = Chapter(
    "provenance",
    "This run",
    "is what to keep for a publication: samplesheet, parameters, versions and a text for the methods section.",
)
