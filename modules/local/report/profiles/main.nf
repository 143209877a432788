process REPORT_PROFILES {
    tag "${meta.id}, ${meta.n_cells} cells"
    label 'process_single'
    label 'family_core'

    input:
    tuple val(meta), path(annotated), path(markers)

    output:
    tuple val(meta), path("${meta.id}.genes.tsv"), optional: true,    emit: genes
    tuple val(meta), path("${meta.id}.profiles.tsv"), optional: true, emit: profiles
    path("*.failure.json"), optional: true,                           emit: failure
    tuple val("${task.process}"), val('python'), eval('version_of.py python'), topic: versions
    tuple val("${task.process}"), val('anndata'), eval('version_of.py anndata'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    report_profiles.py \\
        --prefix '${meta.id}' \\
        --adata ${annotated} \\
        --markers ${markers} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.genes.tsv' '${meta.id}.profiles.tsv'
    """
}
