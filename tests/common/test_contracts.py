"""Records between stages: written, simulated and read (in Groovy) with the same fields."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from scsiameseclu import contracts
from scsiameseclu.files import read_json
from typeguard import TypeCheckError, check_type

from tests.pipeline.conftest import ROOT
from tests.report.simulate import Plan, simulate

RECORDS = {
    "*.qc.json": contracts.QualitySummary,
    "memory.json": contracts.MemoryEstimate,
    "*.failure.json": contracts.FailureRecord,
    "*.clustering.json": contracts.ClusteringSummary,
    "*.metrics.json": contracts.Metrics,
    "*.mixing.json": contracts.MixingSummary,
    "*.expression.json": contracts.ExpressionSummary,
    "*.differential_expression.json": contracts.DifferentialSummary,
}
"""Files of the report's inputs, and what each holds."""
READ = [
    ("utils/failures.nf", "failure", [contracts.FailureRecord]),
    ("utils/failures.nf", "problem", [contracts.ProblemRecord]),
    ("intake/samplesheet.nf", "mistake", [contracts.MistakeRecord]),
    ("intake/samplesheet.nf", "absent", [contracts.ProblemRecord]),
    ("intake/main.nf", "estimate", [contracts.MemoryEstimate]),
    (
        "intake/main.nf",
        "row",
        [contracts.SampleSettings, contracts.SampleMemory, contracts.GroupMemory],
    ),
    ("quality/main.nf", "sums", [contracts.QualitySummary]),
    ("utils/sizes.nf", "meta", [contracts.Size]),
    ("clustering/main.nf", "meta", [contracts.Size]),
    ("../../conf/base.config", "meta", [contracts.Size]),
]
"""Files of the workflow, the variables in them that hold a record, and which."""
NO_RECORD = {"id", "group", "n_bytes"}
"""Fields of ``meta`` other than the sizes."""
PARSED = {"record", "settings", "account", "size", "schema"}
"""Files that the workflow reads as JSON, by their variables; the last is not a record."""
SUBWORKFLOWS = ROOT / "subworkflows" / "local"


@pytest.mark.parametrize(
    "plan", [Plan(), Plan(n_groups=1, labelled=False, corrected=False, n_clusters=1)]
)
def test_the_simulated_inputs_of_the_report_match_the_records(tmp_path: Path, plan: Plan) -> None:
    simulate(tmp_path, plan)
    found = {path: record for name, record in RECORDS.items() for path in tmp_path.rglob(name)}
    assert set(tmp_path.glob("*/*.json")) == set(found)
    for path, record in found.items():
        check_type(read_json(path), record)


def test_a_field_too_many_or_too_few_is_seen() -> None:
    size = {"n_cells": 1, "n_genes": 2, "n_values": 3}
    check_type(size, contracts.Size)
    for other in (size | {"n_umis": 4}, {"n_cells": 1}, size | {"n_genes": "2"}):
        with pytest.raises(TypeCheckError):
            check_type(other, contracts.Size)


@pytest.mark.parametrize(("file", "variable", "records"), READ)
def test_the_workflow_reads_only_fields_of_the_records(
    file: str, variable: str, records: list[Any]
) -> None:
    fields = set().union(*(record.__annotations__ for record in records))
    read = set(
        re.findall(rf"(?<![.\w]){variable}\.(\w+)\b(?!\()", (SUBWORKFLOWS / file).read_text())
    )
    assert read, "the variable has another name now"
    assert read <= fields | (NO_RECORD if variable == "meta" else set())


def test_all_json_files_read_by_the_workflow_are_known() -> None:
    texts = [path.read_text() for path in ROOT.glob("*flows/**/*.nf")]
    assert {
        name for text in texts for name in re.findall(r"JsonSlurper\(\)\.parse\((\w+)\)", text)
    } == PARSED


def test_the_workflow_writes_the_record_of_a_killed_task() -> None:
    text = (SUBWORKFLOWS / "utils" / "failures.nf").read_text()
    (problem,) = re.findall(r"(?s)def problem = \[\n(.*?)\n    \]", text)
    assert set(re.findall(r"(?m)^ +(\w+): ", problem)) == set(
        contracts.ProblemRecord.__annotations__
    )
    (record,) = re.findall(r"(?s)\[(id: id, step: [^\]]*\[problem\])\]", text)
    assert set(re.findall(r"(\w+): ", record)) == set(contracts.FailureRecord.__annotations__)
