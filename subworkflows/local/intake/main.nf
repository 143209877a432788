// Intake: check the samplesheet, read the counts of each sample.

include { codeOf                   } from '../utils/code'
include { INTAKE_CHECK_SAMPLESHEET } from '../../../modules/local/intake/check_samplesheet'
include { INTAKE_ESTIMATE_MEMORY   } from '../../../modules/local/intake/estimate_memory'
include { INTAKE_READ_COUNTS       } from '../../../modules/local/intake/read_counts'

// Relative paths in a samplesheet are relative to it. Names are taken as they are: a file may be called a[1].h5.
def resolve(samplesheet, value) {
    value.contains('://') || value.startsWith('/')
        ? file(value, glob: false)
        : file("${samplesheet.parent.toUriString()}/${value}", glob: false)
}

// Whether each value of the columns `counts` and `labels` names something that exists. Only the head node can tell: the
// task that checks the sheet may run in a container that sees none of it.
def existingPaths(samplesheet) {
    def cells = samplesheet.text.split(/[,;\t\r\n]/).collect { cell -> cell.trim().replaceAll(/^["']|["']$/, '').trim() }
    cells.findAll { cell -> cell && cell.length() < 4096 }.unique().collectEntries { cell -> [cell, pathExists(samplesheet, cell)] }
}

def pathExists(samplesheet, value) {
    try {
        resolve(samplesheet, value).exists()
    }
    catch (Exception _unusable) {
        false
    }
}

// Says on the console, before the step is there, where a task cannot get the memory that it will ask for.
def warnOfMemory(record) {
    def estimate = new groovy.json.JsonSlurper().parse(record)
    (estimate.samples + estimate.groups).findAll { row -> row.warning }.each { row -> log.warn("Memory: ${row.warning}") }
    record
}

// Headers are only looked at where that costs no download.
def isLocal(path) {
    [path, workflow.workDir].every { place -> place.toUri().scheme == 'file' }
}

// What the estimate of memory asks for: all samples, those first whose counts are given along.
def localFirst(rows) {
    def (local, remote) = rows.split { row -> isLocal(row[1]) }
    [(local + remote).collect { row -> row[0].subMap(['id', 'group', 'n_bytes']) }, local.collect { row -> row[1] }]
}

// The numbers of cells, genes and nonzero counts travel with the data: conf/base.config asks for memory by them.
def withSize(meta, size) {
    meta + new groovy.json.JsonSlurper().parse(size)
}

// Bytes of the counts, compressed or not. Beside the matrices of a folder may lie anything, alignments too.
def bytes(counts) {
    def sizes = counts.isDirectory() ? [] : [counts.size()]
    if (counts.isDirectory()) {
        counts.eachFileRecurse { file ->
            if (file.name ==~ /.*\.mtx(\.gz)?/) {
                sizes << file.size()
            }
        }
    }
    sizes.sum() ?: 0
}

workflow INTAKE {
    take:
    samplesheet // file: CSV or TSV, one row a sample

    main:
    def code = codeOf('intake')
    def defaults = params.subMap(['n_clusters', 'organism', 'tissue', 'expected_doublet_rate'])

    INTAKE_CHECK_SAMPLESHEET(
        samplesheet,
        file("${projectDir}/assets/schema_input.json"),
        channel.of(groovy.json.JsonOutput.toJson(defaults)).collectFile(name: 'defaults.json'),
        channel.of(groovy.json.JsonOutput.toJson(existingPaths(samplesheet))).collectFile(name: 'paths.json'),
        code,
    )

    def rows = INTAKE_CHECK_SAMPLESHEET.out.samples
        .flatMap { samples -> new groovy.json.JsonSlurper().parse(samples) }
        .map { row ->
            def labels = row.labels && pathExists(samplesheet, row.labels) ? resolve(samplesheet, row.labels) : []
            def counts = resolve(samplesheet, row.counts)
            def meta = [id: row.sample, group: row.group, n_bytes: bytes(counts)]
            [meta, counts, labels, groovy.json.JsonOutput.toJson(row)]
        }
    INTAKE_ESTIMATE_MEMORY(rows.toList().map { all -> localFirst(all) }.filter { _samples, counts -> counts }, code)
    INTAKE_READ_COUNTS(rows, code)

    emit:
    counts   = INTAKE_READ_COUNTS.out.counts.map { meta, counts, size -> [withSize(meta, size), counts] } // [meta, counts.h5ad]
    labels   = INTAKE_READ_COUNTS.out.labels // [meta, labels.tsv], only where a gold standard was named
    memory   = INTAKE_ESTIMATE_MEMORY.out.memory.map { record -> warnOfMemory(record) } // what each sample may take
    samples  = INTAKE_CHECK_SAMPLESHEET.out.samples // samples.json: the settings of all samples
    failures = INTAKE_READ_COUNTS.out.failure
}
