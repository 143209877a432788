"""The report of one group, made again from what a run has published."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

from .published import Known

ASSETS = Path(__file__).parents[3] / "assets"
"""What a checkout has beside the package."""
SCHEMA = ASSETS.parent / "nextflow_schema.json"
VERSIONS, PARAMETERS = "software_versions.yml", "params.json"
REPORT = "multiqc_report.html"


def write_report(known: Known) -> str:
    """Write ``multiqc_report.html`` into the current folder, where the tables of the group are.

    Returns
    -------
    Why there is no report; nothing where there is one.
    """
    if missing := _missing(known):
        return missing
    for name in ("samples", "groups", "sections"):
        Path(name).mkdir()
    for path in (*known.of_samples(".qc.json"), *known.of_samples(".cell_ledger.tsv.gz")):
        Path("samples", path.name).symlink_to(path)
    for path in Path().glob(f"{known.group}.*"):
        Path("groups", path.name).symlink_to(path.absolute())
    account = known.run / "pipeline_info" / "expression" / f"{known.group}.json"
    if account.is_file():
        Path("groups", f"{known.group}.expression.json").symlink_to(account)
    _write_sections(known)
    for name in ("logo.svg", "multiqc.css"):
        shutil.copyfile(ASSETS / name, name)
    command = [sys.executable, "-m", "multiqc", "--quiet", "--force", "sections"]
    command += ["--config", str(ASSETS / "multiqc_config.yml")]
    command += ["--config", "sections/section_order.yml"]
    if title := known.parameters.get("report_title"):
        command += ["--title", str(title)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    failed = done.returncode or not Path(REPORT).exists()
    return f"MultiQC failed: {done.stderr.strip()[-300:]}" if failed else ""


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


def _write_sections(known: Known) -> None:
    from .tables import write_tables

    work, info = Path.cwd(), known.run / "pipeline_info"
    Path("samplesheet.json").write_text(json.dumps(known.settings["samples"]), encoding="utf-8")
    logo = Path(str(known.parameters.get("report_logo") or ""))
    with chdir("sections"):
        write_tables(
            samples=work / "samples",
            groups=work / "groups",
            samplesheet=work / "samplesheet.json",
            parameters=info / PARAMETERS,
            versions=info / VERSIONS,
            methods=ASSETS / "methods_description_template.yml",
            schema=SCHEMA,
            # Where it still is there.
            logo=logo if logo.is_absolute() and logo.is_file() else None,
        )
        for own in Path().glob("custom_logo.*"):
            own.rename(work / own.name)
