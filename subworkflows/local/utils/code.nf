// A checksum of the code that a stage runs, an input of its processes. With it, -resume does not
// use results of other code, and a change to a stage reruns only that stage and those after it.

// The other stages that a stage imports from; tests/pipeline/test_code.py compares this with the
// imports.
def importedStages() {
    [
        intake: [],
        quality: ['intake'],
        expression: ['intake'],
        clustering: ['expression', 'intake'],
        annotation: ['clustering', 'expression', 'intake'],
        evaluation: ['annotation', 'clustering'],
        report: ['annotation', 'clustering', 'evaluation', 'quality'],
        benchmark: [
            'annotation', 'clustering', 'evaluation', 'expression', 'intake', 'quality', 'report',
        ],
    ]
}

def withImported(stage) {
    ([stage] + importedStages()[stage].collectMany { other -> withImported(other) }).unique().sort()
}

// The modules shared by all stages, the stage's package and those that it imports from. __main__
// is the command for users: no step imports it.
def codeOf(stage) {
    def root = file("${projectDir}/bin/scsiameseclu", glob: false)
    def shared = root
        .listFiles()
        .findAll { source -> source.isFile() && source.name != '__main__.py' }
    def folders = withImported(stage).collect { name -> root.resolve(name) }
    def sources = shared + folders.collectMany { folder -> filesBelow(folder) }
    def texts = sources
        .findAll { source -> source.name ==~ /.*\.(py|md|R|yml|tsv)/ }
        .collect { source -> "${root.relativize(source)}\n${source.text}".toString() }
    texts.sort().join('\n').md5()
}

def filesBelow(folder) {
    def found = []
    folder.eachFileRecurse { path ->
        if (path.isFile()) {
            found << path
        }
    }
    found
}
