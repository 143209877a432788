"""Every profile parses in its usual combinations, and has its effect."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from .conftest import ROOT

GPU = "process.'withLabel:process_gpu'"
ON, OFF = "true", "false"
# A start of Nextflow each: profiles that combine are tried together.
PROFILES: dict[str, dict[str, str]] = {
    "venv,test": {
        "docker.enabled": OFF, "params.input": f"'{ROOT}/tests/data/demo/samplesheet.csv'",
    },
    "docker,gpu,arm,test_full,debug": {
        "docker.enabled": ON, "params.strict": ON, "dumpHashes": ON, "params.device": "'cuda'",
        f"{GPU}.accelerator": "1", f"{GPU}.maxForks": "1",
        "docker.runOptions": "'-u $(id -u):$(id -g) --platform linux/arm64'",
    },
    "podman": {"podman.enabled": ON, "podman.runOptions": "'--userns=keep-id'"},
    "singularity,gpu,slurm": {
        "singularity.enabled": ON, "process.executor": "'slurm'", f"{GPU}.maxForks": "0",
    },
    "apptainer,lsf,gpu": {
        "apptainer.enabled": ON, "process.executor": "'lsf'", f"{GPU}.maxForks": "0",
    },
    "charliecloud,sge": {
        "charliecloud.enabled": ON, "charliecloud.writeFake": OFF, "process.executor": "'sge'",
    },
    "conda": {"conda.enabled": ON},
    "awsbatch,gpu": {
        "process.executor": "'awsbatch'", "docker.enabled": ON, f"{GPU}.accelerator": "1",
    },
    "googlebatch": {"process.executor": "'google-batch'", "docker.enabled": ON},
    "k8s": {"process.executor": "'k8s'"},
}  # fmt: skip
ELSEWHERE = {"slurm", "lsf", "sge", "awsbatch", "googlebatch", "k8s"}


def config(profiles: str, *options: str) -> dict[str, str]:
    """Return Nextflow's own reading of the configuration, flat."""
    command = [ROOT / "nextflow", *options, "config", str(ROOT), "-profile", profiles, "-flat"]
    with tempfile.TemporaryDirectory() as folder:  # for the log
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    return dict(line.split(" = ", 1) for line in done.stdout.splitlines() if " = " in line)


@pytest.mark.pipeline
@pytest.mark.parametrize("profiles", PROFILES)
def test_every_profile_parses(profiles: str) -> None:
    settings = config(profiles)
    assert PROFILES[profiles].items() <= settings.items()
    elsewhere = bool(ELSEWHERE & set(profiles.split(",")))
    assert (settings["process.resourceLimits"] == "[]") == elsewhere, (
        "only local tasks are bound by this machine"
    )


def test_no_profile_is_left_out() -> None:
    block = (ROOT / "nextflow.config").read_text().split("\nprofiles {\n")[1].split("\n}\n")[0]
    named = set(re.findall(r"(?m)^    (\w+) +\{", block))
    assert named == {name for profiles in PROFILES for name in profiles.split(",")}
    text = (ROOT / "README.md").read_text() + (ROOT / "docs" / "infrastructure.md").read_text()
    assert all(f"`{name}`" in text for name in named)


@pytest.mark.pipeline
def test_examples_of_the_infrastructure_page_parse(tmp_path: Path) -> None:
    examples = re.findall(
        r"(?s)```groovy\n(.*?)```", (ROOT / "docs" / "infrastructure.md").read_text()
    )
    options = []
    for number, example in enumerate(examples):
        (tmp_path / f"{number}.config").write_text(example)
        options += ["-c", str(tmp_path / f"{number}.config")]
    settings = config("venv", *options)
    assert settings["k8s.storageClaimName"] == "'work'"
    assert settings["google.location"] == "'europe-west4'"
    assert settings["aws.region"] == "'eu-central-1'"
    assert {key for key in settings if key.startswith(GPU)} >= {
        f"{GPU}.{name}" for name in ("queue", "accelerator", "pod")
    }
