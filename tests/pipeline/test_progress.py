"""During a run the console says what runs, on how many cells, and how long it may take."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

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
def test_cells_and_time_of_each_group_are_told(demo: Run, group: str) -> None:
    n_cells = json.loads((demo.results / "groups" / group / "metrics.json").read_text())["n_cells"]
    assert demo.output.count(f"Clustering of {group}: {n_cells:,} cells, about ") == 1
    tags = {
        task["name"].partition(" ")[2]
        for task in demo.tasks()
        if "CLUSTERING_SCSIAMESECLU" in task["name"]
    }
    assert tags == {"(blood)", "(pancreas)"}, "short, for the console's width"


def test_the_time_expected_is_rounded_up(tmp_path: Path) -> None:
    calls = "\n".join(
        f"    println expectedTime({n_cells}, '{method}')" for n_cells, method in TIMES
    )
    script = tmp_path / "main.nf"
    script.write_text(
        "include { expectedTime } from "
        f"'{ROOT}/subworkflows/local/clustering'\nworkflow {{\n{calls}\n}}\n"
    )
    command = [str(ROOT / "nextflow"), "-q", "run", str(script), "-ansi-log", "false"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=True
    )
    told = [line for line in done.stdout.splitlines() if line.startswith("about")]
    assert told == list(TIMES.values()), done.stdout + done.stderr


def test_how_far_a_long_task_is_goes_to_the_console(tmp_path: Path) -> None:
    script = tmp_path / "main.nf"
    script.write_text(
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
}
"""
    )
    command = [str(ROOT / "nextflow"), "run", str(script), "-ansi-log", "false"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("group: step 3 of 7, 5 s left") == 1
    assert "not asked for" not in done.stdout
