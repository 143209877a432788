"""The same run in containers: the same bytes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import scsiameseclu

from .conftest import Run, run_pipeline

IMAGES = [f"scsiameseclu/{family}:{scsiameseclu.__version__}" for family in ("core", "scsiameseclu", "report")]


def _missing() -> str:
    """Return why the run in containers cannot be made, or nothing."""
    if not shutil.which("docker") or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        return "no Docker engine is running"
    found = [
        subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False) for image in IMAGES
    ]
    return "" if not any(done.returncode for done in found) else "the images are not built: make images"


@pytest.mark.pipeline
@pytest.mark.docker
def test_containers_give_the_same_clusters(demo: Run, tmp_path: Path) -> None:
    if reason := _missing():
        pytest.skip(reason)
    run = run_pipeline(tmp_path, profile="test,docker")
    assert run.status == 0, run.output
    for group in ["blood", "pancreas"]:
        path = Path("groups") / group / "clusters.tsv"
        assert (run.results / path).read_bytes() == (demo.results / path).read_bytes()
