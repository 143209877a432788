process ANNOTATION_ASSEMBLE {
    tag "${meta.id}"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta), path(expression), path(clustering), path(summary), path(comparison), path(umap), path(celltypes), path(labels, stageAs: 'labels/*')
    val code

    output:
    tuple val(meta), path("${meta.id}.h5ad"), optional: true,                 emit: annotated
    tuple val(meta), path("${meta.id}.clusters.tsv"), optional: true,         emit: clusters
    tuple val(meta), path("${meta.id}.composition.tsv"), optional: true,      emit: composition
    tuple val(meta), path("${meta.id}.sample_distances.tsv"), optional: true, emit: distances
    tuple val(meta), path("${meta.id}.mixing.json"), optional: true,          emit: mixing
    tuple val(meta), path("${meta.id}.metrics.json"), optional: true,         emit: metrics
    tuple val(meta), path("${meta.id}.contingency.tsv"), optional: true,      emit: contingency
    path("*.failure.json"), optional: true,                                   emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    def beside = comparison ? "--comparison ${comparison}" : ''
    def gold_standard = labels ? '--labels labels/*' : ''
    """
    scsiameseclu_step annotation assemble \\
        --prefix '${meta.id}' \\
        --expression ${expression} \\
        --clustering ${clustering} \\
        --summary ${summary} \\
        ${beside} \\
        --umap ${umap} \\
        --annotation ${celltypes} \\
        ${gold_standard} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.h5ad' '${meta.id}.clusters.tsv' '${meta.id}.composition.tsv' versions.yml
    touch '${meta.id}.metrics.json' '${meta.id}.contingency.tsv' '${meta.id}.sample_distances.tsv' '${meta.id}.mixing.json'
    """
}
