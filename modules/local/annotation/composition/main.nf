process ANNOTATION_COMPOSITION {
    tag "${meta.id}"
    label 'process_single'
    label 'family_core'

    input:
    tuple val(meta), path(pseudobulk), path(celltypes)
    path design, stageAs: 'design.json'
    val code

    output:
    tuple val(meta), path("${meta.id}.composition_test.tsv"), optional: true, emit: table
    path("*.failure.json"), optional: true,                                   emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    scsiameseclu_step annotation composition \\
        --prefix '${meta.id}' \\
        --pseudobulk ${pseudobulk} \\
        --annotation ${celltypes} \\
        --design design.json \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.composition_test.tsv' versions.yml
    """
}
