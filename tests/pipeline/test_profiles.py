"""Every profile parses in its usual combinations, and has its effect."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from .conftest import ROOT

GPU = "process.'withLabel:process_gpu'"
ON, OFF = "true", "false"
# Profiles that combine are tried together.
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


# One start for all: each of its own would cost 4 s of a processor, a reading 0.6 s.
SCRIPT = """workflow {
    params.calls.each { call ->
        println 'CONFIGURATION'
        nextflow.plugin.Plugins.stop() // else the launcher finds them set up already
        assert new nextflow.cli.Launcher().command(call as String[]).run() == 0
    }
}
"""


def config(*calls: Sequence[str]) -> list[dict[str, str]]:
    """Return Nextflow's own reading of the configuration, flat, for each call's profiles.

    A call is the profiles, and options that come before the command.
    """
    given = [
        [*options, "config", str(ROOT), "-profile", profiles, "-flat"]
        for profiles, *options in calls
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "main.nf").write_text(SCRIPT)
        (folder / "calls.json").write_text(json.dumps({"calls": given}))
        command = [ROOT / "nextflow", "-q", "run", "main.nf", "-params-file", "calls.json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    _, *parts = done.stdout.split("CONFIGURATION\n")
    return [
        dict(line.split(" = ", 1) for line in part.splitlines() if " = " in line) for part in parts
    ]


@pytest.fixture(scope="module")
def configurations(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Return those of the profiles, and that of the infrastructure page's examples."""
    examples = re.findall(
        r"(?s)```groovy\n(.*?)```", (ROOT / "docs" / "infrastructure.md").read_text()
    )
    options = []
    for number, example in enumerate(examples):
        path = tmp_path_factory.mktemp("example") / f"{number}.config"
        path.write_text(example)
        options += ["-c", str(path)]
    found = config(*([profiles] for profiles in PROFILES), ["venv", *options])
    return dict(zip([*PROFILES, "examples"], found, strict=True))


@pytest.mark.pipeline
@pytest.mark.parametrize("profiles", PROFILES)
def test_every_profile_parses(configurations: dict[str, dict[str, str]], profiles: str) -> None:
    settings = configurations[profiles]
    assert PROFILES[profiles].items() <= settings.items()
    elsewhere = bool(ELSEWHERE & set(profiles.split(",")))
    assert (settings["process.resourceLimits"] == "[]") == elsewhere, (
        "only local tasks are bound by this machine"
    )


def test_newer_versions_of_nextflow_are_started_with_the_older_parser(tmp_path: Path) -> None:
    program = tmp_path / "nextflow"
    program.write_text(
        "#!/bin/sh\n"
        '[ "$1" = -version ] && echo version 26.04.1 || echo "parser $NXF_SYNTAX_PARSER"\n'
    )
    program.chmod(0o755)
    variables = {key: os.environ[key] for key in os.environ if key != "NXF_SYNTAX_PARSER"}
    variables |= {"PATH": f"{tmp_path}:{os.environ['PATH']}", "NXF_TEMP": str(tmp_path)}
    for given, used in (({}, "v1"), ({"NXF_SYNTAX_PARSER": "v2"}, "v2")):
        done = subprocess.run(
            [ROOT / "nextflow", "config"],
            capture_output=True, text=True, check=True, env=variables | given,
        )  # fmt: skip
        assert done.stdout == f"parser {used}\n"


def test_no_profile_is_left_out() -> None:
    block = (ROOT / "nextflow.config").read_text().split("\nprofiles {\n")[1].split("\n}\n")[0]
    named = set(re.findall(r"(?m)^    (\w+) +\{", block))
    assert named == {name for profiles in PROFILES for name in profiles.split(",")}
    text = (ROOT / "README.md").read_text() + (ROOT / "docs" / "infrastructure.md").read_text()
    assert all(f"`{name}`" in text for name in named)


@pytest.mark.pipeline
def test_examples_of_the_infrastructure_page_parse(
    configurations: dict[str, dict[str, str]],
) -> None:
    settings = configurations["examples"]
    assert settings["k8s.storageClaimName"] == "'work'"
    assert settings["google.location"] == "'europe-west4'"
    assert settings["aws.region"] == "'eu-central-1'"
    assert {key for key in settings if key.startswith(GPU)} >= {
        f"{GPU}.{name}" for name in ("queue", "accelerator", "pod")
    }
