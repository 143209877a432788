process ANNOTATION_UMAP {
    tag "${meta.id}, ${meta.n_cells} cells"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta), path(expression), path(clustering)

    output:
    tuple val(meta), path("${meta.id}.umap.tsv"), optional: true, emit: umap
    path("*.failure.json"), optional: true,                       emit: failure
    tuple val("${task.process}"), val('python'), eval('version_of.py python'), topic: versions
    tuple val("${task.process}"), val('umap-learn'), eval('version_of.py umap-learn'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    annotation_umap.py \\
        --prefix '${meta.id}' \\
        --expression ${expression} \\
        --clustering ${clustering} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.umap.tsv'
    """
}
