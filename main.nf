#!/usr/bin/env nextflow
// scSiameseClu: from raw single-cell RNA counts to annotated clusters and a report.

include { SCSIAMESECLU } from './workflows/scsiameseclu'
include { FIND_SAMPLES } from './subworkflows/local/intake/find_samples'
include { checkParameters ; helpMessage ; isFolder } from './subworkflows/local/utils/parameters'
include { completion   } from './subworkflows/local/utils/completion'

workflow {
    def schema = file("${projectDir}/nextflow_schema.json")
    if (params.help) {
        log.info(helpMessage(schema))
    }
    else if (params.version) {
        log.info("${workflow.manifest.name} ${workflow.manifest.version}")
    }
    else if (isFolder(params.input)) {
        checkParameters(schema)
        FIND_SAMPLES(file(params.input.toString(), glob: false))
    }
    else {
        checkParameters(schema)
        SCSIAMESECLU(file(params.input.toString(), glob: false))

        def run = workflow
        workflow.onComplete { completion(run) }
    }
}
