// The files that a samplesheet names: where they are, whether they are there, how large they are.

include { inWords } from '../utils/failures'
include { canBeLinked ; isHarmless ; isLocal ; plainNameRemedy } from '../utils/files'

// Returns the samples' settings, or stops the run with all mistakes of the sheet. Only the head
// node knows whether the files exist: the task that checks the sheet may run in a container that
// sees none of them.
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
        error("The samplesheet has mistakes:\n  ${listed}")
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
            what: "'${value}' is a view into the running system and holds no data.",
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

// Bytes of the counts, compressed or not. A folder may also hold other files, such as alignments,
// which are not counted. Links are not followed, because they may form a loop.
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
        0 // the step that reads it reports the error
    }
}
