// Benchmark: every method on every labelled group, with several seeds. Only where --benchmark asks for it.

include { BENCHMARK_COMPARE } from '../../../modules/local/benchmark/compare'
include { BENCHMARK_PAGE    } from '../../../modules/local/benchmark/page'

workflow BENCHMARK {
    take:
    expression // [meta, expression.h5ad] per group
    gold_standard // [meta, [labels.tsv]] per group that has one

    main:
    def seeds = channel.fromList(params.benchmark ? (0..<params.benchmark_seeds).toList() : [])
    BENCHMARK_COMPARE(expression.join(gold_standard).combine(seeds))
    BENCHMARK_PAGE(BENCHMARK_COMPARE.out.results.toSortedList { table -> table.name }.filter { tables -> tables })

    emit:
    page     = BENCHMARK_PAGE.out.page
    failures = BENCHMARK_COMPARE.out.failure
}
