"""Proteins, hashtags and guides of two samples, from 10x files to h5ad and report."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import anndata as ad
import pandas as pd
import pytest
from scsiameseclu.intake.formats import read_matrix

from tests.data import make_multimodal

from .conftest import Run, run_pipeline

MARKS = "CMO301=donor_a;CMO302=donor_b;CMO303=donor_c"
HOSTILE = "$(touch evil)'; <b>"
pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the pipeline on both samples; of the second, the cells are given."""
    folder = tmp_path_factory.mktemp("multimodal")
    make_multimodal.make(folder)
    truth = pd.read_csv(folder / "screen.truth.csv")
    cells = truth.loc[truth["state"] == "singlet", "barcode"]
    (folder / "my cells.txt").write_text("\n".join(cells))
    header, pool, screen = (folder / "samplesheet.csv").read_text().splitlines()
    (folder / "samplesheet.csv").write_text(
        f"{header},cells,sex\n{pool},,F\n{screen}{MARKS},my cells.txt,unknown\n"
    )
    options = ("--method", "consensus", "--export", "seurat,sce,h5mu", "--archive")
    chosen = f"0,b cell,{HOSTILE}"
    run = run_pipeline(
        folder,
        "--input",
        folder / "samplesheet.csv",
        *options,
        "--subcluster",
        chosen,
        "--condition",
        "hashtag",
    )
    assert run.status == 0, run.output
    return run


def test_clusters_are_divided_where_that_was_asked_for(run: Run) -> None:
    folder = run.results / "groups" / "blood"
    cells = pd.read_csv(folder / "clusters.tsv", sep="\t", dtype=str)
    table = pd.read_csv(folder / "subclusters.tsv", sep="\t", dtype=str)
    assert list(cells)[-1] == "cluster_sub"
    assert (cells["cluster_sub"].str.partition(".")[0] == cells["cluster"]).all()
    sizes = cells["cluster_sub"].value_counts()
    assert "0" in set(table["cluster"])
    assert (table["n_cells"].astype(int) == table["cluster_sub"].map(sizes)).all()
    assert set(cells["cluster_sub"]) >= set(table["cluster_sub"])
    markers = pd.read_csv(folder / "submarkers.tsv", sep="\t", dtype={"cluster": str})
    assert set(markers["cluster"]) <= set(table.loc[table["note"].isna(), "cluster_sub"])
    assert (
        ad.read_h5ad(folder / "blood.h5ad").obs["cluster_sub"] == list(cells["cluster_sub"])
    ).all()
    note = json.loads((folder / "subclusters.json").read_text())["notes"][-1]
    assert HOSTILE.split("'")[0] in note
    report = (run.results / "multiqc" / "multiqc_report.html").read_text()
    assert "Subclusters" in report
    assert (folder / "figures" / "umap_cluster_sub.png").exists()


def test_the_groups_h5ad_holds_every_kind(run: Run) -> None:
    adata = ad.read_h5ad(run.results / "groups" / "blood" / "blood.h5ad")
    assert {"protein", "protein_clr", "hashtag", "guide"} <= set(adata.obsm)
    pool = (adata.obs["sample"] == "pool").to_numpy()
    assert adata.obsm["protein"].loc[pool, "CD56"].isna().all()
    assert adata.obsm["protein"].loc[~pool, "CD56"].notna().all()
    assert set(adata.obs.loc[pool, "hashtag"]) == {"donor_a", "donor_b", "donor_c", "donor_d"}
    source = ad.read_h5ad(run.results / "samples" / "pool" / "pool.filtered.h5ad")
    ours = adata.obsm["protein"].loc[
        "pool_" + source.obs_names, list(source.obsm["protein"].columns)
    ]
    assert (ours.to_numpy() == source.obsm["protein"].to_numpy()).all()


@pytest.mark.parametrize("name", ["seurat.rds", "sce.rds", "h5mu"])
def test_other_tools_get_the_same_counts(run: Run, name: str) -> None:
    folder = run.results / "groups" / "blood"
    adata = ad.read_h5ad(folder / "blood.h5ad")
    counts = read_matrix(folder / f"blood.{name}")
    assert (counts.matrix != adata.layers["counts"]).nnz == 0
    assert counts.barcodes == list(adata.obs_names)
    assert list(counts.columns["cluster"]) == list(adata.obs["cluster"])


