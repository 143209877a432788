// How large samples and groups are.

// The numbers of cells, genes and nonzero counts are passed with the data: conf/base.config uses
// them to request memory.
def withSize(meta, size) {
    meta + new groovy.json.JsonSlurper().parse(size)
}

def cellsInWords(meta) {
    "${String.format(Locale.ROOT, '%,d', meta.n_cells)} cells"
}
