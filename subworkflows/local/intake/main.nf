// Intake: check the samplesheet, read the counts of each sample.

include { codeOf                   } from '../utils/code'
include { inWords                  } from '../utils/failures'
include { isNear ; stageable       } from '../utils/files'
include { withSize                 } from '../utils/sizes'
include { bytes ; isFile ; refuseMistakes ; resolve } from './samplesheet'
include { INTAKE_CHECK_SAMPLESHEET } from '../../../modules/local/intake/check_samplesheet'
include { INTAKE_ESTIMATE_MEMORY   } from '../../../modules/local/intake/estimate_memory'
include { INTAKE_READ_COUNTS       } from '../../../modules/local/intake/read_counts'

// Warns on the console in advance if a task cannot get the memory that it will request.
def warnOfMemory(record) {
    def estimate = new groovy.json.JsonSlurper().parse(record)
    def warnings = (estimate.samples + estimate.groups).findResults { row -> row.warning ?: null }
    warnings.each { warning -> log.warn("Memory: ${warning}") }
    record
}

// Input of the memory estimate: all samples, first those whose counts are passed along. Headers are
// read only if that needs no download.
def localFirst(rows) {
    def (local, remote) = rows.split { row -> isNear(row[1]) }
    def samples = (local + remote).collect { row -> row[0].subMap(['id', 'group', 'n_bytes']) }
    [samples, local.collect { row -> row[1] }]
}

// Whether conditions are hashtags, which no column of the samplesheet has.
def comparesHashtags() {
    'hashtag' in [params.condition] + (params.formula ?: '').toString().tokenize('~+ ')
}

// Which features are hashtags is in the files with the counts: as soon as these are read, before
// anything is computed of them. A sample that cannot be read might have had hashtags.
def refuseWithoutHashtags(sizes, n_samples) {
    def slurper = new groovy.json.JsonSlurper()
    if (sizes.size() == n_samples && !sizes.any { size -> slurper.parse(size).n_captured }) {
        def problem = [
            what: 'The samples are to be compared by hashtag, and none of them has any.',
            where: '--condition',
            remedy: 'Give the matrices that hold the hashtags, too, or name a column of the ' +
                'samplesheet.',
        ]
        error(inWords(problem))
    }
    sizes
}

workflow INTAKE {
    take:
    samplesheet // file: CSV or TSV, one row per sample

    main:
    def code = codeOf('intake')
    def names = ['n_clusters', 'organism', 'tissue', 'expected_doublet_rate']
    def defaults = params.subMap(names) + [tissue: params.tissue?.toString()]
    def given = groovy.json.JsonOutput.toJson([name: samplesheet.name, defaults: defaults])

    INTAKE_CHECK_SAMPLESHEET(
        stageable(samplesheet),
        file("${projectDir}/assets/schema_input.json"),
        file("${projectDir}/nextflow_schema.json"),
        channel.of(given),
        code,
    )
    def checked = INTAKE_CHECK_SAMPLESHEET.out.checked.map { settings, mistakes ->
        refuseMistakes(samplesheet, settings, mistakes)
    }

    def rows = checked
        .flatMap { settings -> new groovy.json.JsonSlurper().parse(settings) }
        .map { row ->
            def has_labels = row.labels && isFile(samplesheet, row.labels)
            def labels = has_labels ? stageable(resolve(samplesheet, row.labels)) : []
            def cells = row.cells ? stageable(resolve(samplesheet, row.cells)) : []
            def counts = resolve(samplesheet, row.counts)
            def meta = [id: row.sample, group: row.group, n_bytes: bytes(counts)]
            [meta, stageable(counts), labels, cells, groovy.json.JsonOutput.toJson(row)]
        }
    def measured = rows
        .toList()
        .map { all -> localFirst(all) }
        .filter { _samples, counts -> counts }
    INTAKE_ESTIMATE_MEMORY(measured, code)
    INTAKE_READ_COUNTS(rows, code)
    if (comparesHashtags() && !workflow.stubRun) {
        INTAKE_READ_COUNTS.out.counts
            .map { _meta, _counts, size -> size }
            .toList()
            .map { sizes -> [sizes] }
            .combine(rows.count())
            .map { sizes, n_samples -> refuseWithoutHashtags(sizes, n_samples) }
    }

    emit:
    counts   = INTAKE_READ_COUNTS.out.counts // [meta, counts.h5ad]
        .map { meta, counts, size -> [withSize(meta, size), counts] }
    labels   = INTAKE_READ_COUNTS.out.labels // [meta, labels.tsv], where there is a gold standard
    memory   = INTAKE_ESTIMATE_MEMORY.out.memory // what each sample may take
        .map { record -> warnOfMemory(record) }
    samples  = checked // samples.json: the settings of all samples
    failures = INTAKE_READ_COUNTS.out.failure
}
