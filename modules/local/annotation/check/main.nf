process ANNOTATION_CHECK {
    tag "annotation"
    label 'process_single'
    label 'family_core'

    input:
    path samples
    path marker_sets, stageAs: 'given/markers'
    path labelled, stageAs: 'given/reference'
    path celltypist, stageAs: 'given/celltypist'
    val names
    path design, stageAs: 'design.json'
    val code

    output:
    path('marker_sets.tsv'), optional: true, emit: marker_sets
    path('reference.h5ad'), optional: true,  emit: reference
    path('celltypist.npz'), optional: true,  emit: celltypist
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    def markers = marker_sets ? '--markers-db given/markers' : ''
    def reference = labelled ? '--labelled given/reference' : ''
    def model = celltypist ? '--celltypist given/celltypist' : ''
    """
    # The user's names are JSON on one line; the quoted here-document keeps them from the shell.
    scsiameseclu_step annotation check \\
        --samples ${samples} \\
        --design design.json \\
        ${markers} \\
        ${reference} \\
        ${model} \\
        --names /dev/stdin \\
        ${args} <<'NAMES'
    ${names}
    NAMES
    """

    stub:
    """
    touch marker_sets.tsv reference.h5ad celltypist.npz versions.yml
    """
}
