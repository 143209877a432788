process INTAKE_ESTIMATE_MEMORY {
    tag "all samples"
    label 'process_single'
    label 'family_core'

    input:
    tuple val(samples), path(counts, stageAs: 'counts/?/*')

    output:
    path('memory.json'), emit: memory
    tuple val("${task.process}"), val('python'), eval('version_of.py python'), topic: versions
    tuple val("${task.process}"), val('h5py'), eval('version_of.py h5py'), topic: versions

    script:
    def args = task.ext.args ?: ''
    // What each step asks for, from conf/base.config, in plain numbers.
    def bytes = task.ext.bytes.collectEntries { step, each -> [step, each.collectEntries { what, size -> [what, (size as MemoryUnit).toBytes()] }] }
    def given = groovy.json.JsonOutput.toJson([samples: samples, bytes: bytes])
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
    echo '{"limit_mb": null, "samples": [], "groups": []}' > memory.json
    """
}
