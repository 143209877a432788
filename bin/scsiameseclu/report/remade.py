"""The report of one group, made again from what a run has published."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from typing import Any

from .published import Known

ASSETS = Path(__file__).parents[3] / "assets"
"""What a checkout has beside the package."""
SCHEMA = ASSETS.parent / "nextflow_schema.json"
VERSIONS, PARAMETERS = "software_versions.yml", "params.json"


def write_report(known: Known) -> list[str]:
    """Write ``multiqc_report.html`` into the current folder, where the tables of the group are.

    Returns
    -------
    Why there is no report, if there is none.
    """
    if missing := _missing(known):
        return [f"There is no report: {missing}"]
    for name in ("samples", "groups", "sections"):
        Path(name).mkdir()
    for path in (*known.of_samples(".qc.json"), *known.of_samples(".cell_ledger.tsv.gz")):
        Path("samples", path.name).symlink_to(path)
    for path in Path().glob(f"{known.group}.*"):
        Path("groups", path.name).symlink_to(path.absolute())
    _link_account(known)
    _write_sections(known)
    for name in ("logo.svg", "multiqc.css"):
        shutil.copyfile(ASSETS / name, name)
    configs = [str(ASSETS / "multiqc_config.yml"), "sections/section_order.yml"]
    command = [sys.executable, "-m", "multiqc", "--quiet", "--force", "sections"]
    for config in configs:
        command += ["--config", config]
    if title := known.parameters.get("report_title"):
        command += ["--title", str(title)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not Path("multiqc_report.html").exists():
        return [f"There is no report: MultiQC failed: {done.stderr.strip()[-300:]}"]
    return []


def _missing(known: Known) -> str:
    """Return what a report needs and is not there, in words; nothing where all is."""
    if not ASSETS.is_dir():
        return "the command was not started from a checkout of the pipeline"
    if importlib.util.find_spec("multiqc") is None:
        return "MultiQC is not installed"
    info = known.run / "pipeline_info"
    if not all((info / name).is_file() for name in (VERSIONS, PARAMETERS)):
        return f"{info} does not hold {PARAMETERS} and {VERSIONS}"
    if len(known.of_samples(".qc.json")) < len(known.settings["samples"]):
        return f"{known.run / 'samples'} does not hold every sample of the group"
    return ""


def _link_account(known: Known) -> None:
    """Give the account of the group's genes its place among the tables."""
    account = known.run / "pipeline_info" / "expression" / f"{known.group}.json"
    if account.is_file():
        Path("groups", f"{known.group}.expression.json").symlink_to(account)


def _write_sections(known: Known) -> None:
    from .tables import write_tables

    info = known.run / "pipeline_info"
    Path("samplesheet.json").write_text(json.dumps(known.settings["samples"]), encoding="utf-8")
    given = {
        "samples": Path("samples"),
        "groups": Path("groups"),
        "samplesheet": Path("samplesheet.json"),
    }
    files: dict[str, Any] = {name: path.absolute() for name, path in given.items()}
    with chdir("sections"):
        write_tables(
            **files,
            parameters=info / PARAMETERS,
            versions=info / VERSIONS,
            methods=ASSETS / "methods_description_template.yml",
            schema=SCHEMA,
            logo=_logo(known),
        )
        for logo in Path().glob("custom_logo.*"):
            logo.rename(Path("..", logo.name))


def _logo(known: Known) -> Path | None:
    """Return the logo that the run was given, where it still is there."""
    logo = Path(str(known.parameters.get("report_logo") or ""))
    return logo if logo.is_absolute() and logo.is_file() else None
