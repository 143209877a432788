// Files for handing over the results: a page that describes each file, and the checksums of the
// files.

include { escaped ; filled } from './templates'

// Written when all files are published. Results of earlier runs in the folder are included.
def deliver(run) {
    def folder = file(params.outdir.toString(), glob: false)
    def found = publishedFiles(folder)
    def local = folder.scheme == 'file'
    if (local) { // elsewhere, every file would have to be downloaded
        def lines = found.collect { entry -> "${sha256(entry.path)}  ${entry.name}\n" }
        folder.resolve('checksums.sha256').text = lines.join()
    }
    folder.resolve('README.html').text = readme(run, found, local)
}

// A tar of each group's folder, for handing over single groups. The report covers all groups, so it
// is in none of them.
def archive() {
    def folder = file(params.outdir.toString(), glob: false)
    if (folder.scheme != 'file') {
        throw new IllegalStateException('the results are not in a local folder')
    }
    def place = folder.resolve('archives')
    place.mkdirs()
    folder.resolve('groups').eachDir { group ->
        def tar = place.resolve("${group.name}.tar")
        def command = ['tar', '-chf', tar, '-C', folder, '--', "groups/${group.name}"]*.toString()
        def task = new ProcessBuilder(command).redirectErrorStream(true).start()
        def said = task.inputStream.text
        if (task.waitFor() != 0) {
            throw new IllegalStateException(said.trim())
        }
    }
}

// [path, name, content] of each file that assets/published_files.tsv describes, in its order; a
// file that several rows describe is listed once, by the first.
def publishedFiles(folder) {
    def list = file("${projectDir}/assets/published_files.tsv")
    def described = list.readLines().tail()*.tokenize('\t')
    def names = described
        .collect { pattern, _content -> folder.resolve(pattern.tokenize('/').first()) }
        .unique()
        .findAll { place -> place.isDirectory() }
        .collectMany { place -> filesIn(place) }
        .collect { path -> folder.relativize(path).toString() }
    described
        .collectMany { pattern, content ->
            def matcher = java.nio.file.FileSystems.default.getPathMatcher("glob:${pattern}")
            names
                .findAll { name -> matcher.matches(java.nio.file.Path.of(name)) }
                .sort()
                .collect { name -> [path: folder.resolve(name), name: name, content: content] }
        }
        .unique { entry -> entry.name }
}

def filesIn(place) {
    def found = []
    place.eachFileRecurse(groovy.io.FileType.FILES) { path -> found << path }
    found
}

def sha256(path) {
    def digest = java.security.MessageDigest.getInstance('SHA-256')
    path.withInputStream { stream ->
        stream.eachByte(1 << 20) { bytes, length -> digest.update(bytes, 0, length) }
    }
    digest.digest().encodeHex().toString()
}

def readme(run, found, local) {
    def checked = '<p>To check that all files arrived unchanged: ' +
        '<code>sha256sum -c checksums.sha256</code></p>'
    def lines = [Project: params.report_project, Contact: params.report_contact]
    def facts = [
        title: escaped(params.report_title ?: 'Results of scSiameseClu'),
        project: lines.findAll { _name, value -> value }
            .collect { name, value -> "<p>${name}: ${escaped(value)}</p>" }.join('\n'),
        checksums: local ? checked : '',
        tables: tables(found),
        facts: escaped(
            "${run.manifest.name} ${run.manifest.version}, run ${run.runName}, ${run.complete}"
        ),
    ]
    filled('readme_template.html', facts)
}

// The folder whose table a result is in.
def placeOf(name) {
    name.tokenize('/').take(name ==~ '(samples|groups)/.*' ? 2 : 1).join('/')
}

// A table for each sample, each group, and each other folder.
def tables(found) {
    found
        .groupBy { entry -> placeOf(entry.name) }
        .collect { place, entries ->
            def rows = entries.collect { entry ->
                def name = escaped(entry.name - "${place}/")
                "<tr><td><a href=\"${address(entry.name)}\">${name}</a></td>" +
                    "<td class=\"size\">${size(entry.path)}</td>" +
                    "<td>${escaped(entry.content)}</td></tr>"
            }
            "<table><caption>${escaped(place)}</caption>\n${rows.join('\n')}\n</table>"
        }
        .join('\n')
}

def size(path) {
    new nextflow.util.MemoryUnit(path.size()).toString()
}

def address(name) {
    name.tokenize('/')
        .collect { part -> java.net.URLEncoder.encode(part, 'UTF-8').replace('+', '%20') }
        .join('/')
}
