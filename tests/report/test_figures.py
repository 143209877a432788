"""Static figures: complete, deterministic, for any names and number of clusters."""

from __future__ import annotations

import io
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.sparse import csr_matrix
from scsiameseclu.files import read_table, write_json, write_table
from scsiameseclu.report.drawing import short
from scsiameseclu.report.figures import draw_figures, top_markers, umap_figure, variable_genes
from scsiameseclu.report.pages import MOST_CLUSTERS, Pages, rows_of
from scsiameseclu.report.palette import cell_type_colors

from tests.report.simulate import HOSTILE, simulated_tree

pytestmark = pytest.mark.slow

METRICS = {"n_genes_by_counts", "total_counts", "pct_counts_mt", "doublet_score"}
ALWAYS = {
    *(
        "umap_cluster",
        "umap_cell_type",
        "umap_sample",
        "umap_confidence",
        "cluster_sizes",
        "variable_genes",
    ),
    *(f"umap_{metric}" for metric in METRICS - {"pct_counts_mt"}),
}
COLUMNS = ["cluster", "gene", "avg_log2FC", "pct.1", "pct.2", "p_val", "p_val_adj"]


def draw(
    directory: Path, monkeypatch: pytest.MonkeyPatch, *, k: int, trained: bool = True
) -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    clusters = np.arange(120) % k
    genes = ["_hidden $x_$", HOSTILE, *(f"GENE{index}" for index in range(28))]
    types = [HOSTILE * 3, "$\\frac{1}{$ 🧬", *(f"Type {index}" for index in range(k))][:k]
    obs = pd.DataFrame(
        {
            "cluster": pd.Categorical(clusters.astype(str)),
            "cell_type": pd.Categorical([types[cluster] for cluster in clusters]),
            "sample": pd.Categorical(rng.choice(["_a", "b"], 120)),
            "cluster_confidence": rng.random(120).astype(np.float32),
            **{metric: rng.random(120) for metric in sorted(METRICS)},
            "pct_counts_mt": np.nan,
        },
        index=[f"cell{index}" for index in range(120)],
    )
    x = csr_matrix(rng.poisson(0.5, (120, 30)).astype(np.float32))
    group = ad.AnnData(x, obs=obs, var=pd.DataFrame(index=genes))
    group.var["means"], group.var["dispersions_norm"] = (
        rng.random(30),
        np.r_[np.nan, rng.random(29)],
    )
    group.var["highly_variable"] = rng.random(30) < 0.5
    group.obsm["X_umap"] = rng.normal(size=(120, 2)).astype(np.float32)
    group.write_h5ad(directory / "g.h5ad")
    rows = [
        [str(cluster), gene, fold_change, 0.9, 0.1, 0.0, 0.0]
        for cluster in range(k)
        for gene, fold_change in zip([genes[4], *genes[:4]], [-1.0, *[1.0] * 4], strict=True)
        if k > 1
    ]
    write_table(pd.DataFrame(rows, columns=COLUMNS), directory / "markers.tsv")
    history = pd.DataFrame({"step": range(20), "crr": rng.random(20), "total": rng.random(20)})
    write_table(history if trained else history.head(0), directory / "history.tsv")
    levels = obs.assign(cluster_coarse=obs["cluster"], cluster_fine=obs["cluster"])
    write_json(simulated_tree(levels, k), directory / "summary.json")
    monkeypatch.chdir(directory)
    others = pd.DataFrame(
        {"cluster": ["0", "1"], "cell_type": ["Type 0", "A type of another group"]}
    )
    write_table(others, directory / "other.annotation.tsv")
    draw_figures(
        prefix="group",
        adata=Path("g.h5ad"),
        markers=Path("markers.tsv"),
        history=Path("history.tsv"),
        summary=Path("summary.json"),
        annotations=[Path("other.annotation.tsv")],
    )
    return {path.name: path.read_bytes() for path in (directory / "figures").iterdir()}


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    """Draw a group of five clusters; its folder and its figures."""
    folder = tmp_path_factory.mktemp("five")
    with pytest.MonkeyPatch.context() as monkeypatch:
        return folder, draw(folder, monkeypatch, k=5)


def names(figures: dict[str, bytes]) -> set[str]:
    """Return the figures that are there in both formats."""
    stems = {name.removesuffix(".png") for name in figures if name.endswith(".png")}
    assert {name.removesuffix(".svg") for name in figures if name.endswith(".svg")} == stems
    return stems


def test_figures_are_complete_and_the_same_each_time(five, tmp_path, monkeypatch):
    once = five[1]
    assert names(once) == ALWAYS | {"cluster_tree", "marker_dotplot", "training"}
    assert draw(tmp_path, monkeypatch, k=5) == once
    assert not any(
        sign in figure
        for sign in (b"tIME", b"Software", b"dc:date", b"CreationDate")
        for figure in once.values()
    )


