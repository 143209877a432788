"""Check the samplesheet and hand on what it says of each sample."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .samplesheet import read_samplesheet


def check_samplesheet(*, samplesheet: Path, schema: Path, defaults: Path, paths: Path | None = None) -> None:
    """Write samples.json, a list of the settings of each sample in the order of the sheet.

    Parameters
    ----------
    samplesheet
        CSV or TSV, one row a sample.
    schema
        JSON schema of the rows (assets/schema_input.json).
    defaults
        JSON object with n_clusters, organism, tissue and expected_doublet_rate for rows that leave them empty.
    paths
        JSON object that tells for each value of the columns counts and labels, as written, whether it exists.
    """
    samples = read_samplesheet(
        samplesheet, schema=_read(schema), defaults=_read(defaults), paths=_read(paths) if paths else {}
    )
    text = json.dumps(samples, indent=2, ensure_ascii=False, allow_nan=False)
    Path("samples.json").write_text(text + "\n", encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))
