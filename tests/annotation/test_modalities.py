"""Proteins, hashtags and guides of a group: joined, normalized, compared by cluster."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu
from scsiameseclu.annotation.assemble import assemble
from scsiameseclu.annotation.modalities import clr, modalities
from scsiameseclu.files import read_json, read_table, set_settings, write_h5ad, write_table

PANELS = {"one": ["CD3", "CD19", "IgG"], "two.x": ["CD3", "CD14"]}


@pytest.fixture
def cells(adata, tmp_path) -> list[Path]:
    """Write cells of two samples: CD3 is of cluster 0, CD19 of 1, CD14 of 2, IgG of none."""
    rng = np.random.default_rng(0)
    own = {"CD3": "0", "CD19": "1", "CD14": "2", "IgG": "none"}
    paths = []
    for sample, panel in PANELS.items():
        inside = adata.obs[adata.obs["sample"] == sample]
        barcodes = inside.index.str.removeprefix(f"{sample}_")
        high = {name: (inside["cluster"] == own[name]).to_numpy() for name in panel}
        counts = {
            name: rng.poisson(np.where(high[name], 100, 5)).astype(np.int32) for name in panel
        }
        filtered = ad.AnnData(np.ones((len(inside), 2)), obs=pd.DataFrame(index=barcodes))
        filtered.obsm["protein"] = pd.DataFrame(counts, index=barcodes)
        if sample == "one":
            filtered.obs["hashtag"] = np.where(np.arange(len(inside)) % 2, "a", "b")
            filtered.obs["guide"] = pd.Categorical(
                [None, "g1"] * (len(inside) // 2) + [None] * (len(inside) % 2)
            )
            filtered.obsm["guide"] = pd.DataFrame(
                {"g1": np.arange(len(inside)) % 2}, index=barcodes
            )
        set_settings(filtered, {"sample": sample})
        # A cell that quality control kept, and that is not in the group.
        other = filtered[:1].copy()
        other.obs_names = ["left_out-1"]
        filtered = ad.concat([filtered, other], uns_merge="first")
        write_h5ad(filtered, tmp_path / f"{sample}.filtered.h5ad")
        paths.append(tmp_path / f"{sample}.filtered.h5ad")
    return paths


def test_panels_are_joined_with_missing_values(group, cells):
    modalities(prefix="g", samples=cells[::-1], clustering=group.clustering)
    joined = ad.read_h5ad("g.modalities.h5ad")
    assert list(joined.obs_names) == list(group.adata.obs_names)
    two = (group.adata.obs["sample"] == "two.x").to_numpy()
    protein = joined.obsm["protein"]
    assert set(protein.columns) == {"CD3", "CD19", "CD14", "IgG"}
    assert protein.loc[two, ["CD19", "IgG"]].isna().all(axis=None)
    assert protein.loc[~two, "CD14"].isna().all()
    assert protein["CD3"].notna().all()
    assert protein["CD3"].dtype == np.int32
    assert joined.obsm["protein_clr"].isna().equals(protein.isna())
    assert joined.obsm["guide"]["g1"].isna().equals(pd.Series(two, index=joined.obs_names))
    summary = read_json("g.modalities.json")
    assert summary["n_features"] == {"protein": 4, "guide": 1}
    notes = " ".join(summary["notes"])
    assert "Sample two.x was not measured for 2 of 4 protein features ('CD19', 'IgG')" in notes
    assert "Sample one was not measured for 1 of 4 protein features ('CD14')" in notes
    assert "Sample two.x was not measured for 1 of 1 guide features" in notes


def test_clr_is_that_of_seurat_by_protein(group, cells):
    counts = pd.DataFrame({"a": [0, 3, 8, 20], "b": [1, 1, 1, 1], "c": [0, 0, 0, 0]})

    def seurat(x):
        return np.log1p(x / np.exp(np.sum(np.log1p(x[x > 0])) / len(x)))

    # Seurat's matrices are features x cells: its margin 1 is a feature over all cells.
    expected = np.apply_along_axis(seurat, 1, counts.to_numpy(float).T).T
    np.testing.assert_allclose(clr(counts), expected)
    other = np.apply_along_axis(seurat, 0, counts.to_numpy(float).T).T
    assert np.abs(clr(counts) - other).to_numpy().max() > 0.1
    modalities(prefix="g", samples=cells, clustering=group.clustering)
    joined = ad.read_h5ad("g.modalities.h5ad")
    one = (group.adata.obs["sample"] == "one").to_numpy()
    whole = ad.read_h5ad(cells[0]).obsm["protein"]
    expected = clr(whole)["CD3"].iloc[:-1]
    np.testing.assert_allclose(joined.obsm["protein_clr"].loc[one, "CD3"], expected, rtol=1e-6)


def test_proteins_mark_their_clusters(group, cells):
    modalities(prefix="g", samples=cells, clustering=group.clustering)
    markers = read_table("g.protein_markers.tsv", dtype={"cluster": str})
    assert list(markers) == [
        *("cluster", "protein", "avg_log2FC", "pct.1", "pct.2", "p_val", "p_val_adj"),
        *("mean_clr", "mean_clr_rest"),
    ]
    high = markers[markers["avg_log2FC"] > 1].groupby("cluster")["protein"].agg(list).to_dict()
    assert high == {"0": ["CD3"], "1": ["CD19"], "2": ["CD14"]}
    joined, clusters = ad.read_h5ad("g.modalities.h5ad"), group.adata.obs["cluster"]
    row = markers[(markers["cluster"] == "1") & (markers["protein"] == "CD19")].iloc[0]
    values = joined.obsm["protein_clr"]["CD19"].dropna().astype(float)
    inside = (clusters[values.index] == "1").to_numpy()
    expected = mannwhitneyu(values[inside], values[~inside], method="asymptotic").pvalue
    assert row["p_val"] == pytest.approx(expected, rel=1e-6), (
        "only the cells that were measured count"
    )
    assert row["p_val_adj"] == pytest.approx(min(4 * expected, 1), rel=1e-6)
    assert row["mean_clr"] == pytest.approx(values[inside].mean(), rel=1e-6)
    assert row["mean_clr_rest"] == pytest.approx(values[~inside].mean(), rel=1e-6)
    profiles = read_table("g.protein_profiles.tsv", dtype={"cluster": str}).set_index(
        ["cluster", "protein"]
    )
    assert profiles.loc[("1", "CD19"), "mean"] == pytest.approx(values[inside].mean(), rel=1e-5)
    assert profiles.loc[("1", "CD19"), "share"] == 1
    assert profiles.loc[("0", "CD19"), "share"] == 0


def test_hashtags_and_guides_are_counted_by_cluster(group, cells):
    modalities(prefix="g", samples=cells, clustering=group.clustering)
    hashtags = read_table("g.hashtags.tsv", dtype=str)
    assert list(hashtags) == ["cluster", "hashtag", "n_cells"]
    n_one = (group.adata.obs["sample"] == "one").sum()
    assert hashtags["n_cells"].astype(int).sum() == n_one
    assert read_table("g.guides.tsv")["n_cells"].sum() == n_one // 2


def test_the_groups_h5ad_has_them(group, cells):
    modalities(prefix="g", samples=cells, clustering=group.clustering)
    barcodes = pd.DataFrame({"barcode": group.adata.obs_names, "umap_1": 0.0, "umap_2": 1.0})
    write_table(barcodes, "g.umap.tsv")
    write_table(pd.DataFrame({"cluster": list("012"), "cell_type": "T cell"}), "g.annotation.tsv")
    paths = {"expression": group.expression, "clustering": group.clustering}
    given = {"umap": Path("g.umap.tsv"), "annotation": Path("g.annotation.tsv")}
    assemble(prefix="g", **paths, **given, modalities=Path("g.modalities.h5ad"))
    whole = ad.read_h5ad("g.h5ad")
    pd.testing.assert_frame_equal(
        whole.obsm["protein"], ad.read_h5ad("g.modalities.h5ad").obsm["protein"]
    )
    assert {"protein", "protein_clr", "guide", "X_umap"} <= set(whole.obsm)


def test_the_same_bytes_each_time(group, cells):
    found = []
    for _ in range(2):
        modalities(prefix="g", samples=cells, clustering=group.clustering)
        found.append([path.read_bytes() for path in sorted(Path().glob("g.protein_*.tsv"))])
    assert len(found[0]) == 2
    assert found[0] == found[1]
