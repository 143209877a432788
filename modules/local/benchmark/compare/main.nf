process BENCHMARK_COMPARE {
    tag "${meta.id}, seed ${seed}"
    label 'process_medium'
    label 'family_scsiameseclu'

    input:
    tuple val(meta), path(expression), path(labels, stageAs: 'labels/*'), val(seed)
    val code

    output:
    path("${meta.id}.${seed}.results.tsv"), optional: true, emit: results
    path("*.failure.json"), optional: true,                 emit: failure
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    scsiameseclu_step benchmark compare \\
        --prefix '${meta.id}' \\
        --expression ${expression} \\
        --labels labels/* \\
        --seed ${seed} \\
        --threads ${task.cpus} \\
        ${args}
    """

    stub:
    """
    touch '${meta.id}.${seed}.results.tsv' versions.yml
    """
}
