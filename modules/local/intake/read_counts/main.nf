process INTAKE_READ_COUNTS {
    tag "${meta.id}"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta),
        path(counts, stageAs: 'given/counts'),
        path(labels, stageAs: 'given/labels'),
        path(cells, stageAs: 'given/cells'),
        val(settings)
    val code

    output:
    tuple val(meta),
        path("${meta.id}.counts.h5ad"),
        path("${meta.id}.size.json"), optional: true,               emit: counts
    tuple val(meta), path("${meta.id}.labels.tsv"), optional: true, emit: labels
    path("*.failure.json"), optional: true,                         emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    def labels_file = labels ? '--labels-file given/labels' : ''
    def cells_file = cells ? '--cells-file given/cells' : ''
    """
    # The settings are JSON on one line; the quoted here-document keeps them from the shell.
    scsiameseclu_step intake read_counts \\
        --prefix '${meta.id}' \\
        --counts given/counts \\
        ${labels_file} \\
        ${cells_file} \\
        ${args} <<'SETTINGS'
    ${settings}
    SETTINGS
    """

    stub:
    """
    touch '${meta.id}.counts.h5ad' '${meta.id}.labels.tsv' versions.yml
    echo '{"n_cells": 0, "n_genes": 0, "n_values": 0}' > '${meta.id}.size.json'
    """
}
