// Benchmark: every method on every labelled group, with several seeds. Only with --benchmark.

include { codeOf            } from '../utils/code'
include { BENCHMARK_COMPARE } from '../../../modules/local/benchmark/compare'
include { BENCHMARK_PAGE    } from '../../../modules/local/benchmark/page'

workflow BENCHMARK {
    take:
    expression // [meta, expression.h5ad] per group
    gold_standard // [id, [labels.tsv]] per group that has one

    main:
    def code = codeOf('benchmark')
    def seeds = channel.fromList((0..<params.benchmark_seeds).toList())
    def labelled = expression
        .map { meta, adata -> [meta.id, meta, adata] }
        .join(gold_standard)
        .map { _id, meta, adata, labels -> [meta, adata, labels] }
    BENCHMARK_COMPARE(labelled.combine(seeds), code)
    def results = BENCHMARK_COMPARE.out.results.toSortedList { table -> table.name }
    BENCHMARK_PAGE(results.filter { tables -> tables }, code)

    emit:
    page     = BENCHMARK_PAGE.out.page
    failures = BENCHMARK_COMPARE.out.failure
}
