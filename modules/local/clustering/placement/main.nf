process CLUSTERING_PLACEMENT {
    tag "${meta.id}"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta), path(expression)
    path base, stageAs: 'given/base'
    val code

    output:
    tuple val(meta), path("${meta.id}.clustering.h5ad"), optional: true,      emit: clustering
    tuple val(meta), path("${meta.id}.clustering.json"), optional: true,      emit: summary
    tuple val(meta), path("${meta.id}.training_history.tsv"), optional: true, emit: history
    path("*.failure.json"), optional: true,                                   emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    scsiameseclu_step clustering placement \\
        --prefix '${meta.id}' \\
        --expression ${expression} \\
        --base given/base \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.clustering.h5ad' '${meta.id}.clustering.json' versions.yml
    touch '${meta.id}.training_history.tsv'
    """
}
