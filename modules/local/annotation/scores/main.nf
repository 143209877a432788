process ANNOTATION_SCORES {
    tag "${meta.id}, ${meta.n_cells} cells"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta), path(expression), path(clustering), path(summary), path(comparison), path(labels, stageAs: 'labels/*')

    output:
    tuple val(meta), path("${meta.id}.metrics.json"), optional: true,    emit: metrics
    tuple val(meta), path("${meta.id}.contingency.tsv"), optional: true, emit: contingency
    path("*.failure.json"), optional: true,                              emit: failure
    tuple val("${task.process}"), val('python'), eval('version_of.py python'), topic: versions
    tuple val("${task.process}"), val('scikit-learn'), eval('version_of.py scikit-learn'), topic: versions

    script:
    def args = task.ext.args ?: ''
    def gold_standard = labels ? '--labels labels/*' : ''
    """
    annotation_scores.py \\
        --prefix '${meta.id}' \\
        --expression ${expression} \\
        --clustering ${clustering} \\
        --summary ${summary} \\
        --comparison ${comparison} \\
        ${gold_standard} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.metrics.json' '${meta.id}.contingency.tsv'
    """
}
