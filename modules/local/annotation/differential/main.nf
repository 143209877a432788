process ANNOTATION_DIFFERENTIAL {
    tag "${meta.id}, ${meta.n_cells} cells"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta), path(expression), path(clustering)

    output:
    tuple val(meta), path("${meta.id}.differential_expression.tsv"), optional: true,  emit: table
    tuple val(meta), path("${meta.id}.differential_expression.json"), optional: true, emit: notes
    path("*.failure.json"), optional: true,                                           emit: failure
    tuple val("${task.process}"), val('python'), eval('version_of.py python'), topic: versions
    tuple val("${task.process}"), val('pydeseq2'), eval('version_of.py pydeseq2'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    annotation_differential.py \\
        --prefix '${meta.id}' \\
        --expression ${expression} \\
        --clustering ${clustering} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.differential_expression.tsv' '${meta.id}.differential_expression.json'
    """
}
