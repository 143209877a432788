process ANNOTATION_ASSEMBLE {
    tag "${meta.id}"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta),
        path(expression),
        path(clustering),
        path(umap),
        path(celltypes),
        path(modalities),
        path(columns),
        path(corrections),
        path(labels, stageAs: 'labels/*')
    val code

    output:
    tuple val(meta), path("${meta.id}.h5ad"), optional: true,                 emit: annotated
    tuple val(meta), path("${meta.id}.clusters.tsv"), optional: true,         emit: clusters
    tuple val(meta), path("${meta.id}.composition.tsv"), optional: true,      emit: composition
    tuple val(meta), path("${meta.id}.sample_distances.tsv"), optional: true, emit: distances
    tuple val(meta), path("${meta.id}.mixing.json"), optional: true,          emit: mixing
    path("*.failure.json"), optional: true,                                   emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    def counted = modalities ? "--modalities ${modalities}" : ''
    def added = columns ? "--columns ${columns}" : ''
    def corrected = corrections ? "--ambient ${corrections}" : ''
    def gold_standard = labels ? '--labels labels/*' : ''
    """
    scsiameseclu_step annotation assemble \\
        --prefix '${meta.id}' \\
        --expression ${expression} \\
        --clustering ${clustering} \\
        ${counted} \\
        ${added} \\
        ${corrected} \\
        --umap ${umap} \\
        --annotation ${celltypes} \\
        ${gold_standard} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.h5ad' '${meta.id}.clusters.tsv' '${meta.id}.composition.tsv' versions.yml
    touch '${meta.id}.sample_distances.tsv' '${meta.id}.mixing.json'
    """
}
