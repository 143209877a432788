process ANNOTATION_UMAP {
    tag "${meta.id}"
    label 'process_medium'
    label 'family_core'

    input:
    tuple val(meta), path(expression), path(clustering)
    val code

    output:
    tuple val(meta), path("${meta.id}.umap.tsv"), optional: true, emit: umap
    path("*.failure.json"), optional: true,                       emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    scsiameseclu_step annotation umap \\
        --prefix '${meta.id}' \\
        --expression ${expression} \\
        --clustering ${clustering} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.umap.tsv' versions.yml
    """
}
