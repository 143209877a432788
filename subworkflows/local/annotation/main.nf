// Annotation: coordinates to look at, marker genes, cell types, differences between conditions; all
// put together in one AnnData.

include { codeOf                  } from '../utils/code'
include { given                   } from '../utils/files'
include { ANNOTATION_CHECK        } from '../../../modules/local/annotation/check'
include { ANNOTATION_UMAP         } from '../../../modules/local/annotation/umap'
include { ANNOTATION_MARKERS      } from '../../../modules/local/annotation/markers'
include { ANNOTATION_REFERENCE    } from '../../../modules/local/annotation/reference'
include { ANNOTATION_CELLTYPES    } from '../../../modules/local/annotation/celltypes'
include { ANNOTATION_OPINION      } from '../../../modules/local/annotation/opinion'
include { ANNOTATION_SUBCLUSTERS  } from '../../../modules/local/annotation/subclusters'
include { ANNOTATION_DIFFERENTIAL } from '../../../modules/local/annotation/differential'
include { ANNOTATION_COMPOSITION  } from '../../../modules/local/annotation/composition'
include { ANNOTATION_MODALITIES   } from '../../../modules/local/annotation/modalities'
include { ANNOTATION_ASSEMBLE     } from '../../../modules/local/annotation/assemble'
include { ANNOTATION_EXPORT       } from '../../../modules/local/annotation/export'

workflow ANNOTATION {
    take:
    expression // [meta, expression.h5ad] per group
    clustering // [meta, clustering.h5ad] per group
    gold_standard // [id, [labels.tsv]] per group that has one; they become a column of the AnnData
    samples // file: settings of all samples
    cells // [id, [filtered.h5ad]] per group

    main:
    // What the user gave is checked at once, while the samples are still being read. A formula is
    // free text: it travels in a file.
    def code = codeOf('annotation')
    def given_design = [condition: params.condition, formula: params.formula]
    def design = channel.of(toJson(given_design)).collectFile(name: 'design.json').first()
    if (isAnythingGiven()) {
        def names = [markers_db: params.markers, labelled: params.reference]
        def (markers, labelled) = [given(params.markers), given(params.reference)]
        names.celltypist = params.celltypist_model
        def model = given(params.celltypist_model)
        ANNOTATION_CHECK(samples, markers, labelled, model, toJson(names), design, code)
    }
    def marker_sets = params.markers
        ? ANNOTATION_CHECK.out.marker_sets.first()
        : file("${projectDir}/assets/markers")

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
    def found_types = ANNOTATION_CELLTYPES.out.celltypes

    // A group without a second opinion, or whose opinion failed, goes on without.
    def opinions = clustered.map { group -> [group[0], []] }
    def second = channel.empty()
    if (params.reference || params.celltypist_model) {
        def checked = ANNOTATION_CHECK.out
        ANNOTATION_OPINION(
            clustered.join(found_types),
            params.reference ? checked.reference.first() : [],
            params.celltypist_model ? checked.celltypist.first() : [],
            code,
        )
        second = ANNOTATION_OPINION.out.table
        opinions = opinions
            .join(ANNOTATION_OPINION.out.cells, remainder: true)
            .map { meta, none, types -> [meta, types ?: none] }
        at_choice = at_choice.mix(ANNOTATION_OPINION.out.failure)
    }

    // Names of clusters and cell types are free text, too.
    def subclusters = clustered.map { group -> [group[0], []] }
    def divided = channel.empty()
    if (params.subcluster != null) {
        def chosen = channel
            .of(toJson([subcluster: params.subcluster.toString()]))
            .collectFile(name: 'subcluster.json')
            .first()
        ANNOTATION_SUBCLUSTERS(clustered.join(found_types), chosen, code)
        subclusters = ANNOTATION_SUBCLUSTERS.out.cells
        divided = ANNOTATION_SUBCLUSTERS.out.summary.transpose().mix(
            ANNOTATION_SUBCLUSTERS.out.markers
        )
        at_choice = at_choice.mix(ANNOTATION_SUBCLUSTERS.out.failure)
    }

    def differences = channel.empty()
    if (params.condition) {
        ANNOTATION_DIFFERENTIAL(clustered, design, code)
        def differential = ANNOTATION_DIFFERENTIAL.out
        ANNOTATION_COMPOSITION(differential.pseudobulk.join(found_types), design, code)
        differences = differential.table.mix(differential.notes, ANNOTATION_COMPOSITION.out.table)
        at_choice = at_choice.mix(differential.failure, ANNOTATION_COMPOSITION.out.failure)
    }

    // Proteins, hashtags and guides pass the clustering by; most groups have none.
    def measured = clustered.filter { group -> group[0].n_captured }
    ANNOTATION_MODALITIES(withCells(measured, cells), code)
    def modalities = clustered
        .filter { group -> !group[0].n_captured }
        .map { group -> [group[0], []] }
        .mix(ANNOTATION_MODALITIES.out.modalities)

    def found = clustered
        .join(ANNOTATION_UMAP.out.umap)
        .join(found_types)
        .join(modalities)
        .join(subclusters)
        .join(opinions)
    ANNOTATION_ASSEMBLE(withGoldStandard(found, gold_standard), code)
    if (params.export) {
        ANNOTATION_EXPORT(ANNOTATION_ASSEMBLE.out.annotated, code)
        at_choice = at_choice.mix(ANNOTATION_EXPORT.out.failure)
    }

    emit:
    annotated = ANNOTATION_ASSEMBLE.out.annotated // [meta, h5ad] per group
    markers   = ANNOTATION_MARKERS.out.markers // [meta, markers.tsv] per group
    celltypes = found_types // [meta, annotation.tsv] per group
    tables    = ANNOTATION_UMAP.out.umap // [meta, table] per group, for the report
        .mix(ANNOTATION_MARKERS.out.markers)
        .mix(found_types)
        .mix(differences, divided)
        .mix(second)
        .mix(ANNOTATION_MODALITIES.out.summary, ANNOTATION_MODALITIES.out.tables.transpose())
        .mix(ANNOTATION_ASSEMBLE.out.clusters)
        .mix(ANNOTATION_ASSEMBLE.out.composition)
        .mix(ANNOTATION_ASSEMBLE.out.distances)
        .mix(ANNOTATION_ASSEMBLE.out.mixing)
    failures  = ANNOTATION_UMAP.out.failure
        .mix(ANNOTATION_MARKERS.out.failure)
        .mix(ANNOTATION_CELLTYPES.out.failure)
        .mix(ANNOTATION_ASSEMBLE.out.failure)
        .mix(ANNOTATION_MODALITIES.out.failure)
        .mix(at_choice)
}

// Each group with the cells of its samples.
def withCells(groups, cells) {
    groups
        .map { meta, _expression, clustering -> [meta.id, meta, clustering] }
        .join(cells)
        .map { _id, meta, clustering, members -> [meta, members, clustering] }
}

def isAnythingGiven() {
    def free = [params.reference_label, params.condition, params.formula]
    (free + [params.markers, params.reference, params.celltypist_model]).any()
}

def toJson(value) {
    groovy.json.JsonOutput.toJson(value)
}

// Most groups have no gold standard: an empty list of files stands for it.
def withGoldStandard(groups, gold_standard) {
    groups
        .map { group -> [group[0].id, group] }
        .join(gold_standard, remainder: true)
        .filter { _id, group, _labels -> group }
        .map { _id, group, labels -> group + [labels ?: []] }
}
