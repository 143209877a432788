"""The step that turns the tidy tables of all stages into the report's custom content."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from html import escape
from pathlib import Path, PurePosixPath
from typing import Any

from ..files import unwrapped, write_json
from ..steps import Step
from . import annotation, clustering, conditions, expression, overview, provenance, quality
from . import samples as of_samples
from .content import Section
from .inputs import Run, read_run

_MODULES = overview, quality, expression, of_samples, clustering, annotation, conditions, provenance
CHAPTERS = {module.__name__.rpartition(".")[2]: module for module in _MODULES}
"""The chapters in their order; each makes its sections in their order."""
MAX_POINTS = 12_000


def write_tables(
    *,
    samples: Path,
    groups: Path,
    samplesheet: Path,
    parameters: Path,
    versions: Path,
    methods: Path,
    failures: Path | None = None,
    schema: Path | None = None,
    logo: Path | None = None,
    max_points: int = MAX_POINTS,
) -> None:
    """Write the report's sections, their order, and the console's summary to the working folder.

    ``*_mqc.json`` is one file per section, ``section_order.yml`` configures MultiQC,
    ``summary.txt`` is for people.

    Parameters
    ----------
    samples
        Folder with ``<sample>.qc.json``, ``<sample>.cell_ledger.tsv.gz`` and ``memory.json``.
    groups
        Folder with the tables of the groups, ``<group>.*``.
    samplesheet
        Settings of all samples, JSON.
    parameters
        Parameters of the run, JSON.
    versions
        Software versions by process, YAML.
    methods
        Template of the methods section, YAML.
    failures
        Folder with ``*.failure.json``. Default: nothing failed.
    schema
        JSON schema of the parameters; with it, those that differ from their defaults come first.
    logo
        Picture of the user, which becomes ``custom_logo.*``; its kind is that of `parameters`.
    max_points
        Points of a plot, all groups together; more are thinned evenly. UMAPs that show gradients
        take a fifth of it, plots of genes a third.
    """
    run = read_run(
        samples, groups, failures, schema, max_points,
        samplesheet=samplesheet, parameters=parameters, versions=versions, methods=methods,
    )  # fmt: skip
    sections = report_sections(run)
    for chapter, section in sections:
        section.write(Path(), chapter)
    settings = section_order(sections) | head_of_report(run.parameters)
    if logo:
        shutil.copyfile(unwrapped(logo), settings["custom_logo"])
    write_json(settings, Path("section_order.yml"))  # JSON is YAML
    Path("summary.txt").write_text(overview.summary(run), encoding="utf-8")


def report_sections(run: Run) -> list[tuple[str, Section]]:
    """Return all sections of the report for which there is something to show, in their order."""
    return [
        (name, section) for name, chapter in CHAPTERS.items() for section in chapter.sections(run)
    ]


def section_order(sections: list[tuple[str, Section]]) -> dict[str, Any]:
    """Return MultiQC's settings for this order, as it would sort chapters by name."""
    places = {of.id: {"order": 10 * place} for place, (_, of) in enumerate(sections, start=100)}
    chapters = list(dict.fromkeys(chapter for chapter, _ in sections))
    return {"custom_content": {"order": chapters}, "report_section_order": places}


def head_of_report(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return MultiQC's settings for the logo, project and contact that the user gave, as HTML."""
    given = {name: parameters.get(f"report_{name.lower()}") for name in ("Project", "Contact")}
    info = [{name: escape(str(text))} for name, text in given.items() if text]
    settings: dict[str, Any] = {"report_header_info": info}
    if logo := parameters.get("report_logo"):
        settings["custom_logo"] = f"custom_logo{PurePosixPath(logo).suffix.lower()}"
    return settings


STEP = Step(write_tables)
