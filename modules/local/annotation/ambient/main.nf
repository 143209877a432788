process ANNOTATION_AMBIENT {
    tag "${meta.id}"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta),
        path(expression),
        path(clustering),
        path(markers),
        path(soups, stageAs: 'soups/*')
    val code

    output:
    tuple val(meta), path("${meta.id}.ambient.h5ad"), optional: true,                emit: shares
    tuple val(meta), path("${meta.id}.ambient*.tsv", arity: '1..*'), optional: true, emit: tables
    path("*.failure.json"), optional: true,                                          emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    scsiameseclu_step annotation ambient \\
        --prefix '${meta.id}' \\
        --expression ${expression} \\
        --clustering ${clustering} \\
        --markers ${markers} \\
        --soups soups/* \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.ambient.tsv' '${meta.id}.ambient_genes.tsv' versions.yml
    touch '${meta.id}.ambient_markers.tsv'
    """
}
