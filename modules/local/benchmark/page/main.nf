process BENCHMARK_PAGE {
    label 'process_single'
    label 'family_core'

    input:
    path(results, stageAs: 'results/*')
    val code

    output:
    path('benchmarks'),    emit: tables
    path('benchmarks.md'), emit: page
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    scsiameseclu_step benchmark page --results results/* ${args}
    """

    stub:
    """
    mkdir benchmarks
    touch benchmarks/results.tsv benchmarks.md versions.yml
    """
}
