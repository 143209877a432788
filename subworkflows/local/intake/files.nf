// The user's files and folders: where they are, whether they are there, and how they get to a task
// unharmed.

// Relative paths in a samplesheet are relative to it. Names are taken as they are: a file may be
// called a[1].h5.
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

def isLocal(path) {
    path.toUri().scheme == 'file'
}

// Nextflow writes the path of a file, links in it resolved, into a shell script, and does not
// escape all that is special there: $ and braces together can even run a command. Blanks, quotes,
// backticks and ; & | < > ( ) are escaped.
def isHarmless(path) {
    !((isLocal(path) ? path.toRealPath() : path).toString() ==~ /(?s).*[\p{Cntrl}$*?\[\]{}].*/)
}

// What a task is given for a file or folder: itself, or, where a shell would change its path, a
// folder with a link to it.
def stageable(path) {
    if (isHarmless(path)) {
        return path
    }
    if (!canBeLinked(path)) {
        error("The path ${path} cannot be handed to a container or cloud as it is. ${plainNameRemedy()}")
    }
    // -resume compares the folder, so its name changes with the file.
    def folder = workflow.workDir.resolve("given/${"${path} ${path.size()} ${path.lastModified()}".md5()}")
    def link = folder.resolve('.given')
    if (!java.nio.file.Files.isSymbolicLink(link)) {
        java.nio.file.Files.createDirectories(folder)
        java.nio.file.Files.createSymbolicLink(link, path)
    }
    folder
}

// A container sees the link but not the file behind it, and an address has no links.
def canBeLinked(path) {
    [path, workflow.workDir].every { place -> isLocal(place) } && !workflow.containerEngine
}

def plainNameRemedy() {
    "Take line breaks and \$ * ? [ ] { } out of it, or give an address with these percent-encoded (%24)."
}

// What is wrong with a path of the samplesheet, null if nothing is; `absent` is the problem if it
// does not exist.
def pathProblem(samplesheet, value, absent) {
    if (!pathExists(samplesheet, value)) {
        return absent
    }
    def path = resolve(samplesheet, value)
    if (isLocal(path) && java.nio.file.Files.getFileStore(path).type() in ['proc', 'sysfs', 'debugfs', 'tracefs', 'devpts']) {
        return [what: "'${value}' is a view into the running system, no data.", where: absent.where, remedy: 'Give a file or folder with raw counts.']
    }
    isHarmless(path) || canBeLinked(path)
        ? null
        : [what: "The path '${value}' cannot be handed to a container or cloud as it is.", where: absent.where, remedy: plainNameRemedy()]
}

// Bytes of the counts, compressed or not. Beside the matrices of a folder may lie anything,
// alignments too; links in it are not followed, for they may lead in a circle.
def bytes(counts) {
    if (!counts.isDirectory()) {
        return counts.size()
    }
    try {
        java.nio.file.Files.walk(counts.toRealPath(), 6).withCloseable { entries ->
            entries.limit(100000).filter { entry -> entry.name ==~ /.*\.mtx(\.gz)?/ }.mapToLong { entry -> entry.size() }.sum()
        }
    }
    catch (UncheckedIOException _unreadable) {
        0 // the step that reads it says so, in words
    }
}
