process ANNOTATION_EXPORT {
    tag "${meta.id}"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta), path(annotated)
    val code

    output:
    tuple val(meta), path("${meta.id}.{seurat.rds,sce.rds,h5mu}"), optional: true, emit: exported
    tuple val(meta), path("${meta.id}.cellxgene.h5ad"), optional: true,            emit: submission
    tuple val(meta), path("${meta.id}.cellxgene_missing.tsv"), optional: true,     emit: missing
    path("*.failure.json"), optional: true,                                        emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    scsiameseclu_step annotation export \\
        --prefix '${meta.id}' \\
        --annotated ${annotated} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.seurat.rds' '${meta.id}.sce.rds' versions.yml
    touch '${meta.id}.cellxgene.h5ad' '${meta.id}.cellxgene_missing.tsv'
    """
}
