process ANNOTATION_SCORES {
    tag "${meta.id}"
    label 'process_medium'
    label 'family_core'
    cache 'deep' // the check of what the user gave makes the same files anew for another samplesheet

    input:
    tuple val(meta), path(expression), path(clustering)
    path bundled, stageAs: 'bundled/*'
    path gene_sets, stageAs: 'given/gene_sets.gmt'
    path genes, stageAs: 'given/genes_of_interest.txt'
    val code

    output:
    tuple val(meta), path("${meta.id}.scored_cells.tsv"), optional: true,         emit: cells
    tuple val(meta), path("${meta.id}.{cell_scores.json,drawn_cells.tsv}"), optional: true, emit: drawn
    tuple val(meta), path("${meta.id}.cell_scores.tsv"), optional: true,          emit: cell_scores
    tuple val(meta), path("${meta.id}.gene_set_scores.tsv"), optional: true,      emit: set_scores
    tuple val(meta), path("${meta.id}.genes_of_interest.tsv"), optional: true,    emit: genes
    path("*.failure.json"), optional: true,                                       emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    def of_pipeline = bundled ? '--bundled bundled/*' : ''
    def of_user = gene_sets ? '--gene-sets given/gene_sets.gmt' : ''
    def chosen = genes ? '--genes given/genes_of_interest.txt' : ''
    """
    scsiameseclu_step annotation scores \\
        --prefix '${meta.id}' \\
        --expression ${expression} \\
        --clustering ${clustering} \\
        ${of_pipeline} \\
        ${of_user} \\
        ${chosen} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.scored_cells.tsv' '${meta.id}.drawn_cells.tsv' '${meta.id}.cell_scores.json'
    touch '${meta.id}.cell_scores.tsv' '${meta.id}.gene_set_scores.tsv' versions.yml
    touch '${meta.id}.genes_of_interest.tsv'
    """
}
