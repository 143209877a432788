"""A partly bad batch: good samples finish, bad ones are reported, corrections rerun little.

Starting the pipeline is dear, so that one run answers for bad samples, for the samplesheet's
bounds, for conditions and for genes that differ between samples.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest

from .conftest import DEMO, ROOT, UNTRACED, Run, run_pipeline

pytestmark = pytest.mark.pipeline
GOOD = DEMO / "pancreas.h5ad"
HEADER = "sample,counts,group,min_genes,n_clusters,donor,treatment\n"
LEFT = [
    ("c1", "", "D1", "none"),
    ("c2", "60", "D2", "none"),
    ("t1", "", "D1", "drug"),
    ("t2", "", "D2", "drug"),
]
ROWS = [
    *(
        f"{sample},{sample}.h5ad,left,{min_genes},,{donor},{given}"
        for sample, min_genes, donor, given in LEFT
    ),
    "odd,odd.h5ad,left,,,D3,drug",
    "r1,a good [file].h5ad,right,,,,",
    "broken,broken.h5ad,right,,,,",
    "empty,empty.h5ad,right,100000,,,",
    "truncated,truncated.h5,,,,,",
    "hollow,hollow,,,,,",
    "negative,negative.csv,,,,,",
    "fractional,fractional.csv,,,,,",
    "nothing,nothing.h5,,,,,",
    "crumbs,a good [file].h5ad,,,9999,,",
]
BAD = [
    "odd",
    "broken",
    "empty",
    "truncated",
    "hollow",
    "negative",
    "fractional",
    "nothing",
    "crumbs",
]


def write_good(folder: Path) -> None:
    """Write four thinned copies of a sample, two per condition, and a fifth of other genes.

    Of three cell types, since each is compared between the conditions, which takes time.
    """
    for name in ("a good [file]", "empty", "later"):
        shutil.copy(GOOD, folder / f"{name}.h5ad")
    labels = pd.read_csv(DEMO / "pancreas.labels.csv", index_col="barcode")["label"]
    whole = ad.read_h5ad(GOOD)[labels.index[labels.isin(["alpha", "beta", "acinar"])]]
    for number, name in enumerate([*(row[0] for row in LEFT), "odd"]):
        adata = whole[np.random.default_rng(number).random(whole.n_obs) < 0.8].copy()
        if name == "odd":
            adata.var_names = [f"mt{gene}" for gene in range(adata.n_vars)]
            adata.var = adata.var[[]]
        adata.write_h5ad(folder / f"{name}.h5ad")


def write_bad(folder: Path) -> None:
    """Write one sample with each kind of problem."""
    (folder / "broken.h5ad").write_bytes(GOOD.read_bytes()[:20_000])
    (folder / "truncated.h5").write_bytes((DEMO / "blood_2.h5").read_bytes()[:5000])
    (folder / "hollow").mkdir()
    values = np.random.default_rng(0).poisson(3, (30, 40)).astype(float)
    for name, value in [("negative", -1.0), ("fractional", 0.5)]:
        values[2, 3] = value
        frame = pd.DataFrame(
            values, index=[f"cell_{i}" for i in range(30)], columns=[f"GENE{i}" for i in range(40)]
        )
        frame.to_csv(folder / f"{name}.csv")
    with h5py.File(folder / "nothing.h5", "w") as file:
        file["X"] = np.zeros((20, 10))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the batch: `left` has an odd sample, of `right` one is broken and one loses its cells.

    `left` has conditions, too.
    """
    folder = tmp_path_factory.mktemp("batch")
    write_good(folder)
    write_bad(folder)
    (folder / "sheet.csv").write_text(HEADER + "\n".join(ROWS) + "\n")
    (folder / "small.config").write_text("process.resourceLimits = [cpus: 2, memory: 100.MB]\n")
    return again(folder, *UNTRACED)


def again(folder: Path, *options: object, name: str = "results") -> Run:
    given = [
        "--input",
        folder / "sheet.csv",
        "--markers",
        ROOT / "assets" / "markers" / "pancreas.tsv",
    ]
    design = ["--condition", "treatment", "--formula", "~ donor + treatment"]
    return run_pipeline(
        folder,
        *given,
        *design,
        "--method",
        "consensus",
        "-c",
        folder / "small.config",
        *options,
        name=name,
    )


