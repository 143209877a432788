"""Requests of tasks: never more than available, and as estimated.

More for larger data and after a kill: test_completion.py.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import torch
from scsiameseclu.files import read_json

from .conftest import DEMO, ROOT, Run, run_pipeline

pytestmark = pytest.mark.pipeline
UNITS = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30}


def memory(task: dict[str, str], field: str = "memory") -> float:
    """Return the bytes that a task of the trace requested, or took by another `field`."""
    number, unit = task[field].split()
    return float(number) * UNITS[unit]


def tasks(run: Run, process: str) -> list[dict[str, str]]:
    return [task for task in run.tasks() if task["name"].split(" ")[0].endswith(f":{process}")]


def test_no_task_requests_more_than_a_laptop_has(demo: Run) -> None:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for task in demo.tasks():
        assert 0 < memory(task, "peak_rss") < memory(task) <= min(machine, 4 * UNITS["GB"]), task[
            "name"
        ]
        assert task["cpus"] == "1", "few cells leave the other core to the next group"


def test_the_estimate_equals_the_request(demo: Run) -> None:
    (estimate,) = [read_json(path) for path in demo.folder.glob("work/*/*/memory.json")]
    asked = {
        re.sub(r", \d+ cells\)$", ")", task["name"].rpartition(":")[2]): memory(task) / UNITS["MB"]
        for task in demo.tasks()
        if task["attempt"] == "1"
    }
    steps = {
        "reading": "INTAKE_READ_COUNTS",
        "filter": "QUALITY_FILTER",
        "doublets": "QUALITY_DOUBLETS",
    }
    reported = {
        f"{steps[step]} ({row['sample']})": need
        for row in estimate["samples"]
        for step, need in row["needs_mb"].items()
    }
    steps = {"group": "EXPRESSION_NORMALIZE", "clustering": "CLUSTERING_SCSIAMESECLU"}
    reported |= {
        f"{steps[step]} ({row['group']})": need
        for row in estimate["groups"]
        for step, need in row["needs_mb"].items()
    }
    assert len(estimate["samples"]) >= 2
    assert estimate["groups"]
    for name, need in reported.items():
        # The trace has one decimal.
        assert asked[name] <= need + 0.06 * UNITS["KB"], name
        assert asked[name] == pytest.approx(need, abs=0.3 * UNITS["KB"]), (
            "demo data are small: little is filtered"
        )


def test_all_files_of_counts_in_a_folder_are_measured(tmp_path: Path) -> None:
    """And a folder that is called like a column of labels is no file of labels."""
    folders = {
        "star": ({"Gene/matrix.mtx": 5, "GeneFull/matrix.mtx": 7, "Aligned.bam": 90}, 12),
        "packed": ({"matrix.mtx.bz2": 5, "features.tsv.gz": 20}, 5),
        "one": ({"x.h5ad": 9, "notes.txt": 20}, 9),
        "outs": (
            {"raw.h5": 9, "filtered.h5": 4, "raw/matrix.mtx.gz": 8, "molecule_info.h5": 50},
            9,
        ),
        "alevin": ({"alevin/quants_mat.gz": 6, "alevin/quants_tier_mat.gz": 20}, 6),
        "a.zarr": ({".zgroup": 1, "X/.zgroup": 1, "X/data/c/0/0": 8, "obs/cell/0": 3}, 13),
        "spatial": (
            {"s/zarr.json": 2, "s/tables/t/X/c/0/0": 8, "s/images/a/0": 70, "t.csv": 9},
            10,
        ),
        "hollow": ({}, 0),
    }
    for folder, (files, _) in folders.items():
        (tmp_path / "images" / folder).mkdir(parents=True)
        for name, size in files.items():
            path = tmp_path / "images" / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x" * size)
    (tmp_path / "images/star/broken.mtx").symlink_to("nowhere")
    calls = "\n".join(
        f"    println 'TOLD ' + bytes(file('{tmp_path}/images/{name}'))" for name in folders
    )
    (tmp_path / "main.nf").write_text(
        f"""include {{ bytes ; isFile }} from '{ROOT}/subworkflows/local/intake/samplesheet'
workflow {{
{calls}
    println 'TOLD ' + ['main.nf', 'images', 'none'].collect {{ name ->
        isFile(file('{tmp_path}/main.nf'), name)
    }}
}}
"""
    )
    command = [str(ROOT / "nextflow"), "-q", "run", "main.nf", "-ansi-log", "false"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    told = [line.removeprefix("TOLD ") for line in done.stdout.splitlines() if "TOLD " in line]
    assert told == [
        *(str(size) for _, size in folders.values()),
        "[true, false, false]",
    ], done.stdout + done.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_reported_before_the_data_are_read(tmp_path: Path) -> None:
    (tmp_path / "sheet.csv").write_text(f"sample,counts\na,{DEMO / 'pancreas.h5ad'}\n")
    run = run_pipeline(tmp_path, "--input", tmp_path / "sheet.csv", profile="venv,gpu")
    assert run.status != 0
    assert "A GPU was asked for" in run.output
    assert "remedy" in run.output
    assert "Traceback" not in run.output
    assert not tasks(run, "CLUSTERING_SCSIAMESECLU")
    assert not (run.results / "multiqc").exists()
