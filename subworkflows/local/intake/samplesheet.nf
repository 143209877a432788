// The files that a samplesheet names: where they are, whether they are there, how large they are.

include { inWords } from '../utils/failures'
include { canBeLinked ; isHarmless ; isLocal ; plainNameRemedy } from '../utils/files'

// The samples' settings of a sheet without mistakes; else the run stops, with all of them. Whether
// its files exist only the head node knows: the task that checks the sheet may run in a container
// that sees none of them.
def refuseMistakes(samplesheet, samples, record) {
    def problems = new groovy.json.JsonSlurper().parse(record)
        .collect { mistake ->
            mistake.path == null
                ? mistake.problem
                : pathProblem(samplesheet, mistake.path, mistake.problem)
        }
        .findAll { problem -> problem }
    if (problems) {
        def listed = problems.collect { problem -> inWords(problem) }.join('\n  ')
        error("The samplesheet is not right:\n  ${listed}")
    }
    samples
}

// Relative paths in a samplesheet are relative to it.
def resolve(samplesheet, value) {
    value ==~ '(?s)[A-Za-z][A-Za-z0-9+.-]*://.*' || value.startsWith('/')
        ? file(value, glob: false)
        : file("${samplesheet.parent.toUriString()}/${value}", glob: false)
}

def pathExists(samplesheet, value) {
    try {
        resolve(samplesheet, value).exists()
    }
    catch (Exception _unusable) {
        false
    }
}

// What is wrong with a path of the samplesheet, null if nothing is; `absent` is the problem if it
// does not exist.
def pathProblem(samplesheet, value, absent) {
    if (!pathExists(samplesheet, value)) {
        return absent
    }
    def path = resolve(samplesheet, value)
    if (isLocal(path) && isOfTheSystem(path)) {
        return [
            what: "'${value}' is a view into the running system, no data.",
            where: absent.where,
            remedy: 'Give a file or folder with raw counts.',
        ]
    }
    isHarmless(path) || canBeLinked(path)
        ? null
        : [
            what: "The path '${value}' cannot be handed to a container or cloud as it is.",
            where: absent.where,
            remedy: plainNameRemedy(),
        ]
}

def isOfTheSystem(path) {
    def kind = java.nio.file.Files.getFileStore(path).type()
    kind in ['proc', 'sysfs', 'debugfs', 'tracefs', 'devpts']
}

// Bytes of the counts, compressed or not. Beside the matrices of a folder may lie anything,
// alignments too; links in it are not followed, for they may lead in a circle.
def bytes(counts) {
    if (!counts.isDirectory()) {
        return counts.size()
    }
    try {
        java.nio.file.Files.walk(counts.toRealPath(), 6).withCloseable { entries ->
            entries
                .limit(100000)
                .filter { entry -> entry.name ==~ /.*\.mtx(\.gz)?/ }
                .mapToLong { entry -> entry.size() }
                .sum()
        }
    }
    catch (UncheckedIOException _unreadable) {
        0 // the step that reads it says so, in words
    }
}
