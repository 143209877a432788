process QUALITY_FILTER {
    tag "${meta.id}"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta), path(counts)
    val code

    output:
    tuple val(meta),
        path("${meta.id}.healthy.h5ad"),
        path("${meta.id}.filter_ledger.tsv.gz"),
        path("${meta.id}.filter.json"),
        path("${meta.id}.size.json"), optional: true,      emit: healthy
    tuple val(meta), path("${meta.id}.soup.h5ad"), optional: true, emit: soup
    path("${meta.id}.cell_ledger.tsv.gz"), optional: true, emit: ledger
    path("${meta.id}.qc.json"), optional: true,            emit: summary
    path("*.failure.json"), optional: true,                emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    scsiameseclu_step quality filter \\
        --prefix '${meta.id}' \\
        --counts ${counts} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.healthy.h5ad' '${meta.id}.filter.json' '${meta.id}.soup.h5ad' versions.yml
    echo | gzip > '${meta.id}.filter_ledger.tsv.gz'
    echo '{"n_cells": 0, "n_genes": 0, "n_values": 0, "n_droplets": 1}' > '${meta.id}.size.json'
    """
}
