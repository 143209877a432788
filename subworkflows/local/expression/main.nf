// Expression: merge the samples of a group, normalize, choose highly variable genes, find principal components.

include { EXPRESSION_MERGE     } from '../../../modules/local/expression/merge'
include { EXPRESSION_NORMALIZE } from '../../../modules/local/expression/normalize'

workflow EXPRESSION {
    take:
    cells // [meta, [filtered.h5ad]] per group

    main:
    EXPRESSION_MERGE(cells)
    EXPRESSION_NORMALIZE(EXPRESSION_MERGE.out.merged)

    emit:
    expression = EXPRESSION_NORMALIZE.out.expression // [meta, expression.h5ad] per group
    failures   = EXPRESSION_MERGE.out.failure.mix(EXPRESSION_NORMALIZE.out.failure)
}
