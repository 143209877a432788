"""Check the samplesheet and pass on the settings of each sample."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import read_json, unwrapped
from ..steps import Step
from .samplesheet import Mistake, check_sheet
from .sheet_schema import row_schema


def check_samplesheet(*, samplesheet: Path, schema: Path, parameters: Path) -> None:
    """Write samples.json, the settings of each sample in the order of the sheet, and mistakes.json.

    Each mistake has its ``line``, its ``problem`` and a ``path``: it is one only if nothing of that
    name exists, which only the machine that starts the tasks can check, or, if that is null, in
    any case.

    JSON comes on stdin: ``name``, the sheet's own, and ``defaults``: n_clusters, organism, tissue
    and expected_doublet_rate for rows that leave them empty.

    Parameters
    ----------
    samplesheet
        CSV or TSV, one row per sample.
    schema
        JSON schema of the sheet's own columns (assets/schema_input.json).
    parameters
        JSON schema of the parameters (nextflow_schema.json), some of which are columns as well.
    """
    given = json.load(sys.stdin)
    rules = row_schema(read_json(schema), read_json(parameters))
    try:
        samples, mistakes = check_sheet(
            unwrapped(samplesheet), schema=rules, defaults=given["defaults"], name=given["name"]
        )
    except InputError as error:
        samples, mistakes = [], [Mistake(0, problem) for problem in error.problems]
    _write([found.record() for found in mistakes], "mistakes.json")
    _write(samples, "samples.json")


def _write(rows: Sequence[Mapping[str, Any]], name: str) -> None:
    text = json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False)
    Path(name).write_text(text + "\n", encoding="utf-8")


STEP = Step(check_samplesheet)
