// Report: figures, one HTML file for everything, and a verdict on the batch.

include { codeOf          } from '../utils/code'
include { announce ; killedRecords } from '../utils/failures'
include { reportedParameters } from '../utils/parameters'
include { cellsInWords    } from '../utils/sizes'
include { REPORT_FIGURES  } from '../../../modules/local/report/figures'
include { REPORT_TABLES   } from '../../../modules/local/report/tables'
include { REPORT_MULTIQC  } from '../../../modules/local/report/multiqc'
include { REPORT_VERDICT  } from '../../../modules/local/report/verdict'

// software_versions.yml: the tools by process, after what runs them.
def versionsYaml(tasks) {
    def workflow_versions = "Workflow:\n    ${workflow.manifest.name}: ${workflow.manifest.version}\n    nextflow: ${workflow.nextflow.version}\n".toString()
    def tools = tasks.collectMany { process, versions -> versions.readLines().collect { tool -> [process.tokenize(':').last(), tool] } }
    workflow_versions + tools.unique().sort()
        .groupBy { row -> row[0] }
        .collect { process, rows -> "${process}:\n" + rows.collect { row -> "    ${row[1]}\n" }.join() }
        .join()
}

workflow REPORT {
    take:
    samples // file: settings of all samples
    sample_tables // file per table of a sample
    group_tables // [meta, table] per table of a group
    annotated // [meta, h5ad, markers.tsv, training_history.tsv, clustering.json] per group
    celltypes // [meta, annotation.tsv] per group
    failures // file per sample or group that failed
    versions // [process, versions.yml] per task

    main:
    def byName = { file -> file.name }
    def pipeline_info = "${params.outdir}/pipeline_info"
    def code = codeOf('report')
    REPORT_FIGURES(
        annotated,
        // A cell type has one colour in all figures: each group is given the types of all.
        celltypes.map { _meta, table -> table }.toSortedList(byName),
        code,
    )
    REPORT_FIGURES.out.figures.subscribe { meta, _figures ->
        log.info("Group ${meta.id} is done: ${cellsInWords(meta)}, see ${params.outdir}/groups/${meta.id}")
    }
    // When these channels are closed, every task on a sample or group has ended, in whatever way.
    def recorded = failures.mix(REPORT_FIGURES.out.failure).toList()
    def killed = recorded
        .flatMap { _records -> killedRecords() }
        .collectFile { record -> ["${record.id}.${record.step}.failure.json", groovy.json.JsonOutput.toJson(record)] }
        .map { record -> announce(record) }
    def collected_failures = recorded.flatMap().mix(killed).toSortedList { record -> "${record.name} ${record}".toString() }

    REPORT_TABLES(
        sample_tables.toSortedList(byName),
        group_tables.mix(REPORT_FIGURES.out.genes, REPORT_FIGURES.out.profiles).map { _meta, table -> table }.toSortedList(byName),
        collected_failures,
        samples,
        channel.of(groovy.json.JsonOutput.prettyPrint(groovy.json.JsonOutput.toJson(reportedParameters()))).collectFile(name: 'params.json', storeDir: pipeline_info),
        file("${projectDir}/nextflow_schema.json"),
        // A run that stops at its samplesheet has no versions; Nextflow would complain about a file
        // that it can no longer write.
        versions.toList().filter { rows -> rows.any { process, _versions -> !process.endsWith('CHECK_SAMPLESHEET') } }.map { rows -> versionsYaml(rows) }.collectFile(name: 'software_versions.yml', storeDir: pipeline_info),
        file("${projectDir}/assets/methods_description_template.yml"),
        code,
    )
    REPORT_MULTIQC(
        REPORT_TABLES.out.sections,
        REPORT_TABLES.out.order.map { order -> [file("${projectDir}/assets/multiqc_config.yml"), order] },
        files("${projectDir}/assets/{logo.svg,multiqc.css}"),
    )
    REPORT_VERDICT(collected_failures.filter { records -> records }, REPORT_MULTIQC.out.report, code)

    emit:
    report = REPORT_MULTIQC.out.report
}
