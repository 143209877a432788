process EXPRESSION_NORMALIZE {
    tag "${meta.id}"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta), path(samples, stageAs: 'samples/*')
    val code

    output:
    tuple val(meta),
        path("${meta.id}.expression.h5ad"),
        path("${meta.id}.size.json"), optional: true,                    emit: expression
    tuple val(meta), path("${meta.id}.expression.json"), optional: true, emit: account
    path("*.failure.json"), optional: true,                              emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    scsiameseclu_step expression normalize \\
        --prefix '${meta.id}' \\
        --samples samples/* \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.expression.h5ad' '${meta.id}.expression.json' versions.yml
    echo '{"n_cells": 0, "n_genes": 0, "n_values": 0}' > '${meta.id}.size.json'
    """
}
