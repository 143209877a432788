// The user's files and folders, and how they reach a task. Names are taken literally: a file may be
// called a[1].h5.

def isLocal(path) {
    path.toUri().scheme == 'file'
}

// Whether a task on this machine would see it; false for remote addresses.
def isNear(path) {
    [path, workflow.workDir].every { place -> isLocal(place) }
}

// Nextflow writes the path of a file, links in it resolved, into a shell script, and does not
// escape all special characters: $ and braces together can even run a command. Blanks, quotes,
// backticks and ; & | < > ( ) are escaped.
def isHarmless(path) {
    !((isLocal(path) ? path.toRealPath() : path).toString() ==~ /(?s).*[\p{Cntrl}$*?\[\]{}].*/)
}

// What a task receives for a file or folder: the path itself or, if a shell would change it, a
// folder with a link to it.
def stageable(path) {
    if (isHarmless(path)) {
        return path
    }
    if (!canBeLinked(path)) {
        def problem = 'cannot be handed to a container or cloud as it is'
        error("The path ${path} ${problem}. ${plainNameRemedy()}")
    }
    // -resume compares the folder, so its name changes with the file.
    def version = "${path} ${path.size()} ${path.lastModified()}".md5()
    def folder = workflow.workDir.resolve("given/${version}")
    def link = folder.resolve('.given')
    if (!java.nio.file.Files.isSymbolicLink(link)) {
        java.nio.file.Files.createDirectories(folder)
        java.nio.file.Files.createSymbolicLink(link, path)
    }
    folder
}

// A container sees the link but not the file behind it, and an address has no links.
def canBeLinked(path) {
    isNear(path) && !workflow.containerEngine
}

// A file that a parameter names, or nothing.
def given(value) {
    value ? stageable(file(value.toString(), glob: false)) : []
}

def plainNameRemedy() {
    "Remove line breaks and \$ * ? [ ] { } from it, or give an address with these " +
        "percent-encoded (%24)."
}
