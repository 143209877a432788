"""The same run in containers: the same bytes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import scsiameseclu

from .conftest import Run, assert_same_clusters, run_pipeline

IMAGES = [
    f"scsiameseclu/{family}:{scsiameseclu.__version__}"
    for family in ("core", "scsiameseclu", "report")
]


def missing() -> str:
    """Return why the run in containers cannot be made, or nothing."""
    if (
        not shutil.which("docker")
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        return "no Docker engine is running"
    found = [
        subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False)
        for image in IMAGES
    ]
    return (
        ""
        if not any(done.returncode for done in found)
        else "the images are not built: make images"
    )


@pytest.fixture
def engine() -> None:
    """Skip the test if there is no engine or no image."""
    if reason := missing():
        pytest.skip(reason)


@pytest.mark.pipeline
@pytest.mark.docker
def test_containers_give_the_same_clusters(engine: None, demo: Run, tmp_path: Path) -> None:
    run = run_pipeline(tmp_path, profile="test,docker")
    assert_same_clusters(run, demo)
    assert {path.owner() for path in run.results.rglob("*")} == {tmp_path.owner()}


@pytest.mark.docker
@pytest.mark.parametrize("image", IMAGES)
def test_images_can_be_started_in_a_cloud(engine: None, image: str) -> None:
    inspected = subprocess.run(
        ["docker", "image", "inspect", image], capture_output=True, check=True
    )
    config = json.loads(inspected.stdout)[0]["Config"]
    assert not config["Entrypoint"]
    assert config["User"] not in ("", "root", "0")
    assert config["Labels"]["org.opencontainers.image.version"] == scsiameseclu.__version__
    assert config["Labels"]["org.opencontainers.image.licenses"] == "MIT"
    assert config["Labels"]["org.opencontainers.image.title"] == image.rsplit(":", 1)[0]
    tools = subprocess.run(["docker", "run", "--rm", image, "bash", "-c", "ps -e >/dev/null && "
                                                                          "command -v python3"],
                           capture_output=True, text=True, check=True)  # fmt: skip
    assert tools.stdout.strip() == "/opt/venv/bin/python3"