def test_good_samples_finish_and_the_report_explains_the_failures(first: Run) -> None:
    assert first.status != 0
    assert "Traceback" not in first.output
    for sample in BAD:
        assert f"{sample} FAILED" in first.output
    assert "odd FAILED (expression.merge)" in first.output
    kept = {path.parent.name for path in first.results.glob("samples/*/*.filtered.h5ad")}
    assert kept == {"c1", "c2", "t1", "t2", "odd", "r1", "crumbs"}
    assert {path.name for path in (first.results / "samples").iterdir()} == {*kept, "empty"}
    assert {path.name for path in (first.results / "groups").iterdir()} == {"left", "right"}
    assert (first.results / "groups" / "left" / "left.h5ad").exists()
    report = (first.results / "multiqc" / "multiqc_report.html").read_text()
    for words in ["FAILED", "truncated", "no cell of sample"]:
        assert words in report
    assert "5 of 14 ok, 9 failed" in (first.results / "pipeline_info" / "summary.txt").read_text()


def test_the_samplesheet_sets_the_bounds_of_single_samples(first: Run) -> None:
    accounts = {
        path.name.split(".")[0]: json.loads(path.read_text())
        for path in first.results.glob("samples/*/*.qc.json")
    }
    assert set(accounts) == {"c1", "c2", "t1", "t2", "odd", "r1", "empty", "crumbs"}
    bounds = {name: account["thresholds"]["min_genes"] for name, account in accounts.items()}
    assert bounds["c2"] == 60
    assert bounds["empty"] == 100_000
    assert bounds["c1"] == bounds["t1"] != 60
    assert accounts["empty"]["n_kept"] == 0
    assert sum(accounts["empty"]["removed"].values()) == accounts["empty"]["n_barcodes"]
    assert (first.results / "samples/empty/empty.cell_ledger.tsv.gz").exists()


def test_memory_that_no_task_gets_is_reported_beforehand(first: Run) -> None:
    assert "Memory: c1: " in first.output
    assert "resourceLimits" in first.output
    assert "Memory expected" in (first.results / "multiqc" / "multiqc_report.html").read_text()


def test_a_paired_design_and_a_sample_of_other_genes(first: Run) -> None:
    group = first.results / "groups" / "left"
    shares = pd.read_csv(group / "composition_test.tsv", sep="\t")
    assert set(shares["contrast"]) == {"none vs drug"}
    assert shares["p_val"].notna().all()
    genes = pd.read_csv(group / "differential_expression.tsv", sep="\t")
    assert set(genes["contrast"]) == {"none vs drug"}
    account = json.loads((group / "differential_expression.json").read_text())
    assert account["formula"] == "~ donor + treatment"
    bulk = ad.read_h5ad(group / "pseudobulk.h5ad")
    assert set(bulk.obs["sample"]) == {"c1", "c2", "t1", "t2"}
    assert set(bulk.obs["treatment"]) == {"none", "drug"}
    genes_of = json.loads(
        (first.results / "pipeline_info" / "expression" / "left.json").read_text()
    )
    assert genes_of["genes"] == "inner"


def test_a_corrected_or_added_sample_runs_only_necessary_tasks(first: Run) -> None:
    """Other samples and the other group's steps are cached.

    Only its figures run again, as they show all groups' cell types.
    """
    shutil.copy(GOOD, first.folder / "broken.h5ad")
    later = "later,later.h5ad,right,,,,"
    (first.folder / "sheet.csv").write_text(HEADER + "\n".join([later, *ROWS]) + "\n")
    mended = again(first.folder, "-resume", name="mended")
    assert "broken FAILED" not in mended.output
    assert "empty FAILED" in mended.output
    ran = set()
    for task in mended.tasks():
        process, _, tag = task["name"].split(":")[-1].partition(" ")
        if task["status"] != "CACHED":
            ran.add((process, tag.strip("()").split(",")[0]))
    of_samples = {
        (process, tag) for process, tag in ran if process.startswith(("INTAKE_READ", "QUALITY"))
    }
    steps = ("INTAKE_READ_COUNTS", "QUALITY_FILTER", "QUALITY_DOUBLETS")
    assert of_samples == {(step, sample) for step in steps for sample in ("broken", "later")}
    stages = ("EXPRESSION", "CLUSTERING", "ANNOTATION", "EVALUATION")
    of_groups = {(process, tag) for process, tag in ran if process.startswith(stages)} - {
        ("ANNOTATION_CHECK", "annotation")
    }
    assert {tag for _, tag in of_groups} == {"right"}, of_groups
    assert "7 of 15 ok, 8 failed" in (mended.results / "pipeline_info" / "summary.txt").read_text()
