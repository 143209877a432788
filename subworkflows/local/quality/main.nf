// Quality: keep healthy single cells, with an account of every barcode.

include { QUALITY_FILTER   } from '../../../modules/local/quality/filter'
include { QUALITY_DOUBLETS } from '../../../modules/local/quality/doublets'

workflow QUALITY {
    take:
    counts // [meta, counts.h5ad] per sample

    main:
    QUALITY_FILTER(counts)
    QUALITY_DOUBLETS(QUALITY_FILTER.out.healthy)

    emit:
    cells    = QUALITY_DOUBLETS.out.cells // [meta, filtered.h5ad] per sample
    tables   = QUALITY_DOUBLETS.out.ledger.mix(QUALITY_DOUBLETS.out.summary, QUALITY_FILTER.out.ledger, QUALITY_FILTER.out.summary) // for the report
    failures = QUALITY_FILTER.out.failure.mix(QUALITY_DOUBLETS.out.failure)
}
