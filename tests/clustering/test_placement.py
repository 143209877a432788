"""New cells placed into an earlier result."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from scsiameseclu.annotation.celltypes import celltypes
from scsiameseclu.clustering.consensus.neighbors import shared_neighbor_graph
from scsiameseclu.clustering.placement import matching_genes, place, place_group, read_base
from scsiameseclu.errors import InputError
from scsiameseclu.evaluation.comparison import compare
from scsiameseclu.expression.normalize import normalize
from scsiameseclu.files import read_json, read_table, set_settings, write_h5ad

from tests.clustering.simulated_counts import simulated

pytestmark = pytest.mark.slow

SIZES = (160, 120, 80, 60)
LACKING = "type3"
"""The type that the base lacks."""
NAMES = ["gene", "gene\t1", "$(touch x)", "<b>", "a/b", "é🧬", "'", '"']
ROOT = Path(__file__).parents[2]


def cells_of(adata: ad.AnnData, chosen: np.ndarray) -> ad.AnnData:
    """Return some of the cells, with only raw counts in X."""
    return ad.AnnData(
        csr_matrix(adata.X[chosen]), obs=adata.obs[chosen].copy(), var=adata.var.copy()
    )


def as_base(cells: ad.AnnData) -> ad.AnnData:
    """Return the pipeline's results for these cells, with the planted types as clusters."""
    base = normalize(cells)
    names = base.obs["label"].str.removeprefix("type")
    base.obs["cluster"] = pd.Categorical(names)
    base.obs["cluster_coarse"] = pd.Categorical(np.where(names == "0", "0", "1"))
    base.obs["cluster_fine"] = pd.Categorical(names)
    base.obs["cell_type"] = pd.Categorical("<T & B> " + names)
    base.uns["scsiameseclu"] = {"method": "consensus"}
    return base


@pytest.fixture(scope="module")
def adata() -> ad.AnnData:
    found = simulated(sizes=SIZES, n_genes=400)
    found.var_names = NAMES + list(found.var_names[len(NAMES) :])
    return found


@pytest.fixture(scope="module")
def held(adata: ad.AnnData) -> np.ndarray:
    chosen = np.arange(adata.n_obs) % 4 == 0
    return np.asarray(chosen | (adata.obs["label"] == LACKING))


@pytest.fixture(scope="module")
def base(adata: ad.AnnData, held: np.ndarray) -> ad.AnnData:
    return as_base(cells_of(adata, ~held))


@pytest.fixture(scope="module")
def new(adata: ad.AnnData, held: np.ndarray) -> ad.AnnData:
    return cells_of(adata, held)


def test_cells_go_to_their_type_and_a_new_type_is_flagged(
    base: ad.AnnData, new: ad.AnnData
) -> None:
    placed = place(base, new).obs
    known = (new.obs["label"] != LACKING).to_numpy()
    assert ("type" + placed["cluster"].astype(str)[known] == new.obs["label"][known]).mean() > 0.98
    assert (placed["cell_type"].astype(str) == "<T & B> " + placed["cluster"].astype(str)).all()
    assert set(placed["cluster_coarse"][placed["cluster"] == "0"]) == {"0"}
    assert (placed["cluster_fine"].astype(str) == placed["cluster"].astype(str)).all()
    assert placed["unlike_known"][known].mean() <= 0.06
    assert placed["unlike_known"][~known].mean() > 0.9
    assert placed["cluster_confidence"].between(0, 1 + 1e-9).all()
    assert placed["cluster_confidence"][known].mean() > 0.9


def test_the_same_seed_gives_the_same_bytes(base: ad.AnnData, new: ad.AnnData) -> None:
    first, second = (place(base, new, correction="always") for _ in range(2))
    pd.testing.assert_frame_equal(first.obs, second.obs)
    np.testing.assert_array_equal(first.components, second.components)


def test_a_shifted_batch_is_corrected_towards_the_base(
    base: ad.AnnData, adata: ad.AnnData, held: np.ndarray
) -> None:
    shifted = cells_of(adata, held & (adata.obs["label"] != LACKING).to_numpy())
    factors = np.random.default_rng(0).choice([1, 6], adata.n_vars)
    shifted.X = csr_matrix(shifted.X.multiply(factors)).astype(np.int32)
    placed = place(base, shifted)
    assert placed.judgement.corrected
    assert ("type" + placed.obs["cluster"].astype(str) == shifted.obs["label"]).mean() > 0.95
    as_it_is = place(base, shifted, correction="none")
    assert not as_it_is.judgement.corrected
    assert placed.obs["unlike_known"].mean() < as_it_is.obs["unlike_known"].mean()


def test_cells_like_the_base_are_not_corrected(base: ad.AnnData, new: ad.AnnData) -> None:
    assert not place(base, new).judgement.corrected


