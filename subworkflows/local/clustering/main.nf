// Clustering: scSiameseClu, or the clusters of an earlier result. No label comes here.

include { codeOf                  } from '../utils/code'
include { given                   } from '../utils/files'
include { cellsInWords            } from '../utils/sizes'
include { showProgress            } from '../utils/progress'
include { CLUSTERING_CHECK_BASE   } from '../../../modules/local/clustering/check_base'
include { CLUSTERING_CHECK_DEVICE } from '../../../modules/local/clustering/check_device'
include { CLUSTERING_SCSIAMESECLU } from '../../../modules/local/clustering/scsiameseclu'
include { CLUSTERING_PLACEMENT    } from '../../../modules/local/clustering/placement'

// A generous line through the seconds that docs/benchmarks.md has, measured on one CPU core for up
// to 30,000 cells.
def expectedTime(n_cells, method) {
    def seconds = method == 'consensus' ? 5 + 0.0035 * n_cells : 20 + 0.004 * n_cells
    def shown = seconds <= 90
        ? "${Math.ceil(seconds / 10) as int}0 s"
        : "${Math.ceil(seconds / 60) as int} min"
    "${n_cells > 30000 ? 'more than' : 'about'} ${shown}"
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
    // The first ten are announced one by one; of more, the tasks' names and counts suffice.
    expression.take(10).subscribe { meta, _adata ->
        def unless_cached = workflow.resume ? ', unless it is cached' : ''
        def group = "${meta.id}: ${cellsInWords(meta)}"
        def task = params.base
            ? "Placement of ${group}"
            : "Clustering of ${group}, ${expectedTime(meta.n_cells, params.method)} on a CPU"
        log.info("${task}${unless_cached}")
    }
    // What takes minutes says how far it is.
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
