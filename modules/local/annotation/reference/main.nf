process ANNOTATION_REFERENCE {
    tag "${meta.id}"
    label 'process_medium'
    label 'family_core'
    cache 'deep' // the check of what the user gave makes the same file anew for another samplesheet

    input:
    tuple val(meta), path(expression), path(clustering)
    path labelled
    val code

    output:
    tuple val(meta), path("${meta.id}.reference.tsv"), optional: true, emit: reference
    path("*.failure.json"), optional: true,                            emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    scsiameseclu_step annotation reference \\
        --prefix '${meta.id}' \\
        --expression ${expression} \\
        --clustering ${clustering} \\
        --labelled ${labelled} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.reference.tsv' versions.yml
    """
}
