process EXPRESSION_NORMALIZE {
    tag "${meta.id}, ${meta.n_cells} cells"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta), path(merged)

    output:
    tuple val(meta), path("${meta.id}.expression.h5ad"), optional: true, emit: expression
    path("*.failure.json"), optional: true,                              emit: failure
    tuple val("${task.process}"), val('python'), eval('version_of.py python'), topic: versions
    tuple val("${task.process}"), val('scanpy'), eval('version_of.py scanpy'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    expression_normalize.py \\
        --prefix '${meta.id}' \\
        --merged ${merged} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.expression.h5ad'
    """
}
