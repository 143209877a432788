// Annotation: coordinates to look at, marker genes, cell types, scores; all put together in one AnnData.

include { ANNOTATION_UMAP      } from '../../../modules/local/annotation/umap'
include { ANNOTATION_MARKERS   } from '../../../modules/local/annotation/markers'
include { ANNOTATION_CELLTYPES } from '../../../modules/local/annotation/celltypes'
include { ANNOTATION_SCORES    } from '../../../modules/local/annotation/scores'
include { ANNOTATION_ASSEMBLE  } from '../../../modules/local/annotation/assemble'

workflow ANNOTATION {
    take:
    expression // [meta, expression.h5ad] per group
    clustering // [meta, clustering.h5ad] per group
    summary // [meta, clustering.json] per group
    comparison // [meta, comparison.tsv] per group
    labels // [meta, labels.tsv] per sample that has a gold standard
    marker_sets // file or folder: marker genes of known cell types

    main:
    def clustered = expression.join(clustering)
    def gold_standard = labels
        .map { meta, table -> [meta.group, table] }
        .groupTuple()
        .map { group, tables -> [group, tables.sort { table -> table.name }] }

    ANNOTATION_UMAP(clustered)
    ANNOTATION_MARKERS(clustered)
    ANNOTATION_CELLTYPES(clustered, marker_sets)
    ANNOTATION_SCORES(withGoldStandard(clustered.join(summary).join(comparison), gold_standard))
    ANNOTATION_ASSEMBLE(withGoldStandard(clustered.join(ANNOTATION_UMAP.out.umap).join(ANNOTATION_CELLTYPES.out.celltypes), gold_standard))

    emit:
    annotated = ANNOTATION_ASSEMBLE.out.annotated // [meta, h5ad] per group
    markers   = ANNOTATION_MARKERS.out.markers // [meta, markers.tsv] per group
    tables    = ANNOTATION_UMAP.out.umap // [meta, table] per group, for the report
        .mix(ANNOTATION_MARKERS.out.markers)
        .mix(ANNOTATION_CELLTYPES.out.celltypes)
        .mix(ANNOTATION_SCORES.out.metrics)
        .mix(ANNOTATION_SCORES.out.contingency)
        .mix(ANNOTATION_ASSEMBLE.out.clusters)
    failures  = ANNOTATION_UMAP.out.failure
        .mix(ANNOTATION_MARKERS.out.failure)
        .mix(ANNOTATION_CELLTYPES.out.failure)
        .mix(ANNOTATION_SCORES.out.failure)
        .mix(ANNOTATION_ASSEMBLE.out.failure)
}

// Most groups have no gold standard: an empty list of files stands for it.
def withGoldStandard(groups, gold_standard) {
    groups
        .map { group -> [group[0].id, group] }
        .join(gold_standard, remainder: true)
        .filter { _id, group, _labels -> group }
        .map { _id, group, labels -> group + [labels ?: []] }
}
