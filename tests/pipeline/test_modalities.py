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

from .conftest import UNTRACED, Run, run_pipeline
from .second_opinion import write_known

MARKS = "CMO301=donor_a;CMO302=donor_b;CMO303=donor_c"
HOSTILE = "$(touch evil)'; <b>"
pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the pipeline on both samples; of the second, the cells are given."""
    folder = tmp_path_factory.mktemp("multimodal")
    make_multimodal.make(folder, n_droplets=1500)
    truth = pd.read_csv(folder / "screen.truth.csv")
    cells = truth.loc[truth["state"] == "singlet", "barcode"]
    (folder / "my cells.txt").write_text("\n".join(cells))
    header, pool, screen = (folder / "samplesheet.csv").read_text().splitlines()
    (folder / "samplesheet.csv").write_text(
        f"{header},cells,sex\n{pool},,F\n{screen}{MARKS},my cells.txt,unknown\n"
    )
    options = ("--method", "consensus", "--export", "seurat,sce,h5mu,cellxgene", "--archive")
    options += ("--ambient", "correct")
    options += write_known(folder)
    chosen = f"0,b cell,{HOSTILE}"
    sets = f"B cell {HOSTILE}\tof B cells\tMS4A1\tCD79A\tCD79B\nlost\tx\tNO1\tNO2\tNO3\n"
    (folder / "my $sets.gmt").write_text(sets)
    options += ("--cell_scores", "--gene_sets", folder / "my $sets.gmt")
    options += ("--genes_of_interest", f"MS4A1,cd3d,CD79Z,{HOSTILE}")
    run = run_pipeline(
        folder,
        *UNTRACED,
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


def test_clusters_are_divided_on_request(run: Run) -> None:
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


def test_cells_are_scored_on_request(run: Run) -> None:
    folder = run.results / "groups" / "blood"
    obs = ad.read_h5ad(folder / "blood.h5ad").obs
    (column,) = [name for name in obs if name.startswith("score_")]
    assert column.startswith("score_B_cell_touch_evil")
    means = obs.groupby("cell_type", observed=True)[column].mean()
    assert means.idxmax() == "B cell"
    table = pd.read_csv(folder / "gene_set_scores.tsv", sep="\t", dtype={"cluster": str})
    assert table.loc[table["set"] == "lost", "note"].str.startswith("not scored").all()
    account = json.loads((folder / "cell_scores.json").read_text())
    assert [gene["found"] for gene in account["genes"]] == ["MS4A1", "CD3D", None, None]
    assert account["genes"][2]["nearest"] in ("CD79A", "CD79B")
    assert {"phase", "pct_counts_dissociation"} <= set(obs) or account["notes"]
    report = (run.results / "multiqc" / "multiqc_report.html").read_text()
    assert "Scores of cells" in report
    assert "Genes of interest" in report
    assert "the nearest name is CD79" in report
    assert (folder / "figures" / f"umap_{column}.png").exists()
    assert not list(run.folder.rglob("evil"))


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


def test_a_second_opinion_is_added_to_the_types(run: Run) -> None:
    folder = run.results / "groups" / "blood"
    table = pd.read_csv(folder / "second_opinion.tsv", sep="\t", dtype={"cluster": str})
    clusters = pd.read_csv(folder / "clusters.tsv", sep="\t", dtype={"cluster": str})
    sizes = clusters["cluster"].value_counts()
    for source, column in {"SingleR": "singler_type", "CellTypist": "celltypist_type"}.items():
        of_source = table[table["source"] == source]
        assert (of_source["n_cells"] == of_source["cluster"].map(sizes)).all()
        assert (of_source["agreement"] == "agrees").sum() >= len(of_source) - 1
        cells = ad.read_h5ad(folder / "blood.h5ad").obs
        most = cells.groupby("cluster", observed=True)[column].agg(lambda of: of.mode()[0])
        assert (most[of_source["cluster"]].to_numpy() == of_source["opinion"]).all()
    report = (run.results / "multiqc" / "multiqc_report.html").read_text()
    assert "Second opinion" in report


@pytest.mark.parametrize("name", ["seurat.rds", "sce.rds", "h5mu"])
def test_other_tools_get_the_same_counts(run: Run, name: str) -> None:
    folder = run.results / "groups" / "blood"
    adata = ad.read_h5ad(folder / "blood.h5ad")
    counts = read_matrix(folder / f"blood.{name}")
    assert (counts.matrix != adata.layers["counts"]).nnz == 0
    assert counts.barcodes == list(adata.obs_names)
    assert list(counts.columns["cluster"]) == list(adata.obs["cluster"])


def test_the_group_is_written_for_cellxgene(run: Run) -> None:
    folder = run.results / "groups" / "blood"
    adata, found = (ad.read_h5ad(folder / f"blood{end}") for end in (".h5ad", ".cellxgene.h5ad"))
    assert (adata.layers["counts"] != found.raw.X).nnz == 0
    assert list(found.var_names) == list(adata.var["gene_ids"])
    ids = adata.obs["cell_type_ontology_term_id"].astype(object)
    assert ids.notna().any()
    assert list(found.obs["cell_type_ontology_term_id"]) == list(ids.fillna("unknown"))
    missing = pd.read_csv(folder / "cellxgene_missing.tsv", sep="\t").set_index("field")
    assert missing.loc["donor_id", "state"] == "missing"
    report = (run.results / "multiqc" / "multiqc_report.html").read_text()
    assert "For CZ CELLxGENE" in report


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


def test_ambient_rna_is_estimated_and_corrected_in_a_separate_layer(run: Run) -> None:
    folder = run.results / "groups" / "blood"
    table = pd.read_csv(folder / "ambient.tsv", sep="\t").set_index("sample")
    assert table["n_droplets_in_profile"]["pool"] == 0
    assert 1490 <= table["n_droplets_in_profile"]["screen"] <= 1510
    # Nothing is planted.
    assert 0.01 <= table["contamination"]["screen"] < 0.15
    adata = ad.read_h5ad(folder / "blood.h5ad")
    corrected, counts = adata.layers["ambient_corrected"], adata.layers["counts"]
    for sample, share in table["contamination"].fillna(0).items():
        inside = (adata.obs["sample"] == sample).to_numpy()
        left = corrected[inside].sum() / counts[inside].sum()
        assert abs(left - (1 - share)) < 0.02
    markers = pd.read_csv(folder / "ambient_markers.tsv", sep="\t")
    assert {"ambient_share", "avg_log2FC_corrected"} <= set(markers)
    assert (folder / "ambient_genes.tsv").exists()
    assert "Ambient RNA" in (run.results / "multiqc" / "multiqc_report.html").read_text()
    assert not list(folder.glob("*ambient.h5ad"))


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
    # Given cells without a hashtag are kept, but are left out of the comparison.
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
