"""The files that say the same thing say the same thing: parameters, versions, locks, modules."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import jsonschema
import pytest
import scsiameseclu
import yaml
from scsiameseclu.command import EXIT_INPUT
from scsiameseclu.intake.estimate_memory import RATES
from scsiameseclu.quality.filter import Options
from scsiameseclu.quality.thresholds import BOUNDS

from .conftest import ROOT
from .test_profiles import config

MODULES = sorted((ROOT / "modules" / "local").glob("*/*/main.nf"))
BASE_CONFIG = (ROOT / "conf" / "base.config").read_text()
SCHEMA = json.loads((ROOT / "nextflow_schema.json").read_text())
PARAMETERS = {
    name: spec for group in SCHEMA["$defs"].values() for name, spec in group["properties"].items()
}


def test_the_schema_is_a_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert {ref["$ref"].split("/")[-1] for ref in SCHEMA["allOf"]} == set(SCHEMA["$defs"])
    for name, spec in PARAMETERS.items():
        assert re.fullmatch("[a-z][a-z0-9_]*", name)
        assert spec["description"]
        assert "pattern" not in spec or spec["errorMessage"], "a user is not shown the pattern"


def test_the_page_on_running_has_every_parameter_and_column() -> None:
    page = (ROOT / "docs" / "running.md").read_text()
    columns = json.loads((ROOT / "assets" / "schema_input.json").read_text())["items"]["properties"]
    assert [name for name in PARAMETERS if f"| `--{name}` |" not in page] == []
    assert [name for name in columns if f"`{name}`" not in page] == []


def test_commands_of_the_documentation_have_what_is_required() -> None:
    """A folder as input is only searched, and needs no ``--outdir``."""
    pages = [ROOT / "README.md", ROOT / "bin/scsiameseclu/benchmark/page.md"]
    pages += (ROOT / "docs").glob("*.md")
    text = "\n".join(page.read_text() for page in pages).replace("\\\n", " ")
    commands = re.findall(r"\./nextflow run [^`\n]*", text)
    assert len(commands) > 5
    for command in commands:
        assert "--input" in command or "--help" in command
        assert "--outdir" in command or ".csv" not in command, command


@pytest.mark.pipeline
def test_the_page_on_output_agrees_with_the_list_of_files() -> None:
    page = (ROOT / "docs" / "output.md").read_text()
    page = re.sub(r"\[(.*?)\]\(.*?\)|`", r"\1", page)
    for row in (ROOT / "assets" / "published_files.tsv").read_text().splitlines()[1:]:
        pattern, content = row.split("\t")
        name = pattern.rpartition("/")[2].lstrip("*")
        if not pattern.startswith(("multiqc/", "benchmark/")):
            assert re.search(rf"^\|.*{re.escape(name)}.*\| {re.escape(content)} \|$", page, re.M), (
                row
            )


def test_parameters_of_schema_and_configuration_agree() -> None:
    (settings,) = config(["venv"])
    configured = {
        key.removeprefix("params."): value.strip("'")
        for key, value in settings.items()
        if key.startswith("params.")
    }
    assert set(configured) == set(PARAMETERS)
    for name, spec in PARAMETERS.items():
        if name != "trace_report_suffix":
            default = spec.get("default")
            assert configured[name] == (
                "null"
                if default is None
                else str(default).lower()
                if isinstance(default, bool)
                else str(default)
            )


def test_the_bounds_of_quality_control_are_parameters_that_it_is_given() -> None:
    (given,) = re.findall(r"name ==~ /(.*)/", (ROOT / "conf" / "modules.config").read_text())
    options = {field.name for field in fields(Options)}
    assert set(filter(re.compile(given).fullmatch, PARAMETERS)) == {
        *BOUNDS,
        *(name for name in options if name.startswith("mad_")),
    }


def test_the_version_is_the_same_everywhere() -> None:
    text = (ROOT / "nextflow.config").read_text()
    stated = {
        re.search(rf"{key} += '([\d.]+)'", text).group(1) for key in ("version", "container_tag")
    }  # type: ignore[union-attr]
    assert stated == {scsiameseclu.__version__, PARAMETERS["container_tag"]["default"]}
    assert f"## {scsiameseclu.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_package_requires_the_packages_of_the_images() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split("[<>=]", line)[0] for line in project["dependencies"]}
    inputs = [
        ROOT / "containers" / family / "requirements.in" for family in ("core", "scsiameseclu")
    ]
    lines = [line for path in inputs for line in path.read_text().splitlines()]
    assert needed == {re.split("[<>=]", line)[0] for line in lines if line and line[0] not in "#-"}


@pytest.mark.parametrize("family", ["core", "scsiameseclu", "report"])
def test_conda_environments_and_locks_pin_the_same_versions(family: str) -> None:
    locks = "".join(path.read_text() for path in (ROOT / "containers" / family).glob("*.lock"))
    pins = dict(re.findall(r"(?m)^([A-Za-z0-9_.-]+)==([^ ;\\]+)", locks))
    assert "http" not in locks
    aliases = {"pytorch": "torch", "python-igraph": "igraph", "matplotlib-base": "matplotlib"}
    for requirement in yaml.safe_load(
        (ROOT / "containers" / family / "environment.yml").read_text()
    )["dependencies"]:
        name, version = requirement.split("=")
        assert name == "python" or pins[aliases.get(name, name)] == version


@pytest.mark.parametrize("module", MODULES, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_every_module_is_one_process_with_its_step(module: Path) -> None:
    text = module.read_text()
    stage, step = module.parts[-3:-1]
    assert re.findall(r"(?m)^process (\w+)", text) == [f"{stage}_{step}".upper()]
    assert "stub:" in text
    assert (module.parent / "meta.yml").exists()
    if (stage, step) != ("report", "multiqc"):
        assert set(re.findall(r"scsiameseclu_step (\w+) (\w+) ", text)) == {(stage, step)}
        assert (
            "\nSTEP = Step(" in (ROOT / "bin" / "scsiameseclu" / stage / f"{step}.py").read_text()
        )


def test_a_task_that_is_about_no_sample_or_group_is_not_left_out_when_killed() -> None:
    """It has no ``meta`` by which the failure could be recorded."""
    (names,) = re.findall(r"withName: '!\(\.\*:\)\?\((.*)\)'", BASE_CONFIG)
    without = {
        "_".join(path.parts[-3:-1]).upper()
        for path in MODULES
        if "val(meta)" not in path.read_text()
    }
    assert set(names.split("|")) == without


STEPS = {
    "reading": "INTAKE_READ_COUNTS",
    "filter": "QUALITY_FILTER",
    "doublets": "QUALITY_DOUBLETS",
    "group": "process_medium",
    "clustering": "CLUSTERING_SCSIAMESECLU",
}
"""A step of the estimate of memory -> the selector of conf/base.config whose memory it is."""
UNITS = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30}


@pytest.mark.parametrize("step", STEPS)
def test_the_estimate_of_memory_has_the_numbers_of_the_configuration(step: str) -> None:
    block = BASE_CONFIG.split(f": {STEPS[step]} {{\n")[1].split("\n    }\n")[0]
    (terms,) = re.findall(r"memory = \{ \((.*)\) \* task\.attempt \}", block)
    found = {}
    for term in terms.split(" + "):
        ((number, unit, what),) = re.findall(r"^(\d+)\.(\w+)(?: \* meta\.(\w+))?$", term)
        found[what or "fixed"] = int(number) * UNITS[unit]
    assert found == RATES[step]


def test_the_exit_status_for_unusable_input_is_the_commands() -> None:
    assert re.findall(r"ext\.unusable +=(.*)", BASE_CONFIG) == [f" {EXIT_INPUT}"]
    assert str(EXIT_INPUT) not in "".join(
        path.read_text() for path in (ROOT / "conf").glob("[!b]*.config")
    )
