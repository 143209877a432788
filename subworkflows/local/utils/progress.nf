// How far a long task is. It writes that to stderr, which is in the task's folder only: its last
// line goes to the console, too.

// Says so from now on, again and again, of the running tasks of a process. For this, the folders of
// tasks are looked through: only where that is no download, and only for what takes minutes.
def showProgress(process, seconds = 60) {
    if (workflow.workDir.scheme == 'file') {
        def told = [:]
        def begun = System.currentTimeMillis()
        def timer = new Timer('progress', true)
        def task = { tellProgress(process, begun, told) } as TimerTask
        timer.schedule(task, 1000L * seconds, 1000L * seconds)
    }
}

// What was said of a task before is not said again.
def tellProgress(process, begun, told) {
    try {
        runningTasks(workflow.workDir, process, begun).each { name, line ->
            if (line && told.put(name, line) != line) {
                log.info("${name}: ${line}")
            }
        }
    }
    catch (IOException problem) {
        // A folder went while it was looked at; the next look is in a minute.
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
