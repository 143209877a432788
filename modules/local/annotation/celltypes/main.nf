process ANNOTATION_CELLTYPES {
    tag "${meta.id}"
    label 'process_medium'
    label 'family_core'
    cache 'deep' // the check of what the user gave makes the same file anew for another samplesheet

    input:
    tuple val(meta), path(expression), path(clustering), path(reference)
    path marker_sets
    val code

    output:
    tuple val(meta), path("${meta.id}.annotation.tsv"), optional: true, emit: celltypes
    path("*.failure.json"), optional: true,                             emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    def beside = reference ? "--reference ${reference}" : ''
    """
    scsiameseclu_step annotation celltypes \\
        --prefix '${meta.id}' \\
        --expression ${expression} \\
        --clustering ${clustering} \\
        --markers-db ${marker_sets} \\
        ${beside} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.annotation.tsv' versions.yml
    """
}
