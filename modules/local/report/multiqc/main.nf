process REPORT_MULTIQC {
    tag "all samples"
    label 'process_single'
    label 'family_report'

    input:
    path sections, stageAs: 'sections/*'
    path configs
    path extras

    output:
    path('multiqc_report.html'), emit: report

    script:
    def args = task.ext.args ?: ''
    """
    multiqc \\
        --force \\
        ${configs.collect { config -> "--config ${config}" }.join(' ')} \\
        ${args} \\
        sections
    """

    stub:
    """
    touch multiqc_report.html
    """
}
