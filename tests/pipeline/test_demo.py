"""The demonstration run keeps every promise of docs/output.md, by reading the files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from hashlib import sha256
from html import unescape
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import issparse
from scsiameseclu import contracts
from scsiameseclu.files import read_json
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from typeguard import check_type

from .conftest import DEMO, Run

pytestmark = pytest.mark.pipeline
SAMPLES = {"blood_1": "blood", "blood_2": "blood", "pancreas": "pancreas"}
GROUPS = ["blood", "pancreas"]


def table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", keep_default_na=False, na_values=[""])


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_barcode_is_accounted_for(demo: Run, sample: str) -> None:
    folder = demo.results / "samples" / sample
    ledger = table(folder / f"{sample}.cell_ledger.tsv.gz")
    account = json.loads((folder / f"{sample}.qc.json").read_text())
    truth = pd.read_csv(DEMO / f"{sample}.truth.csv")
    cells = ad.read_h5ad(folder / f"{sample}.filtered.h5ad")
    assert sorted(ledger["barcode"]) == sorted(truth["barcode"])
    assert account["n_barcodes"] == len(ledger)
    assert account["n_kept"] == ledger["kept"].sum() == cells.n_obs
    assert account["n_kept"] + sum(account["removed"].values()) == len(ledger)
    assert ledger.loc[~ledger["kept"], ["step", "rule"]].notna().all(axis=None)
    assert list(cells.obs_names) == list(ledger.loc[ledger["kept"], "barcode"])


@pytest.mark.parametrize("group", GROUPS)
def test_the_annotated_data_are_complete(demo: Run, group: str) -> None:
    folder = demo.results / "groups" / group
    adata = ad.read_h5ad(folder / f"{group}.h5ad")
    clusters = table(folder / "clusters.tsv").set_index("barcode")
    columns = {
        "sample",
        "n_genes_by_counts",
        "total_counts",
        "pct_counts_mt",
        "doublet_score",
        "cell_type",
    }
    assert columns | {"cluster", "cluster_coarse", "cluster_fine", "cluster_confidence"} <= set(
        adata.obs.columns
    )
    assert set(adata.obs.columns) - contracts.OBS_COLUMNS == {"sample", "donor", "batch"}, (
        "each name of ours is refused as another's"
    )
    assert {"X_pca", "X_scsiameseclu", "X_umap"} <= set(adata.obsm)
    assert {"gene_ids", "highly_variable"} <= set(adata.var.columns)
    assert {"seed"} <= set(adata.uns["scsiameseclu"]["parameters"]) | set(adata.uns["scsiameseclu"])
    promised = ["sample", "cluster", "confidence", "cell_type", "cluster_coarse", "cluster_fine"]
    decision = json.loads((folder / "clustering.json").read_text())["batch_correction"]
    corrected = decision is not None and decision["corrected"]
    assert corrected == (group == "blood"), "two samples that differ, and one"
    assert list(clusters.columns) == promised + ["cluster_uncorrected"] * corrected
    assert ("X_pca_corrected" in adata.obsm) == ("X_umap_uncorrected" in adata.obsm) == corrected
    assert (folder / "mixing.json").exists() == (group == "blood")
    assert list(clusters.index) == list(adata.obs_names)
    assert (clusters["cluster"].astype(str) == adata.obs["cluster"].astype(str)).all()
    assert issparse(adata.layers["counts"])
    counts = adata.layers["counts"].toarray()
    assert (counts == counts.astype(int)).all()


@pytest.mark.parametrize("sample", SAMPLES)
def test_counts_are_those_that_came_in(demo: Run, sample: str) -> None:
    source = {
        "blood_1": lambda: _read_10x_folder(DEMO / "blood_1"),
        "blood_2": lambda: _read_10x_h5(DEMO / "blood_2.h5"),
        "pancreas": lambda: ad.read_h5ad(DEMO / "pancreas.h5ad").to_df(),
    }[sample]()
    group = ad.read_h5ad(demo.results / "groups" / SAMPLES[sample] / f"{SAMPLES[sample]}.h5ad")
    ours = group[group.obs["sample"] == sample]
    theirs = source.loc[
        [name.removeprefix(f"{sample}_") for name in ours.obs_names], list(ours.var_names)
    ]
    np.testing.assert_array_equal(ours.layers["counts"].toarray(), theirs.to_numpy())


def _read_10x_folder(folder: Path) -> pd.DataFrame:
    import scanpy as sc

    return sc.read_10x_mtx(folder).to_df()


def _read_10x_h5(path: Path) -> pd.DataFrame:
    import scanpy as sc

    return sc.read_10x_h5(path).to_df()


@pytest.mark.parametrize("group", GROUPS)
def test_scores_are_those_of_scikit_learn(demo: Run, group: str) -> None:
    folder = demo.results / "groups" / group
    metrics = json.loads((folder / "metrics.json").read_text())
    clusters = table(folder / "clusters.tsv").set_index("barcode")
    labels = pd.concat(
        pd.read_csv(DEMO / f"{sample}.labels.csv").assign(
            barcode=lambda t, s=sample: s + "_" + t["barcode"]
        )
        for sample, its_group in SAMPLES.items()
        if its_group == group
    ).set_index("barcode")["label"]
    truth = labels.reindex(clusters.index)
    assert truth.notna().all()
    assert metrics["n_cells"] == len(clusters)
    assert metrics["n_clusters"] == clusters["cluster"].nunique()
    assert metrics["ari"] == pytest.approx(
        adjusted_rand_score(truth, clusters["cluster"]), abs=1e-9
    )
    assert metrics["nmi"] == pytest.approx(
        normalized_mutual_info_score(truth, clusters["cluster"]), abs=1e-9
    )
    assert {
        "silhouette",
        "stability_ari",
        "device",
        "seconds",
        "peak_memory_mb",
        "acc",
        "comparison",
    } <= set(metrics)
    assert metrics["ari"] > 0.8, "planted types of the bundled data are well apart"


def test_published_records_have_their_fields(demo: Run) -> None:
    published = {
        "samples/*/*.qc.json": contracts.QualitySummary,
        "groups/*/clustering.json": contracts.ClusteringSummary,
        "groups/*/metrics.json": contracts.Metrics,
        "groups/*/mixing.json": contracts.MixingSummary,
        "pipeline_info/expression/*.json": contracts.ExpressionSummary,
    }
    for pattern, record in published.items():
        paths = list(demo.results.glob(pattern))
        assert paths, pattern
        for path in paths:
            check_type(read_json(path), record)


@pytest.mark.parametrize("group", GROUPS)
def test_tables_have_their_columns(demo: Run, group: str) -> None:
    folder = demo.results / "groups" / group
    markers = table(folder / "markers.tsv")
    assert list(markers.columns) == [
        "cluster",
        "gene",
        "avg_log2FC",
        "pct.1",
        "pct.2",
        "p_val",
        "p_val_adj",
    ]
    annotation = table(folder / "annotation.tsv")
    columns = ["cluster", "n_cells", "cell_type", "score", "margin", "runner_up", "evidence"]
    assert list(annotation.columns)[:7] == columns
    assert annotation["n_cells"].sum() == len(table(folder / "clusters.tsv"))
    assert len(table(folder / "training_history.tsv")) > 10
    assert (folder / "model.safetensors").stat().st_size > 1000
    figures = {path.name for path in (folder / "figures").iterdir()}
    assert {
        "umap_cell_type.png",
        "umap_cell_type.svg",
        "marker_dotplot.svg",
        "variable_genes.png",
    } <= figures


def test_the_report_and_its_account_are_there(demo: Run) -> None:
    info = demo.results / "pipeline_info"
    assert (demo.results / "multiqc" / "multiqc_report.html").stat().st_size > 100_000
    accounts = ["execution_report_*", "timeline_*", "trace_*", "dag_*"]
    for pattern in [*accounts, "params.json", "software_versions.yml", "summary.txt"]:
        assert list(info.glob(pattern)), pattern
    ledger = table(demo.results / "samples" / "pancreas" / "pancreas.cell_ledger.tsv.gz")
    assert (
        f"pancreas: {ledger['kept'].sum()} of {len(ledger)} barcodes are kept as cells"
        in demo.output
    )
    summary = (info / "summary.txt").read_text().strip()
    assert len(summary.splitlines()) == 4
    assert f"{summary}\nReport:   {demo.results}/multiqc/multiqc_report.html\n" in demo.output


def test_every_file_that_the_report_names_is_in_the_results(demo: Run) -> None:
    report = (demo.results / "multiqc" / "multiqc_report.html").read_text()
    named = set(
        re.findall(r"<code>((?:samples|groups|pipeline_info)/[^<]*)</code>", unescape(report))
    )
    assert len(named) >= 8
    assert {name for name in named if not list(demo.results.glob(name))} == set()


def test_results_hold_only_documented_files(demo: Run) -> None:
    assert {path.name for path in demo.results.iterdir()} == {
        "README.html",
        "checksums.sha256",
        "groups",
        "multiqc",
        "pipeline_info",
        "samples",
    }
    for group in GROUPS:
        names = {path.name for path in (demo.results / "groups" / group).iterdir()}
        assert names == {
            f"{group}.h5ad", "clusters.tsv", "composition.tsv", "markers.tsv", "annotation.tsv",
            "metrics.json", "contingency.tsv", "clustering.json", "training_history.tsv",
            "model.safetensors", "figures",
            *({"mixing.json", "sample_distances.tsv"} if group == "blood" else ()),
        }  # fmt: skip


def test_every_published_file_is_described_and_has_its_checksum(demo: Run) -> None:
    lines = (demo.results / "checksums.sha256").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    published = {
        str(path.relative_to(demo.results))
        for place in ("groups", "multiqc", "samples")
        for path in (demo.results / place).rglob("*")
        if path.is_file()
    }
    assert {name for name in sums if not name.startswith("pipeline_info/")} == published
    for name, digest in sums.items():
        assert sha256((demo.results / name).read_bytes()).hexdigest() == digest, name
    page = (demo.results / "README.html").read_text()
    assert set(re.findall(r'href="([^"]+)"', page)) == set(sums)


def test_a_resumed_run_computes_nothing(demo: Run) -> None:
    from .conftest import run_pipeline

    again = run_pipeline(demo.folder, "-resume", profile="test,venv")
    assert again.status == 0, again.output
    assert {task["status"] for task in again.tasks()} == {"CACHED"}


def test_a_group_is_cut_anew_without_a_run(demo: Run, tmp_path: Path) -> None:
    """At the run's own number the command gives the run's own files, and a report of the group."""
    folder, own = demo.results / "groups" / "blood", tmp_path / "own"
    k = json.loads((folder / "clustering.json").read_text())["n_clusters"]
    command = [sys.executable, "-m", "scsiameseclu", "recut", str(folder)]
    done = subprocess.run(
        [*command, "--n_clusters", str(k), "--output", str(own)],
        env=os.environ | {"PYTHONPATH": str(DEMO.parents[2] / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"blood: {k} clusters in place of {k}, see {own}\n"
    assert (own / "multiqc_report.html").stat().st_size > 100_000
    for name in ("clusters.tsv", "markers.tsv", "annotation.tsv", "composition.tsv"):
        assert (own / name).read_bytes() == (folder / name).read_bytes(), name
    for name in ("metrics.json", "mixing.json"):
        assert json.loads((own / name).read_text()) == json.loads((folder / name).read_text())
    assert {path.name for path in folder.iterdir()} | {"multiqc_report.html"} == {
        path.name for path in own.iterdir()
    }
