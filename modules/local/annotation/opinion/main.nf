process ANNOTATION_OPINION {
    tag "${meta.id}"
    label 'process_medium'
    label 'family_core'
    cache 'deep' // the check of what the user gave makes the same files anew for another samplesheet

    input:
    tuple val(meta), path(expression), path(clustering), path(celltypes)
    path labelled
    path model
    val code

    output:
    tuple val(meta), path("${meta.id}.second_opinion.tsv"), optional: true, emit: table
    tuple val(meta), path("${meta.id}.opinions.tsv"), optional: true,       emit: cells
    path("*.failure.json"), optional: true,                                 emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    def reference = labelled ? "--labelled ${labelled}" : ''
    def celltypist = model ? "--model ${model}" : ''
    """
    scsiameseclu_step annotation opinion \\
        --prefix '${meta.id}' \\
        --expression ${expression} \\
        --clustering ${clustering} \\
        --annotation ${celltypes} \\
        ${reference} \\
        ${celltypist} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.second_opinion.tsv' '${meta.id}.opinions.tsv' versions.yml
    """
}
