// What the console says when a run is over.

def goodbye(run) {
    def outdir = params.outdir
    def summary = file("${outdir}/pipeline_info/summary.txt")
    if (!summary.exists()) {
        log.info("The run stopped before its report. Mend what the message above names, then repeat the command with -resume.")
        return
    }
    log.info("\n" + summary.text.trim().replace('multiqc/multiqc_report.html', "${outdir}/multiqc/multiqc_report.html"))
    if (!run.success) {
        log.info("Not everything is in the results: the report and the messages above say what failed and how to mend it. Exit status 1.")
    }
}
