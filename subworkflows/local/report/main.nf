// Report: figures, one HTML file for everything, and a verdict on the batch.

include { codeOf          } from '../utils/code'
include { announce ; killedRecords } from '../utils/failures'
include { given           } from '../utils/files'
include { parametersJson  } from '../utils/parameters'
include { cellsInWords    } from '../utils/sizes'
include { versionsFile    } from '../utils/versions'
include { REPORT_FIGURES  } from '../../../modules/local/report/figures'
include { REPORT_TABLES   } from '../../../modules/local/report/tables'
include { REPORT_MULTIQC  } from '../../../modules/local/report/multiqc'
include { REPORT_VERDICT  } from '../../../modules/local/report/verdict'

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
    def fileOf = { _meta, file -> file }
    def pipeline_info = "${params.outdir}/pipeline_info"
    def code = codeOf('report')

    // A cell type has one colour in all figures, so each group gets the types of all groups.
    REPORT_FIGURES(annotated, celltypes.map(fileOf).toSortedList(byName), code)
    REPORT_FIGURES.out.figures.subscribe { meta, _figures ->
        def place = "${params.outdir}/groups/${meta.id}"
        log.info("Group ${meta.id} is done: ${cellsInWords(meta)}, see ${place}")
    }

    // When these channels are closed, every task on a sample or group has ended or failed.
    def recorded = failures.mix(REPORT_FIGURES.out.failure).toList()
    def killed = recorded
        .flatMap { _records -> killedRecords() }
        .collectFile { record ->
            def name = "${record.id}.${record.step}.failure.json"
            [name, groovy.json.JsonOutput.toJson(record)]
        }
        .map { record -> announce(record) }
    def collected_failures = recorded
        .flatMap()
        .mix(killed)
        .toSortedList { record -> "${record.name} ${record}".toString() }

    def of_groups = group_tables.mix(REPORT_FIGURES.out.genes, REPORT_FIGURES.out.profiles)
    REPORT_TABLES(
        sample_tables.toSortedList(byName),
        of_groups.map(fileOf).toSortedList(byName),
        collected_failures,
        samples,
        channel.of(parametersJson()).collectFile(name: 'params.json', storeDir: pipeline_info),
        file("${projectDir}/nextflow_schema.json"),
        versionsFile(versions, pipeline_info),
        file("${projectDir}/assets/methods_description_template.yml"),
        given(params.report_logo),
        code,
    )
    def multiqc_config = file("${projectDir}/assets/multiqc_config.yml")
    REPORT_MULTIQC(
        REPORT_TABLES.out.sections,
        REPORT_TABLES.out.order.map { order -> [multiqc_config, order] },
        REPORT_TABLES.out.logo
            .toList()
            .map { logo -> files("${projectDir}/assets/{logo.svg,multiqc.css}") + logo },
    )
    REPORT_VERDICT(
        collected_failures.filter { records -> records },
        REPORT_MULTIQC.out.report,
        code,
    )

    emit:
    report = REPORT_MULTIQC.out.report
}
