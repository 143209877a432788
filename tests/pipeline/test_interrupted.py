"""An interrupted run is finished by -resume: nothing twice, nothing by halves."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import DEMO, Run, pipeline_command, run_pipeline

pytestmark = pytest.mark.pipeline
QUICK = ("--method", "consensus")


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    """Write a samplesheet with one of the bundled samples."""
    path = tmp_path / "sheet.csv"
    path.write_text(f"sample,counts,tissue\na,{DEMO / 'pancreas.h5ad'},pancreas\n")
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """Mount a disk that the results of some steps fill; None where nothing can be mounted."""
    folder = tmp_path / "work"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        yield None
        return
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def start(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        pipeline_command(folder, *arguments), cwd=folder,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True, env=os.environ | {"NXF_ANSI_LOG": "false"},
    )  # fmt: skip


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    """Read what `process` prints until `word` is in it."""
    assert process.stdout
    seen = ""
    for line in process.stdout:
        seen += line
        if word in line:
            return
    pytest.fail(f"{word} was never printed:\n{seen}")


def finished(work: Path) -> set[str]:
    """Return the hashes of the tasks that have ended well."""
    return {
        f"{path.parts[-3]}/{path.parts[-2][:6]}"
        for path in work.glob("??/*/.exitcode")
        if path.read_text() == "0"
    }


def assert_nothing_by_halves(run: Run) -> None:
    """Fail unless each published result of a task is identical to the file written by the task."""
    written = {
        path.read_bytes() for path in (run.folder / "work").glob("??/*/**/*") if path.is_file()
    }
    published = [
        path
        for name in ["samples", "groups"]
        for path in (run.results / name).rglob("*")
        if path.is_file()
    ]
    assert [path for path in published if path.read_bytes() not in written] == []


def test_a_run_that_is_stopped_repeatedly_is_resumed(
    tmp_path: Path, sheet: Path, small_disk: Path | None
) -> None:
    """A disk is full; the launcher is asked to end, then killed; a task is killed and retried."""
    given = ("--input", sheet, *QUICK)
    done: set[str] = set()
    if small_disk:
        done |= _fill(tmp_path, small_disk, *given)
    for number, death in enumerate([signal.SIGTERM, signal.SIGKILL]):
        resume = ["-resume"] if number or small_disk else []
        process = start(tmp_path, *resume, *given)
        wait_for(process, "Submitted process > SCSIAMESECLU:CLUSTERING:CLUSTERING_SCSIAMESECLU")
        # Else it would begin after its launcher's death, and be taken for the next one.
        next(_wait_for_tasks("scsiameseclu_step clustering scsiameseclu", within=tmp_path))
        done |= finished(tmp_path / "work")
        assert len(done) >= 5, "from the samplesheet to the principal components"
        process.send_signal(death)
        process.communicate(timeout=60)
        assert process.returncode != 0
    # A killed launcher leaves its task running.
    orphans = set(_running("scsiameseclu_step clustering scsiameseclu", within=tmp_path))
    process = start(tmp_path, "-resume", *given)
    wait_for(process, "Submitted process > SCSIAMESECLU:CLUSTERING:CLUSTERING_SCSIAMESECLU")
    tasks = _wait_for_tasks("scsiameseclu_step clustering scsiameseclu", within=tmp_path)
    os.kill(next(task for task in tasks if task not in orphans), signal.SIGKILL)
    output, _ = process.communicate(timeout=600)
    run = Run(process.returncode, output, tmp_path)
    assert run.status == 0, output
    tries = [task["status"] for task in run.tasks() if "CLUSTERING_SCSIAMESECLU" in task["name"]]
    assert sorted(tries) == ["COMPLETED", "FAILED"]
    assert done <= {task["hash"] for task in run.tasks() if task["status"] == "CACHED"}
    assert (run.results / "groups" / "a" / "a.h5ad").exists()
    assert_nothing_by_halves(run)


def _fill(folder: Path, small_disk: Path, *arguments: object) -> set[str]:
    """Run until the disk is full, make room, and return the hashes of the tasks that ended well."""
    full = run_pipeline(folder, *arguments)
    assert full.status != 0
    # The reason is only reported if it can be written: the messages of tasks are on the full disk.
    assert "Error executing process" in full.output or "o space left on device" in full.output, (
        full.output
    )
    assert not (full.results / "multiqc").exists()
    done = finished(small_disk)
    subprocess.run(["mount", "-o", "remount,size=500m", str(small_disk)], check=True)
    return done


def _wait_for_tasks(script: str, *, within: Path) -> Iterator[int]:
    """Yield the ids of the processes that run `script` in a folder below `within`."""
    for _ in range(300):
        yield from _running(script, within=within)
        time.sleep(0.1)


def _running(script: str, *, within: Path) -> Iterator[int]:
    """Yield the ids of those that run now."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
            here = (folder / "cwd").resolve().is_relative_to(within.resolve())
        except OSError:
            continue
        if here and script.encode() in command:
            yield int(folder.name)
