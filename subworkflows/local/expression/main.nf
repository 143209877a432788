// Expression: merge the samples of a group, normalize, choose highly variable genes, find principal components.

include { withSize             } from '../intake'
include { EXPRESSION_MERGE     } from '../../../modules/local/expression/merge'
include { EXPRESSION_NORMALIZE } from '../../../modules/local/expression/normalize'

workflow EXPRESSION {
    take:
    cells // [meta, filtered.h5ad] per sample

    main:
    def groups = cells
        .map { meta, adata -> [[id: meta.group, software: meta.software], adata, meta.subMap(['n_cells', 'n_values'])] }
        .groupTuple()
        // Samples arrive in any order; -resume and the bytes of the results ask for one.
        .map { meta, samples, sizes ->
            [meta + [n_cells: sizes.n_cells.sum(), n_values: sizes.n_values.sum()], samples.sort { sample -> sample.name }]
        }
    EXPRESSION_MERGE(groups)
    EXPRESSION_NORMALIZE(EXPRESSION_MERGE.out.merged.map { meta, merged, size -> [withSize(meta, size), merged] })

    emit:
    expression = EXPRESSION_NORMALIZE.out.expression // [meta, expression.h5ad] per group
    failures   = EXPRESSION_MERGE.out.failure.mix(EXPRESSION_NORMALIZE.out.failure)
}
