"""During a run the console says what runs, on how many cells, and how long it may take."""

from __future__ import annotations

import json
import subprocess

import pytest

from .conftest import ROOT, Run

pytestmark = pytest.mark.pipeline
TIMES = {
    (0, "scsiameseclu"): "about 20 s",
    (2638, "scsiameseclu"): "about 40 s",
    (2638, "consensus"): "about 20 s",
    (10_000, "scsiameseclu"): "about 60 s",
    (30_000, "scsiameseclu"): "about 2 min",
    (30_000, "consensus"): "about 90 s",
    (100_000, "scsiameseclu"): "about 3 min",
    (1_000_000, "scsiameseclu"): "about 18 min",
}


@pytest.mark.parametrize("group", ["blood", "pancreas"])
def test_cells_and_time_of_each_group_are_reported(demo: Run, group: str) -> None:
    n_cells = json.loads((demo.results / "groups" / group / "metrics.json").read_text())["n_cells"]
    assert demo.output.count(f"Clustering of {group}: {n_cells:,} cells, about ") == 1
    tags = {
        task["name"].partition(" ")[2]
        for task in demo.tasks()
        if "CLUSTERING_SCSIAMESECLU" in task["name"]
    }
    assert tags == {"(blood)", "(pancreas)"}, "short, for the console's width"


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Run a script that prints the expected times and has two tasks; return its output."""
    folder = tmp_path_factory.mktemp("script")
    calls = "\n".join(
        f"    println expectedTime({n_cells}, '{method}')" for n_cells, method in TIMES
    )
    (folder / "main.nf").write_text(
        f"include {{ expectedTime }} from '{ROOT}/subworkflows/local/clustering'\n"
        f"include {{ showProgress }} from '{ROOT}/subworkflows/local/utils/progress'\n"
        """
process LONG {
    tag "group"
    input:
    val seconds
    script:
    "echo '  step 3 of 7, 5 s left' >&2; sleep ${seconds}"
}
process OTHER {
    input:
    val seconds
    script:
    "echo 'not asked for' >&2; sleep ${seconds}"
}
workflow {
    showProgress('LONG', 1)
    LONG(channel.of(8))
    OTHER(channel.of(8))
"""
        f"{calls}\n}}\n"
    )
    command = [str(ROOT / "nextflow"), "run", "main.nf", "-ansi-log", "false"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_time_expected_is_rounded_up(script: str) -> None:
    reported = [line for line in script.splitlines() if line.startswith("about")]
    assert reported == list(TIMES.values()), script


def test_the_progress_of_a_long_task_is_on_the_console(script: str) -> None:
    assert script.count("group: step 3 of 7, 5 s left") == 1
    assert "not asked for" not in script
