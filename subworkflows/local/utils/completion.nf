// The messages at the end of a run: on the console, in the results and, on request, by email and to
// a webhook.

include { archive ; deliver } from './delivery'
include { escaped ; filled } from './templates'

def completion(run) {
    def message = closingMessage(run)
    log.info("\n" + message)
    if (ownReport(run)) {
        if (params.archive) {
            attempt('The groups could not be archived') { archive() }
        }
        attempt('README.html could not be written') { deliver(run) }
    }
    def recipients = params.email ?: (run.success ? null : params.email_on_fail)
    if (recipients) {
        attempt("The mail to ${recipients} could not be sent") {
            sendMail(mail(run, message, recipients))
        }
    }
    if (params.hook_url) {
        attempt("The message to the webhook could not be sent") {
            post(params.hook_url, notice(run, message))
        }
    }
}

def reportPath() {
    "${params.outdir}/multiqc/multiqc_report.html".toString()
}

def reportFile() {
    file(reportPath(), glob: false)
}

// Whether the report is this run's: that of an earlier run may still be there.
def ownReport(run) {
    reportFile().exists() && !run.errorMessage
}

// The summary written by the report's step and the path of the report, or why there is none. The
// summary of an earlier run may still be there.
def closingMessage(run) {
    def summary = file("${params.outdir}/pipeline_info/summary.txt", glob: false)
    if (run.errorMessage || !summary.exists()) {
        return 'The run stopped before its report. Correct the problem reported above, then ' +
            'repeat the command with -resume.'
    }
    def failed = 'The results are incomplete: the report and the messages above say what ' +
        'failed and how to correct it. Exit status 1.'
    ([summary.text.trim(), "Report:   ${reportPath()}"] + (run.success ? [] : [failed])).join('\n')
}

// This may fail without affecting the results.
def attempt(what, action) {
    try {
        action.call()
    }
    catch (Exception problem) {
        log.warn("${what}: ${(problem.cause ?: problem).message}. The results are not affected.")
    }
}

def subject(run) {
    def status = run.success ? 'finished' : 'FAILED'
    "scSiameseClu ${status}: ${params.report_title ?: run.runName}".toString()
}

def mail(run, message, recipients) {
    def listed = details(run).collect { name, value -> "${name}: ${value}" }.join('\n')
    def facts = [subject: subject(run), message: message, details: listed]
    def harmless = facts.collectEntries { name, value ->
        [name, escaped(value)]
    }
    [
        to: recipients,
        subject: facts.subject,
        text: filled('email_template.txt', facts),
        body: filled('email_template.html', harmless),
    ] + (ownReport(run) ? [attach: reportFile().toFile()] : [:])
}

def details(run) {
    [
        Run: run.runName,
        Results: params.outdir,
        Started: run.start,
        Completed: run.complete,
        Duration: run.duration,
        Version: "${run.manifest.name} ${run.manifest.version}",
    ] + (run.errorMessage ? [Error: run.errorMessage] : [:])
}

// `text` is what chat programs show.
def notice(run, message) {
    [
        text: "${subject(run)}\n${message}".toString(),
        success: run.success,
        run: run.runName,
        pipeline: run.manifest.name,
        version: run.manifest.version,
        start: run.start.toString(),
        complete: run.complete.toString(),
        duration: run.duration.toString(),
        outdir: params.outdir.toString(),
        report: ownReport(run) ? reportPath() : null,
    ]
}

def post(address, content) {
    def connection = new URL(address).openConnection()
    connection.requestMethod = 'POST'
    connection.doOutput = true
    connection.connectTimeout = 10000
    connection.readTimeout = 10000
    connection.setRequestProperty('Content-Type', 'application/json')
    connection.outputStream.withWriter('UTF-8') { writer ->
        writer << groovy.json.JsonOutput.toJson(content)
    }
    if (connection.responseCode >= 300) {
        throw new IOException("the server answered ${connection.responseCode}")
    }
}
