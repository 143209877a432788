// Evaluation: clusters by established methods, and scores of all clusters, against a gold standard
// if there is one.

include { codeOf                } from '../utils/code'
include { EVALUATION_COMPARISON } from '../../../modules/local/evaluation/comparison'
include { EVALUATION_SCORES     } from '../../../modules/local/evaluation/scores'

workflow EVALUATION {
    take:
    expression // [meta, expression.h5ad] per group
    clustering // [meta, clustering.h5ad] per group
    summary // [meta, clustering.json] per group
    annotated // [meta, h5ad] per group, with the gold standard where there is one

    main:
    def code = codeOf('evaluation')
    EVALUATION_COMPARISON(expression.join(clustering), code)
    EVALUATION_SCORES(annotated.join(summary).join(EVALUATION_COMPARISON.out.comparison), code)

    emit:
    tables   = EVALUATION_SCORES.out.metrics // [meta, table] per group, for the report
        .mix(EVALUATION_SCORES.out.contingency)
    failures = EVALUATION_COMPARISON.out.failure.mix(EVALUATION_SCORES.out.failure)
}
