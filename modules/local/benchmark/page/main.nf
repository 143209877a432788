process BENCHMARK_PAGE {
    label 'process_single'
    label 'family_core'

    input:
    path(results, stageAs: 'results/*')

    output:
    path('benchmarks'),    emit: tables
    path('benchmarks.md'), emit: page
    tuple val("${task.process}"), val('python'), eval('version_of.py python'), topic: versions
    tuple val("${task.process}"), val('matplotlib'), eval('version_of.py matplotlib'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    benchmark_page.py --results results/* ${args}
    """

    stub:
    """
    mkdir benchmarks
    touch benchmarks/results.tsv benchmarks.md
    """
}
