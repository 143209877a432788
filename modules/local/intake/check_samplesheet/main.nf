process INTAKE_CHECK_SAMPLESHEET {
    tag "samplesheet"
    label 'process_single'
    label 'family_core'

    input:
    path samplesheet, stageAs: 'samplesheet/*'
    path schema
    path defaults
    path paths
    val code

    output:
    path('samples.json'), emit: samples
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    intake_check_samplesheet.py \\
        --samplesheet samplesheet/* \\
        --schema ${schema} \\
        --defaults ${defaults} \\
        --paths ${paths} \\
        ${args}
    """

    stub:
    """
    # The sheet shapes the workflow, so a stub run checks it as well.
    intake_check_samplesheet.py \\
        --samplesheet samplesheet/* \\
        --schema ${schema} \\
        --defaults ${defaults} \\
        --paths ${paths}
    """
}
