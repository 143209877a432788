"""Bad input ends with one clear message, a status that is not 0, and no traceback."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from .conftest import DEMO, Run, run_pipeline

pytestmark = pytest.mark.pipeline


def assert_told(run: Run, *words: str) -> None:
    assert run.status != 0, run.output
    assert "Traceback" not in run.output
    for word in words:
        assert word in run.output, f"{word!r} is missing in:\n{run.output}"


def test_wrong_parameters_are_all_told_at_once(tmp_path: Path) -> None:
    run = run_pipeline(
        tmp_path, "--input", DEMO / "samplesheet.csv", "--n_clusters", "-3", "--max_pct_mt", "250",
        "--organism", "martian", "--n_top_gene", "500", "--seed", "many", "--only_pos", "maybe",
        "--cluster_detail", "1.5",
    )  # fmt: skip
    assert_told(run, "--n_clusters", "'-3'", "--max_pct_mt", "at most 100", "martian", "human, mouse, other")
    assert_told(run, "--cluster_detail is 1.5", "at most 1")
    assert_told(run, "--n_top_gene ", "--n_top_genes", "'many'", "'maybe'")
    assert not list((tmp_path / "work").glob("??/*")), "no task may start"


def test_a_missing_input_is_told(tmp_path: Path) -> None:
    assert_told(run_pipeline(tmp_path), "--input is missing")


def test_every_mistake_of_a_samplesheet_is_told_at_once(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(
        "sample,counts,organism,n_clusters\n"
        "a,nowhere.h5ad,human,auto\n"
        f"b,{DEMO / 'pancreas.h5ad'},martian,-3\n"
        f"b,{DEMO / 'pancreas.h5ad'},human,auto\n"
        f"$(touch evil);`x`,{DEMO / 'pancreas.h5ad'},human,auto\n"
    )
    run = run_pipeline(tmp_path, "--input", sheet)
    assert_told(run, "nowhere.h5ad", "martian", "-3", "line 2", "line 3", "line 4", "line 5", "evil", "remedy")
    assert not list(tmp_path.rglob("evil"))


def test_an_empty_samplesheet_is_told(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("")
    assert_told(run_pipeline(tmp_path, "--input", sheet), "empty", "remedy")


def test_what_is_given_for_the_annotation_is_checked_first_and_all_at_once(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("cell_type,gene,colour\nA,CD3D,red\n")
    run = run_pipeline(
        tmp_path, "--input", DEMO / "samplesheet.csv", "--markers", "mine.csv", "--condition", "treatment",
        "--reference", DEMO / "pancreas.h5ad", "--reference_label", "kind",
    )  # fmt: skip
    assert_told(
        run, "unknown column 'colour'", "mine.csv, line 1", "no column 'treatment'", "'donor'", "no column 'kind'"
    )
    assert "CLUSTERING_SCSIAMESECLU" not in run.output


@pytest.fixture
def bad_batch(tmp_path: Path) -> Path:
    """Write a samplesheet with one good sample and one each of what a sample can have wrong."""
    good = DEMO / "pancreas.h5ad"
    (tmp_path / "truncated.h5").write_bytes((DEMO / "blood_2.h5").read_bytes()[:5000])
    (tmp_path / "hollow").mkdir()
    values = np.random.default_rng(0).poisson(3, (30, 40)).astype(float)
    for name, value in [("negative", -1.0), ("fractional", 0.5)]:
        values[2, 3] = value
        frame = pd.DataFrame(values, index=[f"cell_{i}" for i in range(30)], columns=[f"GENE{i}" for i in range(40)])
        frame.to_csv(tmp_path / f"{name}.csv")
    shutil.copy(good, tmp_path / "a good [file].h5ad")
    with h5py.File(tmp_path / "empty_cells.h5", "w") as file:
        file["X"] = np.zeros((20, 10))
    rows = [
        "good,a good [file].h5ad",
        "truncated,truncated.h5",
        "hollow,hollow",
        "negative,negative.csv",
        "fractional,fractional.csv",
        "nothing,empty_cells.h5",
        "crumbs,a good [file].h5ad,9999",
    ]
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("sample,counts,n_clusters\n" + "".join(f"{row}{',' * (row.count(',') < 2)}\n" for row in rows))
    return sheet


def test_bad_samples_do_not_sink_the_batch(tmp_path: Path, bad_batch: Path) -> None:
    run = run_pipeline(tmp_path, "--input", bad_batch, "--method", "consensus")
    for sample in ["truncated", "hollow", "negative", "fractional", "nothing", "crumbs"]:
        assert_told(run, f"{sample} FAILED")
    assert (run.results / "groups" / "good" / "good.h5ad").exists()
    report = (run.results / "multiqc" / "multiqc_report.html").read_text()
    assert "FAILED" in report
    assert {path.name for path in (run.results / "groups").iterdir()} == {"good"}
    assert {path.name for path in (run.results / "samples").iterdir()} == {"good", "crumbs"}


def test_a_strict_run_stops_at_the_first_bad_sample(tmp_path: Path, bad_batch: Path) -> None:
    assert_told(run_pipeline(tmp_path, "--input", bad_batch, "--strict"), "FAILED", "remedy")
