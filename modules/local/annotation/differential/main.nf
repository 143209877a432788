process ANNOTATION_DIFFERENTIAL {
    tag "${meta.id}"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta), path(expression), path(clustering)
    path design, stageAs: 'design.json'
    val code

    output:
    tuple val(meta),
        path("${meta.id}.differential_expression.tsv"), optional: true,  emit: table
    tuple val(meta),
        path("${meta.id}.differential_expression.json"), optional: true, emit: notes
    tuple val(meta), path("${meta.id}.pseudobulk.h5ad"), optional: true, emit: pseudobulk
    path("*.failure.json"), optional: true,                              emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    scsiameseclu_step annotation differential \\
        --prefix '${meta.id}' \\
        --expression ${expression} \\
        --clustering ${clustering} \\
        --design design.json \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.differential_expression.tsv' '${meta.id}.differential_expression.json'
    touch '${meta.id}.pseudobulk.h5ad' versions.yml
    """
}
