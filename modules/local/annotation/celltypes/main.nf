process ANNOTATION_CELLTYPES {
    tag "${meta.id}, ${meta.n_cells} cells"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta), path(expression), path(clustering), path(reference)
    path marker_sets

    output:
    tuple val(meta), path("${meta.id}.annotation.tsv"), optional: true, emit: celltypes
    path("*.failure.json"), optional: true,                             emit: failure
    tuple val("${task.process}"), val('python'), eval('version_of.py python'), topic: versions
    tuple val("${task.process}"), val('anndata'), eval('version_of.py anndata'), topic: versions

    script:
    def args = task.ext.args ?: ''
    def beside = reference ? "--reference ${reference}" : ''
    """
    annotation_celltypes.py \\
        --prefix '${meta.id}' \\
        --expression ${expression} \\
        --clustering ${clustering} \\
        --markers-db ${marker_sets} \\
        ${beside} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.annotation.tsv'
    """
}
