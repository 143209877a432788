// Expression: join the samples of a group, normalize, choose highly variable genes, find principal
// components.

include { codeOf               } from '../utils/code'
include { mergedByGroup        } from '../utils/groups'
include { withSize             } from '../utils/sizes'
include { EXPRESSION_NORMALIZE } from '../../../modules/local/expression/normalize'

workflow EXPRESSION {
    take:
    cells // [meta, filtered.h5ad] per sample

    main:
    EXPRESSION_NORMALIZE(mergedByGroup(cells), codeOf('expression'))

    emit:
    expression = EXPRESSION_NORMALIZE.out.expression // [meta, expression.h5ad] per group
        .map { meta, adata, size -> [withSize(meta, size), adata] }
    account    = EXPRESSION_NORMALIZE.out.account // [meta, expression.json] per group
    failures   = EXPRESSION_NORMALIZE.out.failure // of the group, and of samples that do not fit
        .flatten()
}
