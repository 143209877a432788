"""An interrupted run is finished by -resume: nothing twice, nothing by halves, the same bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import DEMO, Run, assert_same_results, pipeline_command, run_pipeline

pytestmark = pytest.mark.pipeline
STEP = "scsiameseclu_step clustering scsiameseclu"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("interrupted")


@pytest.fixture(scope="module")
def small_disk(folder: Path) -> Iterator[Path | None]:
    """Mount a disk that the results of some steps fill; None where nothing can be mounted."""
    work = folder / "work"
    work.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(work)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        yield None
        return
    yield work
    subprocess.run(["umount", "-l", str(work)], check=True)


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


@pytest.fixture(scope="module")
def resumed(folder: Path, small_disk: Path | None) -> tuple[Run, set[str]]:
    """Run the demo's pancreas, without labels, with many an end; the hashes of what was done.

    A disk is full; the launcher is asked to end, then killed; a task is killed and retried.
    """
    sheet = folder / "sheet.csv"
    counts = DEMO / "pancreas.h5ad"
    sheet.write_text(
        f"sample,counts,group,organism,tissue,donor\npancreas,{counts},pancreas,human,pancreas,D3\n"
    )
    done = _fill(folder, small_disk, "--input", sheet) if small_disk else set()
    for number, death in enumerate([signal.SIGTERM, signal.SIGKILL]):
        resume = ["-resume"] if number or small_disk else []
        process = start(folder, *resume, "--input", sheet)
        wait_for(process, "Submitted process > SCSIAMESECLU:CLUSTERING:CLUSTERING_SCSIAMESECLU")
        # Else it would begin after its launcher's death, and be taken for the next one.
        next(_wait_for_tasks(STEP, within=folder))
        done |= finished(folder / "work")
        assert len(done) >= 5, "from the samplesheet to the principal components"
        process.send_signal(death)
        process.communicate(timeout=60)
        assert process.returncode != 0
    # A killed launcher leaves its task running.
    orphans = set(_running(STEP, within=folder))
    process = start(folder, "-resume", "--input", sheet)
    wait_for(process, "Submitted process > SCSIAMESECLU:CLUSTERING:CLUSTERING_SCSIAMESECLU")
    tasks = _wait_for_tasks(STEP, within=folder)
    os.kill(next(task for task in tasks if task not in orphans), signal.SIGKILL)
    output, _ = process.communicate(timeout=600)
    return Run(process.returncode, output, folder), done


def test_a_run_that_is_stopped_again_and_again_is_resumed(resumed: tuple[Run, set[str]]) -> None:
    run, done = resumed
    assert run.status == 0, run.output
    tries = [task["status"] for task in run.tasks() if "CLUSTERING_SCSIAMESECLU" in task["name"]]
    assert sorted(tries) == ["COMPLETED", "FAILED"]
    assert done <= {task["hash"] for task in run.tasks() if task["status"] == "CACHED"}
    assert (run.results / "groups" / "pancreas" / "pancreas.h5ad").exists()
    assert_nothing_by_halves(run)


def test_it_gives_the_bytes_of_a_run_that_was_not_and_that_had_labels(
    demo: Run, resumed: tuple[Run, set[str]]
) -> None:
    run, _ = resumed
    assert_same_results(run, demo, "pancreas")
    scores = json.loads((run.results / "groups" / "pancreas" / "metrics.json").read_text())
    assert scores.get("ari") is None


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