def test_the_group_is_archived(run: Run) -> None:
    with tarfile.open(run.results / "archives" / "blood.tar") as archive:
        packed = {
            member.name: archive.extractfile(member).read()  # type: ignore[union-attr]
            for member in archive
            if member.isfile()
        }
    files = [path for path in (run.results / "groups" / "blood").rglob("*") if path.is_file()]
    assert packed == {str(path.relative_to(run.results)): path.read_bytes() for path in files}
    assert "archives/blood.tar" in (run.results / "checksums.sha256").read_text()
    assert "archives/blood.tar" in (run.results / "README.html").read_text()


def test_every_barcode_of_the_pool_is_accounted_for(run: Run) -> None:
    folder = run.results / "samples" / "pool"
    ledger = pd.read_csv(folder / "pool.cell_ledger.tsv.gz", sep="\t")
    account = json.loads((folder / "pool.qc.json").read_text())
    assert {"hashtag_doublet", "hashtag_negative"} <= set(ledger["rule"].dropna())
    assert account["n_kept"] + sum(account["removed"].values()) == len(ledger)


def test_given_cells_are_the_cells(run: Run) -> None:
    ledger = pd.read_csv(run.results / "samples" / "screen" / "screen.cell_ledger.tsv.gz", sep="\t")
    listed = set((run.folder / "my cells.txt").read_text().split())
    assert set(ledger.loc[ledger["kept"], "barcode"]) == listed
    assert set(ledger["rule"].dropna()) == {"not_a_cell"}


def test_proteins_find_the_cells_that_carry_them(run: Run) -> None:
    folder = run.results / "groups" / "blood"
    markers = pd.read_csv(folder / "protein_markers.tsv", sep="\t", dtype={"cluster": str})
    best = markers.sort_values("avg_log2FC").groupby("protein")["cluster"].last()
    truth = [
        pd.read_csv(run.folder / f"{name}.truth.csv").assign(
            cell=lambda table, name=name: f"{name}_" + table["barcode"]
        )
        for name in make_multimodal.SOURCES
    ]
    types = pd.concat(truth).set_index("cell")["type"]
    clusters = pd.read_csv(folder / "clusters.tsv", sep="\t", dtype=str).set_index("barcode")[
        "cluster"
    ]
    of_cluster = types[clusters.index].groupby(clusters).agg(lambda values: values.mode()[0])
    for protein in ("CD19", "CD14", "CD56"):
        assert of_cluster[best[protein]] in make_multimodal.PROTEINS[protein]


def test_the_report_has_their_sections(run: Run) -> None:
    report = (run.results / "multiqc" / "multiqc_report.html").read_text()
    for words in (
        "Proteins, hashtags, guides",
        "Protein dot plot",
        "Hashtags by cluster",
        "Guides by cluster",
        "as Seurat objects (Hao et al., 2024) and as SingleCellExperiments",
    ):
        assert words in report
    assert not list(Path(run.results / "groups" / "blood").glob("*modalities.h5ad"))


def test_hashtags_are_compared(run: Run) -> None:
    folder = run.results / "groups" / "blood"
    bulk = ad.read_h5ad(folder / "pseudobulk.h5ad")
    marks = {"pool": "abcd", "screen": "abc"}
    assert set(bulk.obs["sample"]) == {
        f"{name}|donor_{mark}" for name, own in marks.items() for mark in own
    }
    adata = ad.read_h5ad(folder / "blood.h5ad")
    # Given cells stay where they have no hashtag, but take no part.
    assert bulk.obs["n_cells"].sum() == adata.obs["hashtag"].str.startswith("donor_").sum()
    notes = json.loads((folder / "differential_expression.json").read_text())["notes"]
    assert any("1 of 'donor_d'" in note for note in notes)
    shares = pd.read_csv(folder / "composition_test.tsv", sep="\t")
    assert set(shares.loc[shares["p_val"].notna(), "condition"]) == {"donor_b", "donor_c"}
    assert "Conditions (hashtags)" in (run.results / "multiqc" / "multiqc_report.html").read_text()


def test_the_sex_is_compared_and_kept(run: Run) -> None:
    account = json.loads((run.results / "samples" / "pool" / "pool.qc.json").read_text())
    assert account["sex"]["given"] == "female"
    obs = ad.read_h5ad(run.results / "groups" / "blood" / "blood.h5ad").obs
    assert set(obs["sex"]) == {"female", "unknown"}
