"""The same run through Slurm: the same bytes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import Run, assert_same_clusters, run_pipeline
from .test_docker import missing as missing_containers

pytestmark = [pytest.mark.pipeline, pytest.mark.slurm]


@pytest.fixture
def cluster() -> None:
    """Skip the test where Slurm has no node."""
    if (
        not shutil.which("sinfo")
        or subprocess.run(["sinfo"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no Slurm is running")


@pytest.mark.parametrize("software", ["venv", "docker"])
def test_slurm_gives_the_same_clusters(
    cluster: None, demo: Run, tmp_path: Path, software: str
) -> None:
    if software == "docker" and (reason := missing_containers()):
        pytest.skip(reason)
    assert_same_clusters(run_pipeline(tmp_path, profile=f"test,slurm,{software}"), demo)


def test_a_gpu_is_asked_of_the_scheduler(cluster: None, tmp_path: Path) -> None:
    """A cluster without GPUs refuses the job that wants one, with Slurm's own words."""
    gres = subprocess.run(
        ["sinfo", "-h", "-o", "%G"], capture_output=True, text=True, check=True
    ).stdout
    if "gpu" in gres:
        pytest.skip("this cluster has GPUs")
    run = run_pipeline(tmp_path, "-stub", profile="test,slurm,venv,gpu")
    assert run.status != 0
    assert "CLUSTERING_CHECK_DEVICE" in run.output
    assert "gres" in run.output
