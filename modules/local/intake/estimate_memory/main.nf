process INTAKE_ESTIMATE_MEMORY {
    tag "all samples"
    label 'process_single'
    label 'family_core'

    input:
    tuple val(samples), path(counts, stageAs: 'counts/?')
    val code

    output:
    path('memory.json'), emit: memory
    tuple val("${task.process}"), path('versions.yml'), topic: versions

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
    scsiameseclu_step intake estimate_memory \\
        --counts counts \\
        ${limit} \\
        ${args} <<'GIVEN'
    ${given}
    GIVEN
    """

    stub:
    """
    touch versions.yml
    echo '{"limit_mb": null, "samples": [], "groups": []}' > memory.json
    """
}
