process ANNOTATION_SUBCLUSTERS {
    tag "${meta.id}"
    label 'process_high'
    label 'family_core'

    input:
    tuple val(meta), path(expression), path(clustering), path(celltypes)
    path chosen, stageAs: 'subcluster.json'
    val code

    output:
    tuple val(meta), path("${meta.id}.cluster_sub.tsv"), optional: true,        emit: cells
    tuple val(meta), path("${meta.id}.subclusters.{tsv,json}"), optional: true, emit: summary
    tuple val(meta), path("${meta.id}.submarkers.tsv"), optional: true,         emit: markers
    path("*.failure.json"), optional: true,                                     emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    def args2 = task.ext.args2 ?: ''
    """
    export SCSIAMESECLU_THREADS=${task.cpus}
    scsiameseclu_step annotation subclusters \\
        --prefix '${meta.id}' \\
        --expression ${expression} \\
        --clustering ${clustering} \\
        --annotation ${celltypes} \\
        --chosen subcluster.json \\
        ${args} \\
        ${args2}
    """

    stub:
    """
    touch '${meta.id}.cluster_sub.tsv' '${meta.id}.subclusters.tsv' '${meta.id}.subclusters.json'
    touch '${meta.id}.submarkers.tsv' versions.yml
    """
}
