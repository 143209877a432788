process QUALITY_DOUBLETS {
    tag "${meta.id}"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta), path(healthy), path(ledger), path(summary)
    val code

    output:
    tuple val(meta), path("${meta.id}.filtered.h5ad"), optional: true, emit: cells
    path("${meta.id}.cell_ledger.tsv.gz"), optional: true,             emit: ledger
    path("${meta.id}.qc.json"), optional: true,                        emit: summary
    path("*.failure.json"), optional: true,                            emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    scsiameseclu_step quality doublets \\
        --prefix '${meta.id}' \\
        --healthy ${healthy} \\
        --ledger ${ledger} \\
        --summary ${summary} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.filtered.h5ad' '${meta.id}.qc.json' versions.yml
    echo | gzip > '${meta.id}.cell_ledger.tsv.gz'
    """
}