def test_figures_are_for_print(five):
    once = five[1]
    for name, figure in once.items():
        if name.endswith(".pdf"):
            assert len(re.findall(rb"/Type /Page\b", figure)) == 2
        elif name.endswith(".png"):
            assert Image.open(io.BytesIO(figure)).info["dpi"] == pytest.approx((300, 300), abs=1)
        else:
            root = ET.fromstring(figure.decode())
            assert root.tag == "{http://www.w3.org/2000/svg}svg"
            assert any(text.text for text in root.iter("{http://www.w3.org/2000/svg}text")), (
                "text stays text"
            )
    assert max(map(len, once.values())) < 400_000
    assert b"<image" in once["umap_cluster.svg"], (
        "points are a picture, or 100,000 cells would be 100,000 elements"
    )
    assert HOSTILE.encode() not in once["umap_cell_type.svg"]
    assert b"&lt;script" in once["umap_cell_type.svg"]


def test_many_cells_make_no_larger_svg(tmp_path):
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(
        {"cluster": pd.Categorical(rng.choice(["0", "1"], 50_000))}, index=map(str, range(50_000))
    )
    group = ad.AnnData(obs=obs)
    group.obsm["X_umap"] = rng.normal(size=(50_000, 2))
    umap_figure(group, "cluster", {"0": "#000000", "1": "#ff0000"}).savefig(tmp_path / "umap.svg")
    assert (tmp_path / "umap.svg").stat().st_size < 1_000_000


def test_a_single_cluster_without_markers_or_training_is_drawn(tmp_path, monkeypatch):
    assert names(draw(tmp_path, monkeypatch, k=1, trained=False)) == ALWAYS


def test_many_clusters_are_drawn(tmp_path, monkeypatch):
    figures = draw(tmp_path, monkeypatch, k=45)
    assert "umap_cluster" in names(figures)
    assert len(re.findall(rb"/Type /Page\b", figures["summary.pdf"])) == 2


def test_the_pages_have_the_largest_clusters():
    obs = pd.DataFrame(
        {
            "cluster": [str(c) for c in range(45) for _ in range(c + 1)],
            "cluster_confidence": 0.5,
            "sample": "s",
        }
    )
    obs.index = obs.index.astype(str)
    markers = pd.DataFrame({"cluster": "44", "gene": [f"GENE{rank}" for rank in range(9)]})
    summary = {"cluster_stability": {"44": 0.754}}
    pages = Pages("g", ad.AnnData(obs=obs), markers, summary, {"44": "T cell"}, {}, {})
    first, *others = rows_of(pages)
    genes = "GENE0, GENE1, GENE2, GENE3, GENE4"
    assert first == ("44", "T cell", "45", "4.3%", "0.75", "0.50", genes)
    assert others[0] == ("43", "", "44", "4.3%", "", "0.50", "")
    assert len(others) == MOST_CLUSTERS - 1


def test_a_type_has_one_colour_in_all_groups(five):
    """Two types that want one colour are parted over all groups of the run, not within each."""
    folder, once = five
    group = ad.read_h5ad(folder / "g.h5ad")
    colors = cell_type_colors({"Type 0", "A type of another group", *group.obs["cell_type"]})
    assert f"fill: {colors['Type 0']}".encode() in once["umap_cell_type.svg"]


def test_profiles_are_shares_and_means_of_the_clusters(five):
    folder = five[0]
    group, profiles = ad.read_h5ad(folder / "g.h5ad"), read_table(folder / "group.profiles.tsv")
    x = pd.DataFrame(group.X.toarray(), columns=group.var_names).groupby(
        group.obs["cluster"].astype(int).to_numpy()
    )
    for row in profiles.itertuples():
        values = x.get_group(row.cluster)[row.gene]
        assert (row.share, row.mean) == pytest.approx(((values > 0).mean(), values.mean()))
    assert group.var_names[4] not in set(profiles["gene"]), "it is lower in every cluster"
    genes = read_table(folder / "group.genes.tsv")
    assert len(genes) == group.n_vars - 1, "a gene without dispersion is left out"
    assert variable_genes(ad.AnnData(shape=(2, 2))).empty


def test_long_and_undrawable_names_are_shortened():
    assert short("x" * 300, 10) == "x" * 9 + "…"
    assert short("a\nb 🧬") == "a b □"


def test_markers_of_the_dot_plot_are_in_the_data_and_unique():
    markers = pd.DataFrame({"cluster": ["0", "0", "1", "1"], "gene": ["A", "X", "A", "B"]})
    assert top_markers(markers, {"A", "B"}) == ["A", "B"]
