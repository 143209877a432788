"""A folder as --input: a samplesheet of what lies below it, and the command that comes next."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .conftest import DEMO, run_pipeline


@pytest.mark.pipeline
def test_a_samplesheet_of_a_folder_is_written(tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s a "run", `touch evil` [2] $(touch evil)'
    shutil.copytree(DEMO / "blood_1", folder / "patient_1/outs/filtered_feature_bc_matrix")
    run = run_pipeline(tmp_path, "--input", folder)
    assert run.status == 0, run.output
    sheet = run.results / "samplesheet.csv"
    path = f"{folder}/patient_1/outs/filtered_feature_bc_matrix".replace('"', '""')
    assert sheet.read_text() == f'sample,counts,group,organism,tissue\npatient_1,"{path}",,human,\n'
    assert "patient_1: Matrix Market folder, 424 barcodes x 1,500 genes, human" in run.output
    assert f"--input {sheet} --outdir {run.results}" in run.output
    assert not (run.results / "samples").exists()
    assert not list(tmp_path.rglob("evil"))
