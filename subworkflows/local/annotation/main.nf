// Annotation: coordinates to look at, marker genes, cell types, differences between conditions; all
// put together in one AnnData.

include { codeOf                  } from '../utils/code'
include { given                   } from '../utils/files'
include { ANNOTATION_CHECK        } from '../../../modules/local/annotation/check'
include { ANNOTATION_UMAP         } from '../../../modules/local/annotation/umap'
include { ANNOTATION_MARKERS      } from '../../../modules/local/annotation/markers'
include { ANNOTATION_REFERENCE    } from '../../../modules/local/annotation/reference'
include { ANNOTATION_CELLTYPES    } from '../../../modules/local/annotation/celltypes'
include { ANNOTATION_DIFFERENTIAL } from '../../../modules/local/annotation/differential'
include { ANNOTATION_COMPOSITION  } from '../../../modules/local/annotation/composition'
include { ANNOTATION_ASSEMBLE     } from '../../../modules/local/annotation/assemble'

workflow ANNOTATION {
    take:
    expression // [meta, expression.h5ad] per group
    clustering // [meta, clustering.h5ad] per group
    gold_standard // [id, [labels.tsv]] per group that has one; they become a column of the AnnData
    samples // file: settings of all samples

    main:
    // What the user gave is checked at once, while the samples are still being read.
    def code = codeOf('annotation')
    def names = [markers_db: params.markers, labelled: params.reference]
    // A formula is free text: it travels in a file.
    def given_design = groovy.json.JsonOutput.toJson([condition: params.condition, formula: params.formula])
    def design = channel.of(given_design).collectFile(name: 'design.json').first()
    if (params.markers || params.reference || params.reference_label || params.condition || params.formula) {
        ANNOTATION_CHECK(samples, given(params.markers), given(params.reference), groovy.json.JsonOutput.toJson(names), design, code)
    }
    def marker_sets = params.markers ? ANNOTATION_CHECK.out.marker_sets.first() : file("${projectDir}/assets/markers")

    def clustered = expression.join(clustering)

    ANNOTATION_UMAP(clustered, code)
    ANNOTATION_MARKERS(clustered, code)
    // With a reference, a group waits for its verdict.
    def beside = clustered.map { group -> group + [[]] }
    def at_choice = channel.empty()
    if (params.reference) {
        ANNOTATION_REFERENCE(clustered, ANNOTATION_CHECK.out.reference.first(), code)
        beside = clustered.join(ANNOTATION_REFERENCE.out.reference)
        at_choice = ANNOTATION_REFERENCE.out.failure
    }
    ANNOTATION_CELLTYPES(beside, marker_sets, code)
    def differences = channel.empty()
    if (params.condition) {
        ANNOTATION_DIFFERENTIAL(clustered, design, code)
        ANNOTATION_COMPOSITION(ANNOTATION_DIFFERENTIAL.out.pseudobulk.join(ANNOTATION_CELLTYPES.out.celltypes), design, code)
        differences = ANNOTATION_DIFFERENTIAL.out.table.mix(ANNOTATION_DIFFERENTIAL.out.notes, ANNOTATION_COMPOSITION.out.table)
        at_choice = at_choice.mix(ANNOTATION_DIFFERENTIAL.out.failure, ANNOTATION_COMPOSITION.out.failure)
    }
    def found = clustered.join(ANNOTATION_UMAP.out.umap).join(ANNOTATION_CELLTYPES.out.celltypes)
    ANNOTATION_ASSEMBLE(withGoldStandard(found, gold_standard), code)

    emit:
    annotated = ANNOTATION_ASSEMBLE.out.annotated // [meta, h5ad] per group
    markers   = ANNOTATION_MARKERS.out.markers // [meta, markers.tsv] per group
    celltypes = ANNOTATION_CELLTYPES.out.celltypes // [meta, annotation.tsv] per group
    tables    = ANNOTATION_UMAP.out.umap // [meta, table] per group, for the report
        .mix(ANNOTATION_MARKERS.out.markers)
        .mix(ANNOTATION_CELLTYPES.out.celltypes)
        .mix(differences)
        .mix(ANNOTATION_ASSEMBLE.out.clusters)
        .mix(ANNOTATION_ASSEMBLE.out.composition)
        .mix(ANNOTATION_ASSEMBLE.out.distances)
        .mix(ANNOTATION_ASSEMBLE.out.mixing)
    failures  = ANNOTATION_UMAP.out.failure
        .mix(ANNOTATION_MARKERS.out.failure)
        .mix(ANNOTATION_CELLTYPES.out.failure)
        .mix(ANNOTATION_ASSEMBLE.out.failure)
        .mix(at_choice)
}

// Most groups have no gold standard: an empty list of files stands for it.
def withGoldStandard(groups, gold_standard) {
    groups
        .map { group -> [group[0].id, group] }
        .join(gold_standard, remainder: true)
        .filter { _id, group, _labels -> group }
        .map { _id, group, labels -> group + [labels ?: []] }
}
