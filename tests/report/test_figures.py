"""Static figures: all there, the same bytes each time, whatever the names and however many clusters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from scsiameseclu.files import write_table
from scsiameseclu.report.figures import draw_figures, short, top_markers

from tests.report.simulate import HOSTILE

if TYPE_CHECKING:
    import pytest

ALWAYS = {"umap_cluster", "umap_cell_type", "umap_sample", "umap_confidence", "cluster_sizes"}
COLUMNS = ["cluster", "gene", "avg_log2FC", "pct.1", "pct.2", "p_val", "p_val_adj"]


def draw(directory: Path, monkeypatch: pytest.MonkeyPatch, *, k: int, trained: bool = True) -> dict[str, bytes]:
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
        },
        index=[f"cell{index}" for index in range(120)],
    )
    x = csr_matrix(rng.poisson(0.5, (120, 30)).astype(np.float32))
    group = ad.AnnData(x, obs=obs, var=pd.DataFrame(index=genes))
    group.obsm["X_umap"] = rng.normal(size=(120, 2)).astype(np.float32)
    group.write_h5ad(directory / "g.h5ad")
    rows = [[str(cluster), gene, 1.0, 0.9, 0.1, 0.0, 0.0] for cluster in range(k) for gene in genes[:4] if k > 1]
    write_table(pd.DataFrame(rows, columns=COLUMNS), directory / "markers.tsv")
    history = pd.DataFrame({"step": range(20), "crr": rng.random(20), "total": rng.random(20)})
    write_table(history if trained else history.head(0), directory / "history.tsv")
    monkeypatch.chdir(directory)
    draw_figures(prefix="group", adata=Path("g.h5ad"), history=Path("history.tsv"), markers=Path("markers.tsv"))
    return {path.stem: path.read_bytes() for path in (directory / "figures").iterdir()}


def test_figures_are_complete_and_the_same_each_time(tmp_path, monkeypatch):
    once = draw(tmp_path, monkeypatch, k=5)
    assert once.keys() == ALWAYS | {"marker_dotplot", "training"}
    assert draw(tmp_path, monkeypatch, k=5) == once
    assert all(png.startswith(b"\x89PNG") for png in once.values())
    assert not any(b"tIME" in png or b"Software" in png for png in once.values())


def test_a_single_cluster_without_markers_or_training_is_drawn(tmp_path, monkeypatch):
    assert draw(tmp_path, monkeypatch, k=1, trained=False).keys() == ALWAYS


def test_many_clusters_are_drawn(tmp_path, monkeypatch):
    assert "umap_cluster" in draw(tmp_path, monkeypatch, k=45)


def test_long_and_undrawable_names_are_shortened():
    assert short("x" * 300, 10) == "x" * 9 + "…"
    assert short("a\nb 🧬") == "a b □"


def test_markers_of_the_dot_plot_are_in_the_data_and_unique():
    markers = pd.DataFrame({"cluster": ["0", "0", "1", "1"], "gene": ["A", "X", "A", "B"]})
    assert top_markers(markers, {"A", "B"}) == ["A", "B"]
