// Parameters are defined in nextflow_schema.json. All mistakes of a command line are reported
// together.

def knownParameters(schema) {
    def groups = new groovy.json.JsonSlurper().parse(schema)['$defs'].values()
    groups.collectEntries { group ->
        group.properties.collectEntries { name, property ->
            [name, property + [required: name in (group.required ?: [])]]
        }
    }
}

// Stops the run, before any task, with every parameter that is unknown, missing or not what the
// schema says.
def checkParameters(schema) {
    def known = knownParameters(schema)
    known.outdir.required = !isFolder(params.input) // only a samplesheet is written then
    def problems = unknownParameters(known) +
        placeProblems(['-work-dir': workflow.workDir, 'The checkout': projectDir]) +
        known.collectMany { name, property -> parameterProblems(name, params[name], property) }
    if (problems) {
        def subject = problems.size() == 1 ? 'A parameter is' : "${problems.size()} parameters are"
        error("${subject} wrong:\n" +
            problems.collect { problem -> "  ${problem}" }.join('\n') +
            "\n  All parameters with their meaning: ./nextflow run . --help")
    }
}

// Nextflow keeps --some-name as some-name and as someName: reported once.
def unknownParameters(known) {
    def names = params.keySet().findAll { name -> !(name in known) }
    def twins = names
        .findAll { name -> name.contains('-') }
        .collect { name -> name.replaceAll(/-(.)/) { _match, letter -> letter.toUpperCase() } }
    (names - twins).sort().collect { name ->
        def meant = name.replace('-', '_').toLowerCase()
        def nearest = known.keySet().min { option -> distance(option, meant) }
        "--${name} is not a parameter of this pipeline: did you mean --${nearest}?"
    }
}

// Levenshtein's edit distance.
def distance(a, b) {
    def row = (0..b.size()).toList()
    a.eachWithIndex { letter, i ->
        def next = [i + 1]
        b.eachWithIndex { other, j ->
            next << [next[j] + 1, row[j + 1] + 1, row[j] + (letter == other ? 0 : 1)].min()
        }
        row = next
    }
    row.last()
}

def parameterProblems(name, value, property) {
    if (value == null) {
        return property.required ? ["--${name} is missing: ${property.description}."] : []
    }
    def types = [property.type].flatten()
    if (!types.any { type -> hasType(value, type) }) {
        def wanted = types.collect { type -> typeName(type) }.join(' or ')
        return ["--${name} is ${shown(value)} but must be ${wanted}."]
    }
    if (value.toString() ==~ /(?s).*\p{Cntrl}.*/) {
        return [
            "--${name} is ${shown(value)} but must be without line breaks, tabs and other " +
            "control characters."
        ]
    }
    rangeProblems(name, value, property) +
        pathProblems(name, value, property) +
        inputProblems(name, value, property)
}

// Nextflow writes these paths into shell scripts as they are.
def placeProblems(places) {
    places
        .findAll { _name, path -> path.toString() ==~ /(?s).*[\p{Cntrl}$].*/ }
        .collect { name, path ->
            "${name} is ${shown(path)} but its path must be without \$, line breaks and other " +
                "control characters."
        }
}

def rangeProblems(name, value, property) {
    def allowed = property['enum']
    def problems = []
    if (allowed && !(value in allowed)) {
        problems << "--${name} is ${shown(value)} but must be one of: ${allowed.join(', ')}."
    }
    if (property.pattern && !(value.toString() ==~ property.pattern)) {
        def wanted = property.errorMessage ?: "of the form ${property.pattern}"
        problems << "--${name} is ${shown(value)} but must be ${wanted}."
    }
    if (value instanceof Number && (isBelow(value, property) || isAbove(value, property))) {
        problems << "--${name} is ${value} but must be ${rangeText(property)}."
    }
    problems
}

def isBelow(value, property) {
    (property.minimum != null && value < property.minimum) ||
        (property.exclusiveMinimum != null && value <= property.exclusiveMinimum)
}

def isAbove(value, property) {
    property.maximum != null && value > property.maximum
}

def rangeText(property) {
    [
        property.minimum != null ? "at least ${property.minimum}" : null,
        property.exclusiveMinimum != null ? "more than ${property.exclusiveMinimum}" : null,
        property.maximum != null ? "at most ${property.maximum}" : null,
    ].findAll { bound -> bound }.join(' and ')
}

