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
SHARED = [NOTHING, TABLES, ANNOTATED, ANNOTATED | {"scanpy"}]
"""What one process imports, one after the other, for all steps that may load as much."""
PROBE = """
import importlib, json, os, sys
import scsiameseclu.command as command
command.run = lambda *_, **__: None
heavy, plan = json.load(sys.stdin)
for modules, steps in plan:
    for module in modules:
        importlib.import_module(module)
    for step in steps:
        if child := os.fork():
            os.waitpid(child, 0)
            continue
        sys.argv = ["scsiameseclu_step", *step.split()]
        command.run_step()
        print(json.dumps([step, sorted(set(heavy) & set(sys.modules))]), flush=True)
        os._exit(0)
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    """Return the heavy modules that each step has loaded, imported in a process of its own.

    It is forked from one that has loaded some of what the step may load.
    """
    plan: list[tuple[list[str], list[str]]] = [(sorted(modules), []) for modules in SHARED]
    for step, may_load in MAY_LOAD.items():
        number = max(number for number, modules in enumerate(SHARED) if modules <= may_load)
        plan[number][1].append(step)
    done = subprocess.run(
        [sys.executable, "-c", PROBE], env=os.environ | {"PYTHONPATH": str(BIN)},
        input=json.dumps([HEAVY, plan]), stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return {step: set(modules) for step, modules in map(json.loads, done.stdout.splitlines())}


def test_every_step_that_moves_tables_or_counts_is_listed() -> None:
    modules = (ROOT / "modules" / "local").glob("*/*/main.nf")
    steps = {f"{path.parts[-3]} {path.parts[-2]}" for path in modules} - {"report multiqc"}
    assert set(MAY_LOAD) <= steps
    assert all(
        step.startswith(("clustering ", "benchmark ", "intake find"))
        for step in steps - set(MAY_LOAD)
    )


@pytest.mark.parametrize("step", MAY_LOAD)
def test_a_step_loads_only_what_it_needs(loaded: dict[str, set[str]], step: str) -> None:
    assert loaded[step] <= MAY_LOAD[step]


@pytest.mark.parametrize(
    "arguments", [[], ["quality"], ["quality", "none"], ["..", "setup"], ["quality", "ledger"]]
)
def test_unknown_steps_are_rejected_without_a_traceback(arguments: list[str]) -> None:
    command = [sys.executable, BIN / "scsiameseclu_step", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("usage: scsiameseclu_step STAGE STEP")
    assert "Traceback" not in done.stderr
