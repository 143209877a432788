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
    def bytes = task.ext.bytes.collectEntries { step, sizes ->
        [step, sizes.collectEntries { what, size -> [what, (size as MemoryUnit).toBytes()] }]
    }
    def given = groovy.json.JsonOutput.toJson([samples: samples, bytes: bytes])
    def limit = task.resourceLimits?.memory ? "--limit-mb ${(task.resourceLimits.memory as MemoryUnit).toMega()}" : ''
    """
    # JSON on one line; the quoted here-document keeps every character of it from the shell.
    intake_estimate_memory.py \\
        --counts counts \\
        ${limit} \\
        ${args} <<'GIVEN'
    ${given}
    GIVEN
    """

    stub:
    """
    echo '{"limit_mb": null, "samples": [], "groups": []}' > memory.json
    """
}
