process INTAKE_FIND_SAMPLES {
    tag "folder"
    label 'process_single'
    label 'family_core'
    cache false // what lies deep in a folder changes without a trace in the folder itself

    input:
    path folder, stageAs: 'folder'
    val known_as
    path schema
    val code

    output:
    path('samplesheet.csv'), emit: samplesheet
    path('listing.txt'), emit: listing
    tuple val("${task.process}"), path('versions.yml'), topic: versions

    script:
    def args = task.ext.args ?: ''
    """
    # JSON on one line; the quoted here-document keeps every character of the path from the shell.
    scsiameseclu_step intake find_samples \\
        --folder folder \\
        --schema ${schema} \\
        ${args} <<'FOLDER'
    ${groovy.json.JsonOutput.toJson(known_as)}
    FOLDER
    """

    stub:
    """
    echo 'sample,counts' > samplesheet.csv
    echo '0 samples' > listing.txt
    """
}
