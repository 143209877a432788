process ANNOTATION_MODALITIES {
    tag "${meta.id}"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta), path(clustering), path(samples, stageAs: 'samples/*')
    val code

    output:
    // A group whose proteins cannot be used continues without them.
    tuple val(meta), path("${meta.id}.modalities.h5ad", arity: '0..*'),  emit: modalities
    tuple val(meta), path("${meta.id}.modalities.json"), optional: true, emit: summary
    tuple val(meta), path("${meta.id}.*.tsv", arity: '1..*'), optional: true, emit: tables
    path("*.failure.json"), optional: true,                              emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    scsiameseclu_step annotation modalities \\
        --prefix '${meta.id}' \\
        --samples samples/* \\
        --clustering ${clustering} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.modalities.h5ad' '${meta.id}.modalities.json' versions.yml
    touch '${meta.id}.protein_markers.tsv' '${meta.id}.protein_profiles.tsv'
    """
}
