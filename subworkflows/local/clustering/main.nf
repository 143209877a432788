// Clustering: scSiameseClu, and the methods that it is held against. No label comes here.

include { CLUSTERING_CHECK_DEVICE } from '../../../modules/local/clustering/check_device'
include { CLUSTERING_SCSIAMESECLU } from '../../../modules/local/clustering/scsiameseclu'
include { CLUSTERING_COMPARISON   } from '../../../modules/local/clustering/comparison'

workflow CLUSTERING {
    take:
    expression // [meta, expression.h5ad] per group

    main:
    CLUSTERING_CHECK_DEVICE(channel.of(params.device).filter { device -> device == 'cuda' })
    CLUSTERING_SCSIAMESECLU(expression)
    CLUSTERING_COMPARISON(expression.join(CLUSTERING_SCSIAMESECLU.out.clustering))

    emit:
    clustering = CLUSTERING_SCSIAMESECLU.out.clustering // [meta, clustering.h5ad] per group
    summary    = CLUSTERING_SCSIAMESECLU.out.summary // [meta, clustering.json] per group
    history    = CLUSTERING_SCSIAMESECLU.out.history // [meta, training_history.tsv] per group
    comparison = CLUSTERING_COMPARISON.out.comparison // [meta, comparison.tsv] per group
    failures   = CLUSTERING_SCSIAMESECLU.out.failure.mix(CLUSTERING_COMPARISON.out.failure)
}
