"""A batch of which a part is bad: the good finish, the bad are told, and mending one runs only what is needed."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from .conftest import DEMO, Run, run_pipeline

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.pipeline
GOOD = DEMO / "pancreas.h5ad"


def statuses(run: Run) -> dict[str, dict[str, set[str]]]:
    """Return process -> sample or group -> how its tasks ended."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for task in run.tasks():
        process, _, tag = task["name"].partition(" ")
        found[process.split(":")[-1]][tag.strip("()").split(",")[0]].add(task["status"])
    return found


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run six samples: `left` is whole; of `right` one is truncated and one loses its cells to a bound of its own."""
    folder = tmp_path_factory.mktemp("batch")
    for name in ("l1", "l2", "l3", "r1", "empty"):
        shutil.copy(GOOD, folder / f"{name}.h5ad")
    (folder / "broken.h5ad").write_bytes(GOOD.read_bytes()[:20_000])
    rows = ["l1,l1.h5ad,left,,D1", "l2,l2.h5ad,left,60,D1", "l3,l3.h5ad,left,,D2"]
    rows += ["r1,r1.h5ad,right,,D2", "broken,broken.h5ad,right,,D3", "empty,empty.h5ad,right,100000,D3"]
    (folder / "sheet.csv").write_text("\n".join(["sample,counts,group,min_genes,donor", *rows]) + "\n")
    (folder / "small.config").write_text("process.resourceLimits = [cpus: 2, memory: 100.MB]\n")
    return again(folder)


def again(folder: Path, *options: str) -> Run:
    sheet, config = folder / "sheet.csv", folder / "small.config"
    return run_pipeline(folder, "--input", sheet, "--method", "consensus", "-c", config, *options)


def test_four_finish_and_the_report_says_why_two_do_not(first: Run) -> None:
    assert first.status != 0
    assert "Traceback" not in first.output
    assert "broken FAILED" in first.output
    assert "empty FAILED" in first.output
    kept = {path.parent.name for path in first.results.glob("samples/*/*.filtered.h5ad")}
    assert kept == {"l1", "l2", "l3", "r1"}
    assert {path.name for path in (first.results / "groups").iterdir()} == {"left", "right"}
    report = (first.results / "multiqc" / "multiqc_report.html").read_text()
    assert "truncated" in report
    assert "no cell of sample" in report
    assert "4 of 6 ok, 2 failed" in (first.results / "pipeline_info" / "summary.txt").read_text()


def test_the_samplesheet_sets_the_bounds_of_single_samples(first: Run) -> None:
    accounts = {
        path.name.split(".")[0]: json.loads(path.read_text()) for path in first.results.glob("samples/*/*.qc.json")
    }
    assert set(accounts) == {"l1", "l2", "l3", "r1", "empty"}
    bounds = {name: account["thresholds"]["min_genes"] for name, account in accounts.items()}
    assert bounds["l2"] == 60
    assert bounds["empty"] == 100_000
    assert bounds["l1"] == bounds["l3"] != 60
    assert accounts["empty"]["n_kept"] == 0
    assert sum(accounts["empty"]["removed"].values()) == accounts["empty"]["n_barcodes"]
    assert (first.results / "samples/empty/empty.cell_ledger.tsv.gz").exists()


def test_memory_that_no_task_gets_is_told_beforehand(first: Run) -> None:
    assert "Memory: l1: " in first.output
    assert "resourceLimits" in first.output
    assert "Memory expected" in (first.results / "multiqc" / "multiqc_report.html").read_text()


def test_mending_one_runs_only_what_is_needed(first: Run) -> None:
    shutil.copy(GOOD, first.folder / "broken.h5ad")
    mended = again(first.folder, "-resume")
    assert "broken FAILED" not in mended.output
    assert "empty FAILED" in mended.output
    ran = {
        (process, tag) for process, tags in statuses(mended).items() for tag, how in tags.items() if "CACHED" not in how
    }
    of_samples = {(process, tag) for process, tag in ran if process.startswith(("INTAKE_READ", "QUALITY"))}
    steps = ("INTAKE_READ_COUNTS", "QUALITY_FILTER", "QUALITY_DOUBLETS")
    assert of_samples == {(step, "broken") for step in steps}
    assert {tag for process, tag in ran if process.startswith(("EXPRESSION", "CLUSTERING", "ANNOTATION"))} == {"right"}
    assert "5 of 6 ok, 1 failed" in (first.results / "pipeline_info" / "summary.txt").read_text()
