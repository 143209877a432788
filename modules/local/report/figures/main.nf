process REPORT_FIGURES {
    tag "${meta.id}"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta), path(annotated), path(markers), path(history), path(summary)
    path annotations, stageAs: 'annotations/*'
    val code

    output:
    tuple val(meta), path("${meta.id}.genes.tsv"), optional: true,    emit: genes
    tuple val(meta), path("${meta.id}.profiles.tsv"), optional: true, emit: profiles
    tuple val(meta), path("figures/*.{png,svg,pdf}"), optional: true, emit: figures
    path("*.failure.json"), optional: true,                           emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    scsiameseclu_step report figures \\
        --prefix '${meta.id}' \\
        --adata ${annotated} \\
        --markers ${markers} \\
        --history ${history} \\
        --summary ${summary} \\
        --annotations annotations/* \\
        ${args}
    """

    stub:
    """
    mkdir figures
    touch figures/umap_cluster.png figures/umap_cluster.svg figures/summary.pdf versions.yml
    touch '${meta.id}.genes.tsv' '${meta.id}.profiles.tsv'
    """
}
