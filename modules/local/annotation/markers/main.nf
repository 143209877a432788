process ANNOTATION_MARKERS {
    tag "${meta.id}"
    label 'process_high'
    label 'family_core'

    input:
    tuple val(meta), path(expression), path(clustering)
    val code

    output:
    tuple val(meta), path("${meta.id}.markers.tsv"), optional: true, emit: markers
    path("*.failure.json"), optional: true,                          emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    export SCSIAMESECLU_THREADS=${task.cpus}
    scsiameseclu_step annotation markers \\
        --prefix '${meta.id}' \\
        --expression ${expression} \\
        --clustering ${clustering} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.markers.tsv' versions.yml
    """
}
