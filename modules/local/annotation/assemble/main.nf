process ANNOTATION_ASSEMBLE {
    tag "${meta.id}, ${meta.n_cells} cells"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta), path(expression), path(clustering), path(umap), path(celltypes), path(labels, stageAs: 'labels/*')

    output:
    tuple val(meta), path("${meta.id}.h5ad"), optional: true,            emit: annotated
    tuple val(meta), path("${meta.id}.clusters.tsv"), optional: true,    emit: clusters
    tuple val(meta), path("${meta.id}.composition.tsv"), optional: true, emit: composition
    path("*.failure.json"), optional: true,                              emit: failure
    tuple val("${task.process}"), val('python'), eval('version_of.py python'), topic: versions
    tuple val("${task.process}"), val('anndata'), eval('version_of.py anndata'), topic: versions

    script:
    def args = task.ext.args ?: ''
    def gold_standard = labels ? '--labels labels/*' : ''
    """
    annotation_assemble.py \\
        --prefix '${meta.id}' \\
        --expression ${expression} \\
        --clustering ${clustering} \\
        --umap ${umap} \\
        --annotation ${celltypes} \\
        ${gold_standard} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.h5ad' '${meta.id}.clusters.tsv' '${meta.id}.composition.tsv'
    """
}
