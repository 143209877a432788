process ANNOTATION_CHECK {
    tag "annotation"
    label 'process_single'
    label 'family_core'

    input:
    path samples
    path marker_sets, stageAs: 'given/markers'
    path labelled, stageAs: 'given/reference'
    path celltypist, stageAs: 'given/celltypist'
    val names
    path design, stageAs: 'design.json'
    path gene_sets, stageAs: 'given/gene_sets'
    path genes, stageAs: 'given/genes'
    val code

    output:
    path('marker_sets.tsv'), optional: true, emit: marker_sets
    path('reference.h5ad'), optional: true,  emit: reference
    path('celltypist.npz'), optional: true,  emit: celltypist
    path('gene_sets.gmt'), optional: true,   emit: gene_sets
    path('genes_of_interest.txt'), optional: true, emit: genes
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    def markers = marker_sets ? '--markers-db given/markers' : ''
    def reference = labelled ? '--labelled given/reference' : ''
    def model = celltypist ? '--celltypist given/celltypist' : ''
    def sets = gene_sets ? '--gene-sets given/gene_sets' : ''
    def chosen = genes ? '--genes given/genes' : ''
    """
    # The user's names are JSON on one line; the quoted here-document keeps them from the shell.
    scsiameseclu_step annotation check \\
        --samples ${samples} \\
        --design design.json \\
        ${markers} \\
        ${reference} \\
        ${model} \\
        ${sets} \\
        ${chosen} \\
        --names /dev/stdin \\
        ${args} <<'NAMES'
    ${names}
    NAMES
    """

    stub:
    """
    touch marker_sets.tsv reference.h5ad celltypist.npz versions.yml
    touch gene_sets.gmt genes_of_interest.txt
    """
}
