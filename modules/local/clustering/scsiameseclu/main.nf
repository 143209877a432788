process CLUSTERING_SCSIAMESECLU {
    tag "${meta.id}"
    label 'process_high'
    label 'process_gpu'
    label 'family_scsiameseclu'

    input:
    tuple val(meta), path(expression)
    val code

    output:
    tuple val(meta), path("${meta.id}.clustering.h5ad"), optional: true,      emit: clustering
    tuple val(meta), path("${meta.id}.clustering.json"), optional: true,      emit: summary
    tuple val(meta), path("${meta.id}.training_history.tsv"), optional: true, emit: history
    tuple val(meta), path("${meta.id}.model.safetensors"), optional: true,    emit: model
    path("*.failure.json"), optional: true,                                   emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    export SCSIAMESECLU_THREADS=${task.cpus}
    scsiameseclu_step clustering scsiameseclu \\
        --prefix '${meta.id}' \\
        --expression ${expression} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.clustering.h5ad' '${meta.id}.clustering.json' versions.yml
    touch '${meta.id}.training_history.tsv' '${meta.id}.model.safetensors'
    """
}