def test_of_many_cells_a_sketch_is_judged(
    base: ad.AnnData, new: ad.AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exact search among all cells would take four times as long for twice as many."""
    searched, whole = [], place(base, new)

    def graph(scores: np.ndarray) -> csr_matrix:
        searched.append(len(scores))
        return shared_neighbor_graph(scores)

    monkeypatch.setattr("scsiameseclu.clustering.placement.JUDGED_CELLS", 150)
    monkeypatch.setattr("scsiameseclu.clustering.placement.shared_neighbor_graph", graph)
    few = place(base, new)
    assert searched == [150]
    assert few.judgement.corrected == whole.judgement.corrected
    assert few.judgement.need == pytest.approx(whole.judgement.need, abs=0.2)
    pd.testing.assert_frame_equal(few.obs, whole.obs)


def test_genes_that_the_new_cells_lack_are_left_out(base: ad.AnnData, new: ad.AnnData) -> None:
    fewer = new[:, 100:].copy()
    placed = place(base, fewer)
    assert placed.n_shared < placed.n_genes
    known = (new.obs["label"] != LACKING).to_numpy()
    assert (
        "type" + placed.obs["cluster"].astype(str)[known] == new.obs["label"][known]
    ).mean() > 0.95


def test_cells_of_other_genes_are_refused(base: ad.AnnData, new: ad.AnnData) -> None:
    with pytest.raises(
        InputError, match=r"have 146 of the \d+ variable genes of the base, fewer than half"
    ):
        place(base, new[:, :150].copy())
    with pytest.raises(InputError, match="have 0 of the"):
        place(
            base, ad.AnnData(new.X, var=pd.DataFrame(index=[f"Gene{i}" for i in range(new.n_vars)]))
        )


def test_genes_match_by_id_or_by_name() -> None:
    base = pd.DataFrame(
        {"gene_ids": ["ENSG00000000001.2", "ENSG00000000002.1", "ENSG00000000003"]},
        index=list("abc"),
    )
    renamed = pd.DataFrame({"gene_ids": ["ENSG00000000003.9", "ENSG00000000001"]}, index=list("xy"))
    here, there = matching_genes(base, renamed)
    assert (here.tolist(), there.tolist()) == ([0, 2], [1, 0])
    here, there = matching_genes(base, pd.DataFrame({"gene_ids": list("nop")}, index=list("cax")))
    assert (here.tolist(), there.tolist()) == ([0, 2], [1, 0])
    assert matching_genes(base, pd.DataFrame(index=["a", "a"]))[0].size == 0


def test_of_very_large_clusters_some_cells_are_used(
    base: ad.AnnData, new: ad.AnnData, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("scsiameseclu.clustering.placement.MOST_CELLS", 40)
    write_h5ad(base.copy(), tmp_path / "base.h5ad")
    few = read_base(tmp_path / "base.h5ad")
    assert few.obs["cluster"].value_counts().max() == 40
    pd.testing.assert_frame_equal(place(base, new).obs, place(few, new).obs)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda base: base.layers.pop("counts"), r"no layers\['counts'\]"),
        (lambda base: base.obs.pop("cell_type"), r"no obs\['cell_type'\]"),
        (lambda base: base.varm.pop("PCs"), r"no varm\['PCs'\]"),
        (lambda base: base.uns.pop("scsiameseclu"), r"no uns\['scsiameseclu'\]"),
    ],
)
def test_another_anndata_is_not_accepted_as_a_base(
    base: ad.AnnData, new: ad.AnnData, spoil, message: str
) -> None:
    other = base.copy()
    spoil(other)
    with pytest.raises(InputError, match=f"not a result of this pipeline: it has {message}"):
        place(other, new)


@pytest.mark.parametrize("content", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n"])
def test_another_file_is_not_accepted_as_a_base(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "base").write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read as an \.h5ad file"):
        read_base(tmp_path / "base")


def test_the_command_writes_the_same_files_as_the_clustering(
    base: ad.AnnData, new: ad.AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_h5ad(base.copy(), "base")
    group = normalize(new, min_cells_per_gene=0)
    set_settings(
        group,
        {"group": "G", "n_clusters": 4, "organism": "human", "tissue": "blood", "samples": []},
    )
    write_h5ad(group, "G.expression.h5ad")
    place_group(prefix="G", expression=Path("G.expression.h5ad"), base=Path("base"))
    result = ad.read_h5ad("G.clustering.h5ad")
    assert list(result.obs_names) == list(group.obs_names)
    levels = ["cluster", "cluster_coarse", "cluster_fine"]
    assert set(result.obs) == {*levels, "cell_type", "cluster_confidence", "unlike_known"}
    assert result.obs["unlike_known"].dtype == bool
    assert result.obsm["X_scsiameseclu"].dtype == np.float32
    assert read_table("G.training_history.tsv").empty
    summary = read_json("G.clustering.json")
    assert summary["n_clusters"] == 3
    assert summary["placement"]["n_unlike_known"] == result.obs["unlike_known"].sum()
    assert {"stability_ari", "device", "seconds", "peak_memory_mb"} <= set(summary)
    assert any("4 clusters were asked for" in note for note in summary["notes"])
    files = {
        "prefix": "G",
        "expression": Path("G.expression.h5ad"),
        "clustering": Path("G.clustering.h5ad"),
    }
    compare(**files)
    assert "consensus" not in read_table("G.comparison.tsv")
    celltypes(**files, markers_db=ROOT / "assets" / "markers")
    types = read_table("G.annotation.tsv")
    assert types["cell_type"].tolist() == [f"<T & B> {cluster}" for cluster in types["cluster"]]
