process INTAKE_CHECK_SAMPLESHEET {
    tag "samplesheet"
    label 'process_single'
    label 'family_core'

    input:
    path samplesheet, stageAs: 'given/samplesheet'
    path schema
    path parameters
    val given
    val code

    output:
    tuple path('samples.json'), path('mistakes.json'), emit: checked
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    # JSON on one line; the quoted here-document keeps every character of it from the shell.
    scsiameseclu_step intake check_samplesheet \\
        --samplesheet given/samplesheet \\
        --schema ${schema} \\
        --parameters ${parameters} \\
        ${args} <<'GIVEN'
    ${given}
    GIVEN
    """

    stub:
    """
    # The sheet shapes the workflow, so a stub run checks it as well.
    scsiameseclu_step intake check_samplesheet \\
        --samplesheet given/samplesheet \\
        --schema ${schema} \\
        --parameters ${parameters} <<'GIVEN'
    ${given}
    GIVEN
    """
}
