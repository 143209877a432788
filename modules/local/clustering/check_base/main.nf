// Runs only with --base, at the start: an unsuitable base is reported while the samples are still
// being read.
process CLUSTERING_CHECK_BASE {
    tag "base"
    label 'process_single'
    label 'family_core'

    input:
    path base, stageAs: 'given/base'
    path samples
    val code

    output:
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    scsiameseclu_step clustering check_base --base given/base --samples ${samples} ${args}
    """

    stub:
    """
    touch versions.yml
    """
}
