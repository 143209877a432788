// The software that a run used.

// The file software_versions.yml, kept in a folder. A run that stops at its samplesheet has no
// versions; Nextflow would complain about a file that it can no longer write.
def versionsFile(versions, folder) {
    versions
        .toList()
        .filter { rows -> rows.any { process, _tools -> !process.endsWith('CHECK_SAMPLESHEET') } }
        .map { rows -> versionsYaml(rows) }
        .collectFile(name: 'software_versions.yml', storeDir: folder)
}

// The tools by process, after what runs them.
def versionsYaml(tasks) {
    def tools = tasks.collectMany { process, versions ->
        versions.readLines().collect { tool -> [process.tokenize(':').last(), tool] }
    }
    def by_process = tools
        .unique()
        .sort { row -> row.join(' ') }
        .groupBy { row -> row[0] }
    def pipeline = [
        "    ${workflow.manifest.name}: ${workflow.manifest.version}",
        "    nextflow: ${workflow.nextflow.version}",
    ]
    def lines = ['Workflow:'] + pipeline + by_process.collectMany { process, rows ->
        ["${process}:"] + rows.collect { row -> "    ${row[1]}" }
    }
    lines.collect { line -> "${line}\n" }.join()
}
