// Samples and groups that cannot be finished: printed on the console and kept for the report.

// A problem on the console.
def inWords(problem) {
    "${problem.what}\n    where:  ${problem.where}\n    remedy: ${problem.remedy}"
}

def announce(record) {
    def failure = new groovy.json.JsonSlurper().parse(record)
    def problems = failure.problems.collect { problem -> inWords(problem) }.join('\n  ')
    def message = "${failure.id} FAILED (${failure.step}): ${problems}"
    if (params.strict) {
        error(message)
    }
    log.warn(message)
    record
}

// Tasks that were killed at every attempt leave no record of their own; conf/base.config notes them
// as properties.
def killedRecords() {
    System.properties
        .findAll { key, _value -> key.startsWith('scsiameseclu.killed/') }
        .collect { key, value -> killedRecord(key.tokenize('/'), value.tokenize(',')) }
}

def killedRecord(key, value) {
    def (_prefix, process, id) = key
    def (status, memory, time) = value
    def problem = [
        what: "The task failed at every attempt, the last one with ${memory} of " +
            "memory and ${time}: ${deathOf(status.toInteger())}.",
        where: "${process} (${id})",
        remedy: "Raise resourceLimits, or memory and time of ${process} (docs/infrastructure.md, " +
            "Resources), and repeat the command with -resume; pipeline_info/trace_*.tsv shows " +
            "what it used.",
    ]
    [id: id, step: process.toLowerCase().replaceFirst('_', '.'), problems: [problem]]
}

def deathOf(status) {
    def known = [
        137: 'it was killed, most likely for lack of memory (exit status 137)',
        139: 'it crashed (exit status 139)',
        140: 'it ran out of time (exit status 140)',
        143: 'it was terminated, most likely for lack of time (exit status 143)',
        (Integer.MAX_VALUE): 'it ran out of time or was removed by the scheduler (no exit status)',
    ]
    known[status] ?: "the system stopped it (exit status ${status})"
}
