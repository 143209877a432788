process REPORT_FIGURES {
    tag "${meta.id}, ${meta.n_cells} cells"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta), path(annotated), path(history), path(genes), path(profiles)
    path annotations, stageAs: 'annotations/*'

    output:
    tuple val(meta), path("figures/*.{png,svg}"), optional: true, emit: figures
    path("*.failure.json"), optional: true,                       emit: failure
    tuple val("${task.process}"), val('python'), eval('version_of.py python'), topic: versions
    tuple val("${task.process}"), val('matplotlib'), eval('version_of.py matplotlib'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    report_figures.py \\
        --prefix '${meta.id}' \\
        --adata ${annotated} \\
        --history ${history} \\
        --genes ${genes} \\
        --profiles ${profiles} \\
        --annotations annotations/* \\
        ${args}
    """

    stub:
    """
    mkdir figures
    touch figures/umap_cluster.png figures/umap_cluster.svg
    """
}
