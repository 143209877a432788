process EXPRESSION_MERGE {
    tag "${meta.id}"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta), path(samples, stageAs: 'samples/*')

    output:
    tuple val(meta), path("${meta.id}.merged.h5ad"), path("${meta.id}.size.json"), optional: true, emit: merged
    path("*.failure.json"), optional: true,                                                        emit: failure
    tuple val("${task.process}"), val('python'), eval('version_of.py python'), topic: versions
    tuple val("${task.process}"), val('anndata'), eval('version_of.py anndata'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    expression_merge.py \\
        --prefix '${meta.id}' \\
        --samples samples/* \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.merged.h5ad'
    echo '{"n_cells": 0, "n_genes": 0, "n_values": 0}' > '${meta.id}.size.json'
    """
}
