process INTAKE_ESTIMATE_MEMORY {
    tag "all samples"
    label 'process_single'
    label 'family_core'

    input:
    val ids
    path counts, stageAs: 'counts/?/*'

    output:
    path('memory.json'), emit: memory
    tuple val("${task.process}"), val('python'), eval('version_of.py python'), topic: versions
    tuple val("${task.process}"), val('h5py'), eval('version_of.py h5py'), topic: versions

    script:
    def args = task.ext.args ?: ''
    def limit = task.resourceLimits?.memory ? "--limit-mb ${(task.resourceLimits.memory as MemoryUnit).toMega()}" : ''
    """
    intake_estimate_memory.py \\
        --sample-ids ${ids.join(' ')} \\
        --counts counts \\
        ${limit} \\
        ${args}
    """

    stub:
    """
    echo '{"limit_mb": null, "samples": []}' > memory.json
    """
}
