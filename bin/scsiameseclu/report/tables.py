"""The step that turns the tidy tables of all stages into the report's custom content."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import write_json
from ..steps import Step
from . import annotation, batches, clustering, conditions, expression, marker_dots, overview, provenance, quality
from .inputs import Run, read_run
from .summary import summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .content import Section

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
    max_points: int = MAX_POINTS,
) -> None:
    """Write the report's sections and their order, and what the console shows, into the current directory.

    ``*_mqc.json`` is one file per section, ``section_order.yml`` a configuration of MultiQC, ``summary.txt`` for the
    console.

    Parameters
    ----------
    samples
        Folder with ``<sample>.qc.json`` and ``<sample>.cell_ledger.tsv.gz``.
    groups
        Folder with the tables of the groups.
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
    max_points
        Points of a plot, all groups together; more are thinned evenly. UMAPs that show gradients take a fifth of it,
        plots of genes a third.
    """
    run = read_run(
        samples=samples,
        groups=groups,
        failures=failures,
        samplesheet=samplesheet,
        parameters=parameters,
        versions=versions,
        schema=schema,
    )
    sections = report_sections(run, methods=methods, max_points=max_points)
    for section in sections:
        section.write(Path())
    write_json(section_order(sections), Path("section_order.yml"))  # JSON is YAML
    Path("summary.txt").write_text(summary(run), encoding="utf-8")


def report_sections(run: Run, *, methods: Path, max_points: int = MAX_POINTS) -> list[Section]:
    """Return all sections of the report for which there is something to show, in their order."""
    return [
        *overview.sections(run),
        *quality.sections(run),
        *expression.sections(run, max_points=max_points // 3),
        *batches.sections(run, max_points=max_points),
        *clustering.sections(run, max_points=max_points),
        *marker_dots.sections(run),
        *annotation.sections(run),
        *conditions.sections(run, max_points=max_points),
        *provenance.sections(run, methods=methods),
    ]


def section_order(sections: Sequence[Section]) -> dict[str, Any]:
    """Return MultiQC's settings for chapters and sections in this order; it would sort them by name."""
    return {
        "custom_content": {"order": list(dict.fromkeys(section.chapter.id for section in sections))},
        "report_section_order": {
            section.id: {"order": 10 * place} for place, section in enumerate(sections, start=100)
        },
    }


STEP = Step(write_tables)
