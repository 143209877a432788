process ANNOTATION_CHECK {
    tag "annotation"
    label 'process_single'
    label 'family_core'

    input:
    path samples
    path marker_sets, stageAs: 'markers/*'
    path labelled, stageAs: 'reference/*'
    val code

    output:
    path('marker_sets.tsv'), optional: true, emit: marker_sets
    path('reference.h5ad'), optional: true,  emit: reference
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    def markers = marker_sets ? '--markers-db markers/*' : ''
    def reference = labelled ? '--labelled reference/*' : ''
    """
    annotation_check.py \\
        --samples ${samples} \\
        ${markers} \\
        ${reference} \\
        ${args}
    """

    stub:
    """
    touch marker_sets.tsv reference.h5ad versions.yml
    """
}
