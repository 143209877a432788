// --input is a folder: a samplesheet is written from the count matrices in it, and the run ends.
// Only the user knows which samples belong together, and their tissue.

include { codeOf              } from '../utils/code'
include { isLocal ; stageable } from '../utils/files'
include { INTAKE_FIND_SAMPLES } from '../../../modules/local/intake/find_samples'

def sheetFile() {
    file("${params.outdir ?: workflow.launchDir}/samplesheet.csv", glob: false)
}

// An existing sheet may have been edited.
def checkFree(sheet) {
    if (sheet.exists()) {
        error("A samplesheet exists already and is not overwritten: ${sheet}\n" +
            "  remedy: run with it (--input ${quote(sheet)}), or give another --outdir.")
    }
}

def checkLocal(folder) {
    if (!isLocal(folder)) {
        error("--input is a folder in an object store, which cannot be searched: ${folder}\n" +
            "  remedy: write a samplesheet (columns sample and counts), or give a folder on this " +
            "machine's disks.")
    }
}

def farewell(listing, sheet) {
    def here = "${workflow.launchDir}" == "${projectDir}" ? '.' : projectDir
    def profile = workflow.profile == 'standard' ? '' : " -profile ${workflow.profile}"
    "\n${listing.text.trim()}\n\n" +
        "The samplesheet is ${sheet}\n" +
        "Check it: set group for samples to be clustered together, and tissue. " +
        "Then run it, with your other options:\n\n" +
        "  ${quote("${here}/nextflow")} run ${quote(here)}${profile}" +
        " --input ${quote(sheet)} --outdir ${quote(params.outdir ?: 'results')}\n"
}

def quote(value) {
    def text = value.toString()
    text ==~ /[\w.\/-]+/ ? text : "'${text.replace("'", "'\\''")}'"
}

workflow FIND_SAMPLES {
    take:
    folder // path: searched for count matrices

    main:
    def sheet = sheetFile()
    checkLocal(folder)
    checkFree(sheet)
    INTAKE_FIND_SAMPLES(
        stageable(folder),
        folder.toAbsolutePath().normalize().toString(),
        file("${projectDir}/assets/schema_input.json"),
        codeOf('intake'),
    )
    INTAKE_FIND_SAMPLES.out.listing.subscribe { listing -> log.info(farewell(listing, sheet)) }

    emit:
    samplesheet = INTAKE_FIND_SAMPLES.out.samplesheet
}
