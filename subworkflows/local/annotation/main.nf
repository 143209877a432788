// Annotation: coordinates to look at, marker genes, cell types, differences between conditions, scores; all put together
// in one AnnData.

include { ANNOTATION_CHECK        } from '../../../modules/local/annotation/check'
include { ANNOTATION_UMAP         } from '../../../modules/local/annotation/umap'
include { ANNOTATION_MARKERS      } from '../../../modules/local/annotation/markers'
include { ANNOTATION_REFERENCE    } from '../../../modules/local/annotation/reference'
include { ANNOTATION_CELLTYPES    } from '../../../modules/local/annotation/celltypes'
include { ANNOTATION_DIFFERENTIAL } from '../../../modules/local/annotation/differential'
include { ANNOTATION_SCORES       } from '../../../modules/local/annotation/scores'
include { ANNOTATION_ASSEMBLE     } from '../../../modules/local/annotation/assemble'

workflow ANNOTATION {
    take:
    expression // [meta, expression.h5ad] per group
    clustering // [meta, clustering.h5ad] per group
    summary // [meta, clustering.json] per group
    comparison // [meta, comparison.tsv] per group
    gold_standard // [id, [labels.tsv]] per group that has one
    samples // file: settings of all samples

    main:
    // What the user gave is checked at once, while the samples are still being read.
    def checked = samples.filter { _file -> params.markers || params.reference || params.reference_label || params.condition }
    ANNOTATION_CHECK(checked, given(params.markers), given(params.reference))
    def marker_sets = params.markers ? ANNOTATION_CHECK.out.marker_sets.first() : file("${projectDir}/assets/markers")
    def labelled = params.reference ? ANNOTATION_CHECK.out.reference.first() : channel.value([])

    def clustered = expression.join(clustering)

    ANNOTATION_UMAP(clustered)
    ANNOTATION_MARKERS(clustered)
    ANNOTATION_REFERENCE(clustered.filter { _group -> params.reference }, labelled)
    // With a reference, a group waits for its verdict.
    def beside = params.reference ? clustered.join(ANNOTATION_REFERENCE.out.reference) : clustered.map { group -> group + [[]] }
    ANNOTATION_CELLTYPES(beside, marker_sets)
    ANNOTATION_DIFFERENTIAL(clustered.filter { _group -> params.condition })
    ANNOTATION_SCORES(withGoldStandard(clustered.join(summary).join(comparison), gold_standard))
    ANNOTATION_ASSEMBLE(withGoldStandard(clustered.join(ANNOTATION_UMAP.out.umap).join(ANNOTATION_CELLTYPES.out.celltypes), gold_standard))

    emit:
    annotated = ANNOTATION_ASSEMBLE.out.annotated // [meta, h5ad] per group
    markers   = ANNOTATION_MARKERS.out.markers // [meta, markers.tsv] per group
    celltypes = ANNOTATION_CELLTYPES.out.celltypes // [meta, annotation.tsv] per group
    tables    = ANNOTATION_UMAP.out.umap // [meta, table] per group, for the report
        .mix(ANNOTATION_MARKERS.out.markers)
        .mix(ANNOTATION_CELLTYPES.out.celltypes)
        .mix(ANNOTATION_DIFFERENTIAL.out.table)
        .mix(ANNOTATION_DIFFERENTIAL.out.notes)
        .mix(ANNOTATION_SCORES.out.metrics)
        .mix(ANNOTATION_SCORES.out.contingency)
        .mix(ANNOTATION_ASSEMBLE.out.clusters)
        .mix(ANNOTATION_ASSEMBLE.out.composition)
    failures  = ANNOTATION_UMAP.out.failure
        .mix(ANNOTATION_MARKERS.out.failure)
        .mix(ANNOTATION_REFERENCE.out.failure)
        .mix(ANNOTATION_CELLTYPES.out.failure)
        .mix(ANNOTATION_DIFFERENTIAL.out.failure)
        .mix(ANNOTATION_SCORES.out.failure)
        .mix(ANNOTATION_ASSEMBLE.out.failure)
}

// A file that the user named, or nothing.
def given(path) {
    path ? file(path, glob: false) : []
}

// Most groups have no gold standard: an empty list of files stands for it.
def withGoldStandard(groups, gold_standard) {
    groups
        .map { group -> [group[0].id, group] }
        .join(gold_standard, remainder: true)
        .filter { _id, group, _labels -> group }
        .map { _id, group, labels -> group + [labels ?: []] }
}
