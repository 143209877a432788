"""Ambient RNA of a group: planted shares are found, and corrected counts lack them."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scsiameseclu.annotation.ambient import ambient
from scsiameseclu.annotation.assemble import assemble
from scsiameseclu.annotation.contamination import posterior_mode
from scsiameseclu.annotation.markers import markers
from scsiameseclu.annotation.subtraction import allocate
from scsiameseclu.files import read_table, set_settings, write_h5ad, write_table

from .conftest import write_group

N_OWN, N_GENES, DEPTH = 15, 1000, 1500
HOSTILE = "=cmd|' <script>\"$(x)\t"
SOUPX = Path(__file__).resolve().parents[3] / "shared/datasets/raw_formats/soupx_toy"


def contaminated(
    share: float, *, seed: int = 0, sizes: tuple[int, ...] = (600, 80, 60)
) -> tuple[ad.AnnData, np.ndarray]:
    """Return cells of types with markers of their own and ambient RNA, and the ambient profile."""
    rng = np.random.default_rng(seed)
    # 50 genes of all types, 15 of each, and many that are hardly there.
    types = np.full((len(sizes), N_GENES), 0.01)
    types[:, -50:] = rng.uniform(10, 40, 50)
    types[:, : len(sizes) * N_OWN] = 0
    for k in range(len(sizes)):
        types[k, k * N_OWN : (k + 1) * N_OWN] = 3
    types /= types.sum(axis=1, keepdims=True)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    profile = types[codes].mean(axis=0)
    depths = rng.lognormal(np.log(DEPTH), 0.3, (len(codes), 1))
    counts = rng.poisson(depths * ((1 - share) * types[codes] + share * profile))
    return _as_group(counts, codes), profile


def _as_group(counts: np.ndarray, codes: np.ndarray) -> ad.AnnData:
    genes = [*(f"G{i}" for i in range(1, counts.shape[1])), HOSTILE]
    samples = ["two.x" if i % 8 == 0 else "one" for i in range(len(codes))]
    names = [f"{sample}_c{i}" for i, sample in enumerate(samples)]
    obs = pd.DataFrame(
        {
            "sample": samples,
            "total_counts": counts.sum(axis=1),
            "cluster": pd.Categorical(codes.astype(str)),
        },
        index=names,
    )
    var = pd.DataFrame(
        {"gene_ids": genes, "gene_symbols": genes, "highly_variable": True}, index=genes
    )
    normalized = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4).astype(np.float32)
    group = ad.AnnData(sparse.csr_matrix(normalized), obs=obs, var=var)
    set_settings(group, {"group": "g", "samples": []})
    group.layers["counts"] = sparse.csr_matrix(counts.astype(np.int32))
    group.obsm["X_pca"] = np.zeros((len(codes), 10), dtype=np.float32)
    return group


def write_soup(var: pd.DataFrame, counts: np.ndarray, sample: str = "one") -> Path:
    """Write what the empty droplets of a sample hold, its genes in another order."""
    obs = pd.DataFrame({"n_droplets": [1000]}, index=["droplets"])
    soup = ad.AnnData(obs=obs, var=var.assign(soup_counts=counts.astype(float)).iloc[::-1].copy())
    set_settings(soup, {"sample": sample})
    write_h5ad(soup, f"{sample}.soup.h5ad")
    return Path(f"{sample}.soup.h5ad")


def run(adata: ad.AnnData, soup_counts: np.ndarray, **options) -> pd.DataFrame:
    """Run the step, with a profile of sample ``one`` alone, and return its table."""
    files = write_group(adata, Path())
    given = {"prefix": "g", "expression": files.expression, "clustering": files.clustering}
    markers(**given)
    soups = [write_soup(adata.var, soup_counts)]
    ambient(**given, markers=Path("g.markers.tsv"), soups=soups, **options)
    return read_table("g.ambient.tsv").set_index("sample")


@pytest.fixture(autouse=True)
def _in_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("share", [0.1, 0.25])
def test_a_planted_share_is_found(share):
    cells, profile = contaminated(share)
    soup = np.random.default_rng(1).poisson(1_000_000 * profile)
    table = run(cells, soup)
    one = table.loc["one"]
    assert abs(one["contamination"] - share) < 0.03
    assert one["low"] <= one["contamination"] <= one["high"]
    assert one["n_droplets_in_profile"] == 1000
    assert np.isnan(table.loc["two.x", "contamination"])
    assert "without its empty droplets" in table.loc["two.x", "note"]
    # The names are the user's, whatever is in them.
    genes = read_table("g.ambient_genes.tsv", dtype={"gene": str})
    assert genes["gene"][0] == cells.var_names[soup.argmax()]
    assert HOSTILE in set(genes["gene"])


def test_without_ambient_rna_the_estimate_is_the_lowest():
    cells, profile = contaminated(0.0)
    assert run(cells, 1_000_000 * profile).loc["one", "contamination"] <= 0.02


def test_ambient_counts_are_removed_from_corrected_counts():
    cells, profile = contaminated(0.25)
    table = run(cells, 1_000_000 * profile, mode="correct")
    assert read_table("g.ambient_markers.tsv")["avg_log2FC_corrected"].notna().all()
    umap = pd.DataFrame({"barcode": cells.obs_names, "umap_1": 0.0, "umap_2": 0.0})
    write_table(umap, "g.umap.tsv")
    types = pd.DataFrame({"cluster": ["0", "1", "2"], "cell_type": "T cell"})
    write_table(types, "g.annotation.tsv")
    assemble(
        prefix="g", expression=Path("g.expression.h5ad"), clustering=Path("g.clustering.h5ad"),
        umap=Path("g.umap.tsv"), annotation=Path("g.annotation.tsv"),
        ambient=Path("g.ambient.h5ad"),
    )  # fmt: skip
    found = ad.read_h5ad("g.h5ad")
    raw, corrected = (found.layers[name].toarray() for name in ("counts", "ambient_corrected"))
    assert (raw == cells.layers["counts"].toarray()).all()
    one = (found.obs["sample"] == "one").to_numpy()
    assert (corrected[~one] == raw[~one]).all()
    assert found.layers["ambient_corrected"].dtype == np.float32
    left = corrected[one].sum() / raw[one].sum()
    assert left == pytest.approx(1 - table.loc["one", "contamination"], abs=0.005)
    # Of another type's markers hardly a count is left, of the cluster's own most are.
    first = one & (found.obs["cluster"] == "0").to_numpy()
    own, others = slice(0, N_OWN), slice(N_OWN, 3 * N_OWN)
    assert corrected[first][:, others].sum() < 0.2 * raw[first][:, others].sum()
    assert corrected[first][:, own].sum() > 0.7 * raw[first][:, own].sum()
    assert ((corrected >= 0) & (corrected <= raw)).all()


def test_the_ambient_share_of_markers_is_given():
    cells, profile = contaminated(0.25)
    share = run(cells, 1_000_000 * profile, mode="correct").loc["one", "contamination"]
    table = read_table("g.ambient_markers.tsv", dtype={"cluster": str, "gene": str})
    assert list(table) == [
        *("cluster", "gene", "avg_log2FC", "ambient_share", "avg_log2FC_corrected")
    ]
    row = table[(table["cluster"] == "1") & (table["gene"] == "G21")].iloc[0]
    inside = ((cells.obs["sample"] == "one") & (cells.obs["cluster"] == "1")).to_numpy()
    counts = cells.layers["counts"][inside].toarray()
    expected = share * counts.sum() * profile[20] / counts[:, 20].sum()
    assert row["ambient_share"] == pytest.approx(expected, abs=1e-4)
    # Without the counts that leak into the others, a marker stands out more.
    own = table[table["gene"].isin([f"G{i}" for i in range(1, 3 * N_OWN + 1)])]
    assert (own["avg_log2FC_corrected"] > own["avg_log2FC"]).all()


@pytest.mark.parametrize(
    ("sizes", "empty", "reason"),
    [
        ((100,), False, "several clusters are needed"),
        ((60, 60), True, "plentiful in the empty droplets"),
    ],
)
def test_missing_estimates_are_explained(sizes, empty, reason):
    cells, profile = contaminated(0.1, sizes=sizes)
    one = run(cells, np.zeros(N_GENES) if empty else 1_000_000 * profile, mode="correct").loc["one"]
    assert np.isnan(one["contamination"])
    assert reason in one["note"]
    assert (ad.read_h5ad("g.ambient.h5ad").X == 1).all()


def test_clusters_without_markers_give_no_estimate():
    rng = np.random.default_rng(0)
    cells = _as_group(rng.poisson(2.0, (120, 100)), np.arange(120) // 2 % 2)
    one = run(cells, np.full(100, 9.0)).loc["one"]
    assert np.isnan(one["contamination"])
    assert "no gene is both specific" in one["note"]
    assert "only 900 counts" in one["note"]


def test_the_prior_has_the_stated_mode():
    # Without counts the posterior is the prior: its mode is 0.05.
    mode, low, high = posterior_mode(np.zeros(1), np.zeros(1))
    assert mode == pytest.approx(0.05, abs=1e-9)
    assert low == 0.01
    assert 0.1 < high < 0.5


def test_counts_that_a_gene_lacks_are_taken_from_other_genes():
    taken = allocate(6.0, np.array([1.0, 10.0, 10.0, 5.0]), np.array([0.5, 0.25, 0.25, 0.0]))
    assert taken == pytest.approx([1.0, 2.5, 2.5, 0.0])
    everything = allocate(100.0, np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.5, 0.0]))
    assert everything == pytest.approx([1.0, 2.0, 0.0])
    assert (allocate(5.0, np.zeros(3), np.ones(3)) == 0).all()
    assert (allocate(0.0, np.ones(3), np.ones(3)) == 0).all()


def test_a_share_above_all_that_are_tried_is_not_taken_for_the_lowest():
    mode, low, high = posterior_mode(np.array([9.5e5, 9.6e5]), np.array([1e6, 1e6]))
    assert mode == low == high == 0.8
