// Clustering: scSiameseClu, or the clusters of an earlier result. No labels are passed here.

include { codeOf                  } from '../utils/code'
include { given                   } from '../utils/files'
include { cellsInWords            } from '../utils/sizes'
include { showProgress            } from '../utils/progress'
include { CLUSTERING_CHECK_BASE   } from '../../../modules/local/clustering/check_base'
include { CLUSTERING_CHECK_DEVICE } from '../../../modules/local/clustering/check_device'
include { CLUSTERING_SCSIAMESECLU } from '../../../modules/local/clustering/scsiameseclu'
include { CLUSTERING_PLACEMENT    } from '../../../modules/local/clustering/placement'

// A generous upper bound of the seconds on one CPU core in docs/benchmarks.md. At most 20,000 cells
// are clustered, and the others are assigned.
def expectedTime(n_cells, method) {
    def clustered = Math.min(n_cells, 20000)
    def clustering = method == 'consensus' ? 5 + 0.0035 * clustered : 20 + 0.004 * clustered
    def seconds = clustering + 0.001 * (n_cells - clustered)
    return seconds <= 90
        ? "about ${Math.ceil(seconds / 10) as int}0 s"
        : "about ${Math.ceil(seconds / 60) as int} min"
}

workflow CLUSTERING {
    take:
    expression // [meta, expression.h5ad] per group
    samples // file: settings of all samples

    main:
    def code = codeOf('clustering')
    if (params.device == 'cuda') {
        CLUSTERING_CHECK_DEVICE(params.device, code)
    }
    if (params.base) {
        CLUSTERING_CHECK_BASE(given(params.base), samples, code)
    }
    // The first ten groups are announced individually; for more, names and counts of tasks suffice.
    expression.take(10).subscribe { meta, _adata ->
        def unless_cached = workflow.resume ? ', unless it is cached' : ''
        def group = "${meta.id}: ${cellsInWords(meta)}"
        def task = params.base
            ? "Placement of ${group}"
            : "Clustering of ${group}, ${expectedTime(meta.n_cells, params.method)} on a CPU"
        log.info("${task}${unless_cached}")
    }
    // Long tasks report their progress.
    expression.filter { meta, _adata -> meta.n_cells > 20000 }.take(1).subscribe { _meta, _adata ->
        showProgress(params.base ? 'CLUSTERING_PLACEMENT' : 'CLUSTERING_SCSIAMESECLU')
    }
    def found = params.base
        ? CLUSTERING_PLACEMENT(expression, given(params.base), code)
        : CLUSTERING_SCSIAMESECLU(expression, code)

    emit:
    clustering = found.clustering // [meta, clustering.h5ad] per group
    summary    = found.summary // [meta, clustering.json] per group
    history    = found.history // [meta, training_history.tsv] per group
    failures   = found.failure
}
