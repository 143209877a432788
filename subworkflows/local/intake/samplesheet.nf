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

// Whether a value is a file; `labels` may be a column that is called like a folder.
def isFile(samplesheet, value) {
    pathExists(samplesheet, value) && !resolve(samplesheet, value).isDirectory()
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

// Bytes of the counts, compressed or not: of a folder its Matrix Market files, zarr stores without
// pictures, or largest other matrix. It may also hold other files, such as alignments, which are
// not counted. Links are not followed, because they may form a loop.
def bytes(counts) {
    if (!counts.isDirectory()) {
        return counts.size()
    }
    try {
        def top = counts.toRealPath()
        def files = filesBelow(top)
        def stores = files.findAll { file -> file.name in ['.zgroup', 'zarr.json', '.zmetadata'] }
            .collect { file -> file.parent }
            .toSet()
        def stored = files.findAll { file ->
            isIn(stores, file.parent) && !isPicture(top.relativize(file))
        }
        def texts = files.findAll { file -> file.name ==~ /.*\.mtx(\.(gz|bz2|xz))?/ }
        def others = files.findAll { file ->
            file.name ==~ /quants_mat\.gz|.*\.(h5|hdf5|h5ad|h5mu|loom)(\.(gz|bz2|xz))?/ &&
                !file.name.endsWith('molecule_info.h5')
        }
        [sizes(stored).sum(), sizes(texts).sum(), sizes(others).max()].max()
    }
    catch (UncheckedIOException _unreadable) {
        0 // the step that reads it reports the error
    }
}

def filesBelow(folder) {
    java.nio.file.Files.walk(folder, 10).withCloseable { entries ->
        entries
            .limit(100000)
            .filter { entry -> java.nio.file.Files.isRegularFile(entry) }
            .collect(java.util.stream.Collectors.toList())
    }
}

def sizes(files) {
    [0L] + files.collect { file -> file.size() }
}

// Also shapes and points, which may be many.
def isPicture(path) {
    path.any { part -> part.toString() in ['images', 'labels', 'points', 'shapes'] }
}

def isIn(folders, path) {
    path != null && (path in folders || isIn(folders, path.parent))
}
