// What the console says when a run is over.

def goodbye(run) {
    def outdir = params.outdir
    def summary = file("${outdir}/pipeline_info/summary.txt")
    if (summary.exists()) {
        log.info("\n${summary.text.trim()}")
    }
    def report = file("${outdir}/multiqc/multiqc_report.html")
    if (report.exists()) {
        log.info("Report: ${report}")
    }
    if (!run.success && !report.exists()) {
        log.info("The run stopped before its report. Mend what the message above names, then repeat the command with -resume.")
    }
}
