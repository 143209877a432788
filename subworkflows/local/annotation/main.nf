// Annotation: UMAP, marker genes, cell types and differences between conditions, all in one
// AnnData.

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
include { ANNOTATION_AMBIENT      } from '../../../modules/local/annotation/ambient'
include { ANNOTATION_SCORES       } from '../../../modules/local/annotation/scores'
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
    soups // [id, [soup.h5ad]] per group with empty droplets

    main:
    // Files and names given by the user are checked at once, while the samples are still being
    // read. A formula is free text, so it is passed in a file.
    def code = codeOf('annotation')
    def given_design = [condition: params.condition?.toString(), formula: params.formula]
    def design = channel.of(toJson(given_design)).collectFile(name: 'design.json').first()
    if (isAnythingGiven()) {
        def names = [
            markers_db: params.markers?.toString(),
            labelled: params.reference,
            celltypist: params.celltypist_model,
        ]
        def (markers, labelled) = [given(params.markers), given(params.reference)]
        def model = given(params.celltypist_model)
        def (sets, genes) = [given(params.gene_sets), genesFile()]
        ANNOTATION_CHECK(
            samples, markers, labelled, model, toJson(names + scoredBy()), design, sets, genes, code
        )
    }
    def marker_sets = params.markers
        ? ANNOTATION_CHECK.out.marker_sets.first()
        : file("${projectDir}/assets/markers")

    def clustered = expression.join(clustering)
    ANNOTATION_UMAP(clustered, code)
    ANNOTATION_MARKERS(clustered, code)

    // With a reference, a group waits for its result, and continues without it if that fails.
    def beside = clustered.map { group -> group + [[]] }
    def at_choice = channel.empty()
    if (params.reference) {
        ANNOTATION_REFERENCE(clustered, ANNOTATION_CHECK.out.reference.first(), code)
        beside = clustered.join(together(clustered, [ANNOTATION_REFERENCE.out.reference]))
        at_choice = ANNOTATION_REFERENCE.out.failure
    }
    ANNOTATION_CELLTYPES(beside, marker_sets, code)
    def found_types = ANNOTATION_CELLTYPES.out.celltypes

    // Optional steps add columns to the cells; if one fails, the group continues without them.
    def columns = []
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
        columns << ANNOTATION_OPINION.out.cells
        at_choice = at_choice.mix(ANNOTATION_OPINION.out.failure)
    }

    // Names of clusters and cell types are free text, too.
    def divided = channel.empty()
    if (params.subcluster != null) {
        def chosen = channel
            .of(toJson([subcluster: params.subcluster.toString()]))
            .collectFile(name: 'subcluster.json')
            .first()
        ANNOTATION_SUBCLUSTERS(clustered.join(found_types), chosen, code)
        columns << ANNOTATION_SUBCLUSTERS.out.cells
        divided = ANNOTATION_SUBCLUSTERS.out.summary.transpose().mix(
            ANNOTATION_SUBCLUSTERS.out.markers
        )
        at_choice = at_choice.mix(ANNOTATION_SUBCLUSTERS.out.failure)
    }

    def scores = channel.empty()
    if (params.cell_scores || scoredBy()) {
        def sets = params.gene_sets ? ANNOTATION_CHECK.out.gene_sets.first() : []
        def genes = params.genes_of_interest ? ANNOTATION_CHECK.out.genes.first() : []
        def bundled = params.cell_scores ? files("${projectDir}/assets/gene_sets/*.gmt").sort() : []
        ANNOTATION_SCORES(clustered, bundled, sets, genes, code)
        columns << ANNOTATION_SCORES.out.cells
        scores = ANNOTATION_SCORES.out.drawn.transpose().mix(
            ANNOTATION_SCORES.out.cell_scores,
            ANNOTATION_SCORES.out.set_scores,
            ANNOTATION_SCORES.out.genes,
        )
        at_choice = at_choice.mix(ANNOTATION_SCORES.out.failure)
    }

    def differences = channel.empty()
    if (params.condition) {
        ANNOTATION_DIFFERENTIAL(clustered, design, code)
        def differential = ANNOTATION_DIFFERENTIAL.out
        ANNOTATION_COMPOSITION(differential.pseudobulk.join(found_types), design, code)
        differences = differential.table.mix(differential.notes, ANNOTATION_COMPOSITION.out.table)
        at_choice = at_choice.mix(differential.failure, ANNOTATION_COMPOSITION.out.failure)
    }

    // Proteins, hashtags and guides bypass the clustering; most groups have none.
    def measured = clustering.filter { meta, _clustering -> meta.n_captured }
    ANNOTATION_MODALITIES(withFiles(measured, cells), code)
    def modalities = clustered
        .filter { group -> !group[0].n_captured }
        .map { group -> [group[0], []] }
        .mix(ANNOTATION_MODALITIES.out.modalities)

    // Ambient RNA is estimated if a sample has empty droplets; groups wait only for corrected
    // counts.
    def leaky = clustered.filter { group -> params.ambient != 'none' && group[0].n_droplets }
    def marked = leaky.join(ANNOTATION_MARKERS.out.markers)
    ANNOTATION_AMBIENT(withFiles(marked, soups), code)
    def corrections = clustered
        .filter { group -> !isCorrected(group[0]) }
        .map { group -> [group[0], []] }
        .mix(together(leaky.filter { group -> isCorrected(group[0]) }, [ANNOTATION_AMBIENT.out.shares]))

    def found = clustered
        .join(ANNOTATION_UMAP.out.umap)
        .join(found_types)
        .join(modalities)
        .join(together(clustered, columns))
        .join(corrections)
    ANNOTATION_ASSEMBLE(withGoldStandard(found, gold_standard), code)
    def lacking = channel.empty()
    if (params.export) {
        ANNOTATION_EXPORT(ANNOTATION_ASSEMBLE.out.annotated, code)
        at_choice = at_choice.mix(ANNOTATION_EXPORT.out.failure)
        // The report waits for the export only if there is such a table.
        if (params.export.tokenize(',').contains('cellxgene')) {
            lacking = ANNOTATION_EXPORT.out.missing
        }
    }

    emit:
    annotated = ANNOTATION_ASSEMBLE.out.annotated // [meta, h5ad] per group
    markers   = ANNOTATION_MARKERS.out.markers // [meta, markers.tsv] per group
    celltypes = found_types // [meta, annotation.tsv] per group
    tables    = ANNOTATION_UMAP.out.umap // [meta, table] per group, for the report
        .mix(ANNOTATION_MARKERS.out.markers)
        .mix(found_types)
        .mix(differences, divided)
        .mix(lacking)
        .mix(second)
        .mix(scores)
        .mix(ANNOTATION_MODALITIES.out.summary, ANNOTATION_MODALITIES.out.tables.transpose())
        .mix(ANNOTATION_AMBIENT.out.tables.transpose())
        .mix(ANNOTATION_ASSEMBLE.out.clusters)
        .mix(ANNOTATION_ASSEMBLE.out.composition)
        .mix(ANNOTATION_ASSEMBLE.out.distances)
        .mix(ANNOTATION_ASSEMBLE.out.mixing)
    failures  = ANNOTATION_UMAP.out.failure
        .mix(ANNOTATION_MARKERS.out.failure)
        .mix(ANNOTATION_CELLTYPES.out.failure)
        .mix(ANNOTATION_ASSEMBLE.out.failure)
        .mix(ANNOTATION_MODALITIES.out.failure)
        .mix(ANNOTATION_AMBIENT.out.failure)
        .mix(at_choice)
}

