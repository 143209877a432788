// Runs only if a GPU is required, at the start: a missing GPU is reported within seconds, not after
// quality control.
process CLUSTERING_CHECK_DEVICE {
    tag "${device}"
    label 'process_single'
    label 'process_gpu'
    label 'family_scsiameseclu'

    input:
    val device
    val code

    output:
    path('device.json'), emit: device
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    scsiameseclu_step clustering check_device --device ${device} ${args}
    """

    stub:
    """
    touch device.json versions.yml
    """
}
