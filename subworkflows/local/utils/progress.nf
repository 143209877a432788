// The progress of a long task. The task writes it to stderr, which only its folder holds; the last
// line is repeated on the console.

// Reports the progress of the running tasks of a process at intervals. This searches the folders of
// the tasks, so it is used only if the work folder is local, and only for long tasks.
def showProgress(process, seconds = 60) {
    if (workflow.workDir.scheme == 'file') {
        def reported = [:]
        def begun = System.currentTimeMillis()
        def timer = new Timer('progress', true)
        def task = { reportProgress(process, begun, reported) } as TimerTask
        timer.schedule(task, 1000L * seconds, 1000L * seconds)
    }
}

// A line that was reported before is not repeated.
def reportProgress(process, begun, reported) {
    try {
        runningTasks(workflow.workDir, process, begun).each { name, line ->
            if (line && reported.put(name, line) != line) {
                log.info("${name}: ${line}")
            }
        }
    }
    catch (IOException problem) {
        // A folder was removed during the search; the next search is in a minute.
        log.debug("Progress is not known: ${problem.message}")
    }
}

// Sample or group of each running task of a process -> the last line of its stderr.
def runningTasks(place, process, begun) {
    foldersIn(place)
        .collectMany { prefix -> foldersIn(prefix) }
        .findAll { task -> task.lastModified() >= begun && isRunning(task) }
        .collectEntries { task -> [nameOf(task, process), lastLine(task.resolve('.command.err'))] }
        .findAll { name, _line -> name }
}

def foldersIn(place) {
    place.listFiles().findAll { found -> found.isDirectory() }
}

def isRunning(task) {
    task.resolve('.command.begin').exists() && !task.resolve('.exitcode').exists()
}

// Nextflow writes the task's name into its script: "### name: 'A:B:PROCESS (name)'".
def nameOf(task, process) {
    def lines = task.resolve('.command.run').readLines()
    def name = lines.find { line -> line.startsWith('### name: ') } ?: ''
    def found = name.tokenize(" '")
    found.size() > 3 && found[2].tokenize(':').last() == process
        ? name.substring(name.indexOf('(') + 1, name.lastIndexOf(')'))
        : null
}

def lastLine(path) {
    def lines = path.exists() ? path.readLines().findAll { line -> line.trim() } : []
    lines ? lines.last().trim() : null
}
