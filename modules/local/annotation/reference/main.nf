process ANNOTATION_REFERENCE {
    tag "${meta.id}, ${meta.n_cells} cells"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta), path(expression), path(clustering)
    path labelled

    output:
    tuple val(meta), path("${meta.id}.reference.tsv"), optional: true, emit: reference
    path("*.failure.json"), optional: true,                            emit: failure
    tuple val("${task.process}"), val('python'), eval('version_of.py python'), topic: versions
    tuple val("${task.process}"), val('scikit-learn'), eval('version_of.py scikit-learn'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    annotation_reference.py \\
        --prefix '${meta.id}' \\
        --expression ${expression} \\
        --clustering ${clustering} \\
        --labelled ${labelled} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.reference.tsv'
    """
}
