// Expression: join the samples of a group, normalize, choose highly variable genes, find principal
// components.

include { codeOf               } from '../utils/code'
include { withSize             } from '../intake'
include { EXPRESSION_NORMALIZE } from '../../../modules/local/expression/normalize'

workflow EXPRESSION {
    take:
    cells // [meta, filtered.h5ad] per sample

    main:
    def groups = cells
        .map { meta, adata -> [[id: meta.group], adata, meta.subMap(['n_cells', 'n_values'])] }
        .groupTuple()
        // Samples arrive in any order; -resume and the bytes of the results ask for one.
        .map { meta, samples, sizes ->
            [meta + [n_cells: sizes.n_cells.sum(), n_values: sizes.n_values.sum()], samples.sort { sample -> sample.name }]
        }
    EXPRESSION_NORMALIZE(groups, codeOf('expression'))

    emit:
    expression = EXPRESSION_NORMALIZE.out.expression.map { meta, adata, size -> [withSize(meta, size), adata] } // [meta, expression.h5ad] per group
    account    = EXPRESSION_NORMALIZE.out.account // [meta, expression.json] per group
    failures   = EXPRESSION_NORMALIZE.out.failure.flatten() // of the group, and of samples that do not fit into it
}
