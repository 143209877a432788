// Runs only if a sample or group failed, after the report: names each with its reason and ends with
// a nonzero status, so that the run's exit status is nonzero, too.
process REPORT_VERDICT {
    tag "all samples"
    label 'process_single'
    label 'family_core'

    input:
    path failures, stageAs: 'failures/?/*'
    path report
    val code

    script:
    def args = task.ext.args ?: ''
    """
    scsiameseclu_step report verdict --failures failures ${args}
    """

    stub:
    """
    true
    """
}
