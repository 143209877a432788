"""The records that stages hand to each other: what is written, simulated and read in Groovy has their fields."""

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
GROOVY: dict[str, tuple[Any, ...]] = {
    "failure": (contracts.FailureRecord,),
    "problem": (contracts.ProblemRecord,),
    "mistake": (contracts.MistakeRecord,),
    "estimate": (contracts.MemoryEstimate,),
    "row": (contracts.SampleSettings, contracts.SampleMemory, contracts.GroupMemory),
    "sums": (contracts.QualitySummary,),
    "meta": (contracts.Size,),
}
"""Variables of the workflow files that hold a record, wherever they are."""
NO_RECORDS = {"meta": {"id", "group", "n_bytes"}}
"""What such a variable has beside the record."""
PARSED = {"record", "settings", "account", "size", "schema"}
"""Files that the workflow reads as JSON, by their variables; the last is no record."""


def groovy() -> str:
    paths = [path for part in ("subworkflows", "workflows", "conf") for path in (ROOT / part).rglob("*")]
    return "\n".join(path.read_text() for path in paths if path.suffix in (".nf", ".config"))


@pytest.mark.parametrize("plan", [Plan(), Plan(n_groups=1, labelled=False, corrected=False, n_clusters=1)])
def test_the_simulated_inputs_of_the_report_are_such_records(tmp_path: Path, plan: Plan) -> None:
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


@pytest.mark.parametrize("variable", GROOVY)
def test_the_workflow_reads_what_the_records_have(variable: str) -> None:
    fields = set().union(*(record.__annotations__ for record in GROOVY[variable])) | NO_RECORDS.get(variable, set())
    methods = r"(?![\w(]|subMap)"
    read = set(re.findall(rf"\b{variable}\.(\w+)\b{methods}", groovy()))
    assert read, "the variable has another name now"
    assert read <= fields


def test_all_that_the_workflow_reads_as_json_is_known() -> None:
    assert set(re.findall(r"JsonSlurper\(\)\.parse\((\w+)\)", groovy())) == PARSED


def test_the_workflow_writes_the_record_of_a_killed_task() -> None:
    (problem,) = re.findall(r"(?s)def problem = \[\n(.*?)\n    \]", groovy())
    assert set(re.findall(r"(?m)^ +(\w+): ", problem)) == set(contracts.ProblemRecord.__annotations__)
    (record,) = re.findall(r"\[(id: id, step: .*, problems: \[problem\])\]", groovy())
    assert set(re.findall(r"(\w+): ", record)) == set(contracts.FailureRecord.__annotations__)