def pathProblems(name, value, property) {
    def path = file(value.toString(), glob: false)
    if (property.exists && !path.exists()) {
        return ["--${name} is ${shown(value)} but there is no such file or folder."]
    }
    if (path.toUri().scheme != 'file') {
        return []
    }
    def may_be_folder = property.format != 'file-path'
    def fits = java.nio.file.Files.isRegularFile(path) || (may_be_folder && path.isDirectory())
    if (property.exists && !fits) {
        def wanted = may_be_folder ? 'file or folder' : 'file'
        return [
            "--${name} is ${shown(value)} but is not a ${wanted} that can be read from end to end."
        ]
    }
    property.format == 'directory-path'
        ? folderProblems(name, value, path.resolve('pipeline_info'))
        : []
}

// Why results cannot be written to a folder, if so. The folder is created if necessary.
def folderProblems(name, value, folder) {
    def reason = [folder.parent, folder].findResult { place -> whyNotWritable(place) }
    reason
        ? ["--${name} is ${shown(value)} but no results can be written there: ${reason}."]
        : []
}

def whyNotWritable(folder) {
    try {
        if (!folder.isDirectory()) {
            java.nio.file.Files.createDirectories(folder)
        }
        java.nio.file.Files.isWritable(folder) ? null : "you have no permission to write to it"
    }
    catch (java.nio.file.FileAlreadyExistsException taken) {
        "${shown(taken.file)} is a file"
    }
    catch (java.nio.file.FileSystemException problem) {
        "${(problem.reason ?: 'no access').toLowerCase()} (${shown(problem.file)})"
    }
}

// A samplesheet, or a folder for which one is to be written.
def inputProblems(name, value, property) {
    property.schema && !isFolder(value) && !(value.toString() ==~ /(?s).+\.(csv|tsv|txt)/)
        ? [
            "--${name} is ${shown(value)} but must be a .csv, .tsv or .txt file, or a folder in " +
            "which to look for samples."
        ]
        : []
}

def isFolder(value) {
    value != null && file(value.toString(), glob: false).isDirectory()
}

// Nextflow reads a text such as 4711 as a number; where it is used, it is made a text again.
def hasType(value, type) {
    def of_type = [
        integer: value instanceof Integer || value instanceof Long,
        number: value instanceof Number,
        boolean: value instanceof Boolean,
        string: value instanceof CharSequence || value instanceof Number,
    ]
    of_type[type]
}

def typeName(type) {
    def names = [
        integer: 'a whole number',
        number: 'a number',
        boolean: 'true or false',
        string: 'text',
    ]
    names[type]
}

// A value as the user gave it, on one line.
def shown(value) {
    def text = value.toString().replaceAll(/\p{Cntrl}/, '?')
    "'${text.size() > 80 ? text.take(77) + '...' : text}'"
}

def helpMessage(schema) {
    def groups = new groovy.json.JsonSlurper().parse(schema)['$defs'].values()
    def manifest = workflow.manifest
    def usage = "${manifest.name} ${manifest.version}: ${manifest.description}\n\n" +
        "Usage: ./nextflow run . -profile venv --input samplesheet.csv --outdir results\n"
    def described = groups.collect { group ->
        def parameters = group.properties.collect { name, property ->
            parameterHelp(name, property)
        }
        "\n${group.title}\n" + parameters.join()
    }
    usage + described.join()
}

def parameterHelp(name, property) {
    def type = (property['enum'] ?: [property.type].flatten()).join(' | ')
    def standard = property['default'] == null ? '' : " [default: ${property['default']}]"
    "  ${"--${name}".padRight(24)} ${property.description} (${type})${standard}\n"
}

def parametersJson() {
    groovy.json.JsonOutput.prettyPrint(groovy.json.JsonOutput.toJson(reportedParameters()))
}

// All parameters except those that affect how to run rather than what to compute: they may differ
// between runs without changing the tasks for -resume. The address of a webhook is a secret.
def reportedParameters() {
    def unreported = [
        'help', 'version', 'trace_report_suffix', 'email', 'email_on_fail', 'hook_url',
    ]
    params.findAll { name, _value -> !(name in unreported) && !name.contains('-') }.sort()
}
