// The whole pipeline, from samplesheet to report.

include { announce   } from '../subworkflows/local/utils/failures'
include { byGroup    } from '../subworkflows/local/utils/groups'
include { INTAKE     } from '../subworkflows/local/intake'
include { QUALITY    } from '../subworkflows/local/quality'
include { EXPRESSION } from '../subworkflows/local/expression'
include { CLUSTERING } from '../subworkflows/local/clustering'
include { ANNOTATION } from '../subworkflows/local/annotation'
include { EVALUATION } from '../subworkflows/local/evaluation'
include { BENCHMARK  } from '../subworkflows/local/benchmark'
include { REPORT     } from '../subworkflows/local/report'

workflow SCSIAMESECLU {
    take:
    samplesheet // file: one row per sample

    main:
    // Sample by sample
    INTAKE(samplesheet)
    QUALITY(INTAKE.out.counts)

    // Group by group. The gold standard, if there is one, bypasses the clustering: it only scores
    // the result, and is kept in it.
    def gold_standard = byGroup(INTAKE.out.labels)
    EXPRESSION(QUALITY.out.cells)
    def expression = EXPRESSION.out.expression
    CLUSTERING(expression, INTAKE.out.samples)
    def clustering = CLUSTERING.out.clustering
    def cells = byGroup(QUALITY.out.cells)
    def soups = byGroup(QUALITY.out.soups)
    ANNOTATION(expression, clustering, gold_standard, INTAKE.out.samples, cells, soups)
    EVALUATION(expression, clustering, CLUSTERING.out.summary, ANNOTATION.out.annotated)
    def benchmarked = channel.empty()
    if (params.benchmark) {
        BENCHMARK(expression, gold_standard)
        benchmarked = BENCHMARK.out.failures
    }

    // A sample or group that cannot be used is reported and left out; the others continue.
    def failures = INTAKE.out.failures
        .mix(QUALITY.out.failures, EXPRESSION.out.failures, CLUSTERING.out.failures)
        .mix(ANNOTATION.out.failures, EVALUATION.out.failures, benchmarked)
        .map { record -> announce(record) }

    // Everything together
    REPORT(
        INTAKE.out.samples,
        QUALITY.out.tables.mix(INTAKE.out.memory),
        ANNOTATION.out.tables
            .mix(EVALUATION.out.tables, EXPRESSION.out.account)
            .mix(CLUSTERING.out.summary, CLUSTERING.out.history),
        ANNOTATION.out.annotated
            .join(ANNOTATION.out.markers)
            .join(CLUSTERING.out.history)
            .join(CLUSTERING.out.summary),
        ANNOTATION.out.celltypes,
        failures,
        channel.topic('versions'),
    )

    emit:
    report = REPORT.out.report
}
