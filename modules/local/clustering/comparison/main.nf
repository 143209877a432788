process CLUSTERING_COMPARISON {
    tag "${meta.id}, ${meta.n_cells} cells"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta), path(expression), path(clustering)

    output:
    tuple val(meta), path("${meta.id}.comparison.tsv"), optional: true, emit: comparison
    path("*.failure.json"), optional: true,                             emit: failure
    tuple val("${task.process}"), val('python'), eval('version_of.py python'), topic: versions
    tuple val("${task.process}"), val('igraph'), eval('version_of.py igraph'), topic: versions
    tuple val("${task.process}"), val('scikit-learn'), eval('version_of.py scikit-learn'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    clustering_comparison.py \\
        --prefix '${meta.id}' \\
        --expression ${expression} \\
        --clustering ${clustering} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.comparison.tsv'
    """
}
