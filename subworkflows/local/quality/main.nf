// Quality: keep healthy single cells, with an account of every barcode.

include { codeOf           } from '../utils/code'
include { withSize         } from '../utils/sizes'
include { QUALITY_FILTER   } from '../../../modules/local/quality/filter'
include { QUALITY_DOUBLETS } from '../../../modules/local/quality/doublets'

workflow QUALITY {
    take:
    counts // [meta, counts.h5ad] per sample

    main:
    def code = codeOf('quality')
    QUALITY_FILTER(counts, code)
    // From here on cells are counted, not barcodes.
    def healthy = QUALITY_FILTER.out.healthy.map { meta, cells, ledger, summary, size ->
        [withSize(meta, size), cells, ledger, summary]
    }
    QUALITY_DOUBLETS(healthy, code)
    def summaries = QUALITY_DOUBLETS.out.summary.map { account -> announceCells(account) }

    emit:
    cells    = QUALITY_DOUBLETS.out.cells // [meta, filtered.h5ad] per sample
    soups    = QUALITY_FILTER.out.soup // [meta, soup.h5ad] per sample with empty droplets
    tables   = QUALITY_DOUBLETS.out.ledger // for the report
        .mix(summaries, QUALITY_FILTER.out.ledger, QUALITY_FILTER.out.summary)
    failures = QUALITY_FILTER.out.failure.mix(QUALITY_DOUBLETS.out.failure)
}

// Reports the number of cells kept on the console; the account of a stub is empty.
def announceCells(account) {
    if (account.size()) {
        def sums = new groovy.json.JsonSlurper().parse(account)
        log.info("${sums.sample}: ${sums.n_kept} of ${sums.n_barcodes} barcodes are kept as cells")
    }
    account
}
