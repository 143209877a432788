process REPORT_TABLES {
    tag "all samples"
    label 'process_single'
    label 'family_core'

    input:
    path samples, stageAs: 'samples/*'
    path groups, stageAs: 'groups/*'
    path failures, stageAs: 'failures/?/*'
    path samplesheet
    path parameters
    path schema
    path versions
    path methods
    path logo, stageAs: 'given/logo'
    val code

    output:
    path('*_mqc.*'),           emit: sections
    path('section_order.yml'), emit: order
    path('summary.txt'),       emit: summary
    path('custom_logo.*'),     emit: logo, optional: true

    script:
    def args = (logo ? '--logo given/logo ' : '') + (task.ext.args ?: '')
    """
    mkdir -p samples groups failures
    scsiameseclu_step report tables \\
        --samples samples \\
        --groups groups \\
        --failures failures \\
        --samplesheet ${samplesheet} \\
        --parameters ${parameters} \\
        --schema ${schema} \\
        --versions ${versions} \\
        --methods ${methods} \\
        ${args}
    """

    stub:
    """
    touch verdict_mqc.json section_order.yml
    echo 'Samples:  a stub' > summary.txt
    """
}
