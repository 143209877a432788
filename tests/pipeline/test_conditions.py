"""Conditions, covariates and genes that differ between samples, through the whole pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from .conftest import DEMO, run_pipeline

pytestmark = pytest.mark.pipeline


def write_samples(folder: Path) -> Path:
    """Write four thinned copies of a sample, two a condition, and a fifth whose genes are its own; return the sheet."""
    whole = ad.read_h5ad(DEMO / "pancreas.h5ad")
    rows = ["sample,counts,group,tissue,donor,treatment"]
    for number, (name, donor, treatment) in enumerate(
        [("c1", "D1", "none"), ("c2", "D2", "none"), ("t1", "D1", "drug"), ("t2", "D2", "drug"), ("odd", "D3", "drug")]
    ):
        adata = whole.copy()
        kept = np.random.default_rng(number).random(adata.n_obs) < 0.8
        adata = adata[kept].copy()
        if name == "odd":
            adata.var_names = [f"mt{gene}" for gene in range(adata.n_vars)]
            adata.var = adata.var[[]]
        adata.write_h5ad(folder / f"{name}.h5ad")
        rows.append(f"{name},{name}.h5ad,islets,pancreas,{donor},{treatment}")
    (folder / "sheet.csv").write_text("\n".join(rows) + "\n")
    return folder / "sheet.csv"


def test_a_paired_design_and_a_sample_of_other_genes(tmp_path: Path) -> None:
    sheet = write_samples(tmp_path)
    options = ["--method", "consensus", "--condition", "treatment", "--formula", "~ donor + treatment"]
    run = run_pipeline(tmp_path, "--input", sheet, *options)
    assert run.status != 0
    assert "odd FAILED (expression.merge)" in run.output
    assert "4 of 5 ok, 1 failed" in (run.results / "pipeline_info" / "summary.txt").read_text()
    group = run.results / "groups" / "islets"
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
    assert json.loads((run.results / "pipeline_info" / "expression" / "islets.json").read_text())["genes"] == "inner"


def test_a_formula_of_unknown_columns_stops_the_run(tmp_path: Path) -> None:
    options = ["--condition", "donor", "--formula", "~ batch_no + donor"]
    run = run_pipeline(tmp_path, "--input", DEMO / "samplesheet.csv", *options)
    assert run.status != 0
    assert "no column 'batch_no'" in run.output
    assert "CLUSTERING_SCSIAMESECLU" not in run.output


def test_a_formula_reaches_no_shell(tmp_path: Path) -> None:
    formula = "~ $(touch evil); `touch evil` + donor"
    run = run_pipeline(tmp_path, "--input", DEMO / "samplesheet.csv", "--condition", "donor", "--formula", formula)
    assert run.status != 0
    assert "--formula is" in run.output
    assert not list(tmp_path.rglob("evil"))
