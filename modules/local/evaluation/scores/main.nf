process EVALUATION_SCORES {
    tag "${meta.id}"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta), path(annotated), path(summary), path(comparison)
    val code

    output:
    tuple val(meta), path("${meta.id}.metrics.json"), optional: true,    emit: metrics
    tuple val(meta), path("${meta.id}.contingency.tsv"), optional: true, emit: contingency
    path("*.failure.json"), optional: true,                              emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    scsiameseclu_step evaluation scores \\
        --prefix '${meta.id}' \\
        --annotated ${annotated} \\
        --summary ${summary} \\
        --comparison ${comparison} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.metrics.json' '${meta.id}.contingency.tsv' versions.yml
    """
}