// Each group with the files of its samples.
def withFiles(groups, files) {
    groups
        .map { group -> [group[0].id, group] }
        .join(files)
        .map { _id, group, members -> group + [members] }
}

// Each group with its available tables of cells. A value is added to the key, because join would
// otherwise pass on the bare key of a group without tables.
def together(groups, tables) {
    tables
        .inject(groups.map { group -> [group[0], []] }) { joined, of_cells ->
            joined.join(of_cells, remainder: true)
        }
        .map { group -> [group[0], group.tail().findAll()] }
}

def isCorrected(meta) {
    params.ambient == 'correct' && meta.n_droplets
}

def isAnythingGiven() {
    def free = [params.reference_label, params.condition, params.formula, params.cell_scores]
    def files = [params.markers, params.reference, params.celltypist_model]
    (free + files + scoredBy().values()).any()
}

// The user's gene sets and genes of interest as given, or nothing.
def scoredBy() {
    [gene_sets: params.gene_sets, genes_of_interest: params.genes_of_interest?.toString()]
        .findAll { _name, value -> value }
}

// Genes are given as a list or in a file.
def genesFile() {
    def place = file(params.genes_of_interest?.toString() ?: '.', glob: false)
    java.nio.file.Files.isRegularFile(place) ? given(params.genes_of_interest) : []
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
