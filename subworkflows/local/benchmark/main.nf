// Benchmark: every method on every labelled group, with several seeds. Only where --benchmark asks for it.

include { BENCHMARK_COMPARE } from '../../../modules/local/benchmark/compare'
include { BENCHMARK_PAGE    } from '../../../modules/local/benchmark/page'

workflow BENCHMARK {
    take:
    expression // [meta, expression.h5ad] per group
    gold_standard // [id, [labels.tsv]] per group that has one

    main:
    def seeds = channel.fromList(params.benchmark ? (0..<params.benchmark_seeds).toList() : [])
    def labelled = expression
        .map { meta, adata -> [meta.id, meta, adata] }
        .join(gold_standard)
        .map { _id, meta, adata, labels -> [meta, adata, labels] }
    BENCHMARK_COMPARE(labelled.combine(seeds))
    BENCHMARK_PAGE(BENCHMARK_COMPARE.out.results.toSortedList { table -> table.name }.filter { tables -> tables })

    emit:
    page     = BENCHMARK_PAGE.out.page
    failures = BENCHMARK_COMPARE.out.failure
}
