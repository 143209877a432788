"""What a step loads before its work begins: every task is a process of its own and pays for each import."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.pipeline.conftest import ROOT

BIN = ROOT / "bin"
HEAVY = (
    *("anndata", "h5py", "igraph", "matplotlib", "numba", "numpy", "pandas", "pydeseq2", "scanpy", "scipy", "skimage"),
    *("sklearn", "torch", "umap"),
)
NOTHING: set[str] = set()
TABLES = {"numpy", "pandas"}
ANNOTATED = TABLES | {"anndata", "h5py", "scipy"}
SCANPY = {*HEAVY} - {"torch", "pydeseq2"}
MAY_LOAD = {
    "intake_check_samplesheet": NOTHING,
    "report_verdict": {"numpy"},
    "report_tables": TABLES,
    "annotation_check": TABLES,
    "intake_estimate_memory": ANNOTATED,
    "intake_read_counts": ANNOTATED,
    "quality_filter": ANNOTATED,
    "annotation_markers": ANNOTATED,
    "annotation_celltypes": ANNOTATED,
    "annotation_differential": ANNOTATED,
    "annotation_composition": ANNOTATED,
    "annotation_assemble": ANNOTATED | {"sklearn"},
    "report_figures": ANNOTATED | {"matplotlib"},
    "quality_doublets": SCANPY,
    "expression_normalize": SCANPY,
    "annotation_umap": SCANPY,
    "annotation_reference": SCANPY,
    "clustering_comparison": SCANPY,
}
"""Step -> the heavy modules that it may have loaded when its function is called; of the others none is asked."""
PROBE = """
import json, runpy, sys
import scsiameseclu.command as command
command.run = lambda *_, **__: None
runpy.run_path(sys.argv[1])
print(json.dumps(sorted(set(json.loads(sys.argv[2])) & set(sys.modules))))
"""


def test_every_step_that_moves_tables_or_counts_is_listed() -> None:
    steps = {path.stem for path in BIN.glob("*.py")}
    assert set(MAY_LOAD) <= steps
    assert all(step.startswith(("clustering_", "benchmark_", "intake_find")) for step in steps - set(MAY_LOAD))


@pytest.mark.parametrize("step", MAY_LOAD)
def test_a_step_loads_no_more_than_it_needs(step: str) -> None:
    command = [sys.executable, "-c", PROBE, str(BIN / f"{step}.py"), json.dumps(HEAVY)]
    environment = os.environ | {"PYTHONPATH": str(BIN)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout)) <= MAY_LOAD[step]
