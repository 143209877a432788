"""What a step imports before its work begins, which every task pays for."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.pipeline.conftest import ROOT

pytestmark = pytest.mark.slow

BIN = ROOT / "bin"
HEAVY = (
    *(
        "anndata",
        "h5py",
        "igraph",
        "matplotlib",
        "numba",
        "numpy",
        "pandas",
        "pydeseq2",
        "scanpy",
        "scipy",
        "skimage",
    ),
    *("sklearn", "torch", "umap"),
)
NOTHING: set[str] = set()
TABLES = {"numpy", "pandas"}
ANNOTATED = TABLES | {"anndata", "h5py", "scipy"}
SCANPY = {*HEAVY} - {"torch", "pydeseq2"}
MAY_LOAD = {
    "intake check_samplesheet": NOTHING,
    "report verdict": {"numpy"},
    "report tables": TABLES,
    "annotation check": TABLES,
    "intake estimate_memory": ANNOTATED,
    "intake read_counts": ANNOTATED,
    "quality filter": ANNOTATED,
    "annotation markers": ANNOTATED,
    "annotation ambient": ANNOTATED,
    "annotation modalities": ANNOTATED,
    "annotation celltypes": ANNOTATED,
    "annotation differential": ANNOTATED,
    "annotation composition": ANNOTATED,
    "annotation assemble": ANNOTATED | {"sklearn"},
    "annotation export": ANNOTATED,
    "report figures": ANNOTATED | {"matplotlib"},
    "quality doublets": SCANPY,
    "expression normalize": SCANPY,
    "annotation umap": SCANPY,
    "annotation reference": SCANPY,
    "annotation opinion": SCANPY,
    "annotation subclusters": SCANPY,
    "annotation scores": ANNOTATED,
    "clustering check_base": ANNOTATED,
    "clustering placement": SCANPY,
    "evaluation comparison": SCANPY,
    "evaluation scores": ANNOTATED | {"sklearn"},
}
"""Step -> the heavy modules that it may have loaded when its function is called; of the others none
is asked."""
PROBE = """
import json, sys
import scsiameseclu.command as command
command.run = lambda *_, **__: None
heavy = json.loads(sys.argv.pop())
command.run_step()
print(json.dumps(sorted(set(heavy) & set(sys.modules))))
"""


def test_every_step_that_moves_tables_or_counts_is_listed() -> None:
    modules = (ROOT / "modules" / "local").glob("*/*/main.nf")
    steps = {f"{path.parts[-3]} {path.parts[-2]}" for path in modules} - {"report multiqc"}
    assert set(MAY_LOAD) <= steps
    assert all(
        step.startswith(("clustering ", "benchmark ", "intake find"))
        for step in steps - set(MAY_LOAD)
    )


@pytest.mark.parametrize("step", MAY_LOAD)
def test_a_step_loads_only_what_it_needs(step: str) -> None:
    command = [sys.executable, "-c", PROBE, *step.split(), json.dumps(HEAVY)]
    environment = os.environ | {"PYTHONPATH": str(BIN)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout)) <= MAY_LOAD[step]


@pytest.mark.parametrize(
    "arguments", [[], ["quality"], ["quality", "none"], ["..", "setup"], ["quality", "ledger"]]
)
def test_unknown_steps_are_rejected_without_a_traceback(arguments: list[str]) -> None:
    command = [sys.executable, BIN / "scsiameseclu_step", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("usage: scsiameseclu_step STAGE STEP")
    assert "Traceback" not in done.stderr
