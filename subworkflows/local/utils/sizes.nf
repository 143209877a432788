// How large samples and groups are.

// The numbers of cells, genes and nonzero counts travel with the data: conf/base.config asks for
// memory by them.
def withSize(meta, size) {
    meta + new groovy.json.JsonSlurper().parse(size)
}

def cellsInWords(meta) {
    "${String.format(Locale.ROOT, '%,d', meta.n_cells)} cells"
}
