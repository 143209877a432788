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
    def most = task.resourceLimits?.memory
    def limit = most ? "--limit-mb ${(most as MemoryUnit).toMega()}" : ''
    """
    # JSON on one line; the quoted here-document keeps every character of it from the shell.
    scsiameseclu_step intake estimate_memory \\
        --counts counts \\
        ${limit} \\
        ${args} <<'SAMPLES'
    ${groovy.json.JsonOutput.toJson(samples)}
    SAMPLES
    """

    stub:
    """
    touch versions.yml
    echo '{"limit_mb": null, "samples": [], "groups": []}' > memory.json
    """
}
