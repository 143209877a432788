"""Cell types of clusters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scsiameseclu.annotation.celltypes import COLUMNS, UNKNOWN, annotate_clusters, celltypes
from scsiameseclu.annotation.marker_sets import CellType, cell_types_for, read_marker_sets
from scsiameseclu.errors import InputError
from scsiameseclu.files import read_table, set_settings, settings

from .conftest import TYPES, simulate, write_group
from .test_marker_sets import ASSETS


@pytest.fixture(scope="module")
def blood():
    return cell_types_for(read_marker_sets(ASSETS), tissue="blood", organism="human")


def test_planted_types_are_named_with_evidence(adata, blood):
    table = annotate_clusters(adata, blood)

    assert list(table) == COLUMNS
    assert list(table["cell_type"]) == list(TYPES)
    assert list(table["n_cells"]) == [100, 60, 50]
    for evidence, genes in zip(table["evidence"], TYPES.values(), strict=True):
        assert set(evidence.split(", ")) <= set(genes)
    assert (table["p_value"] <= 0.03).all()
    assert (table["margin"] > 0.1).all()
    assert (table["runner_up"] != table["cell_type"]).all()


def test_same_seed_gives_the_same_table(adata, blood):
    assert annotate_clusters(adata, blood, seed=3).equals(annotate_clusters(adata, blood, seed=3))


@pytest.mark.slow  # many permutation tests
def test_random_clusters_are_unknown(adata, blood):
    rng = np.random.default_rng(0)
    found = []
    for seed in range(10):
        adata.obs["cluster"] = pd.Categorical(rng.integers(0, 4, adata.n_obs).astype(str))
        found += list(annotate_clusters(adata, blood, seed=seed)["cell_type"])

    assert np.mean(np.array(found) == UNKNOWN) >= 0.95


@pytest.mark.slow  # many permutation tests
def test_permuted_genes_give_unknown(adata, blood):
    rng = np.random.default_rng(0)
    found = []
    for seed in range(12):
        adata.var["gene_symbols"] = rng.permutation(adata.var["gene_symbols"].to_numpy())
        found += list(annotate_clusters(adata, blood, seed=seed)["cell_type"])

    assert np.mean(np.array(found) == UNKNOWN) >= 0.95


def test_a_subtype_is_named_only_by_its_own_markers(blood):
    adata = simulate()
    genes = adata.var["gene_symbols"].to_numpy().copy()
    genes[-3:] = ["CD8A", "CD8B", "GZMK"]
    adata.var["gene_symbols"] = genes
    X = adata.X.toarray()
    X[:, -3:] = 0.05
    X[:50, -3:] = 2.0
    adata.X = X
    codes = adata.obs["cluster"].astype(str).to_numpy()
    codes[:50] = "3"
    adata.obs["cluster"] = pd.Categorical(codes)

    found = annotate_clusters(adata, blood).set_index("cluster")["cell_type"]

    assert found["3"] == "CD8 T cell"
    assert found["0"] == "T cell"


def halves(share: float):
    """Return T cells and B cells, the T cells in two clusters: pure, and with another's share."""
    adata = simulate((200, 60, 50))
    genes = [*TYPES["T cell"], "CD8A", "CD8B", "GZMK", "GZMH", "CD4", "IL7R", "CCR7", "LEF1"]
    symbols = adata.var["gene_symbols"].to_numpy().copy()
    symbols[-8:] = genes[-8:]
    adata.var["gene_symbols"] = symbols
    X = adata.X.toarray()
    rng = np.random.default_rng(0)
    codes = adata.obs["cluster"].astype(str).to_numpy().copy()
    codes[:100] = "3"
    cd8 = np.zeros(adata.n_obs, dtype=bool)
    cd8[:100] = True
    cd8[: round(100 * share)] = False
    t_cells = np.arange(adata.n_obs) < 200
    X[:, -8:-4] = np.where(
        cd8[:, None], rng.gamma(8, 0.25, (adata.n_obs, 4)), 0.05 * rng.random((adata.n_obs, 4))
    )
    cd4 = t_cells & ~cd8
    X[:, -4:] = np.where(
        cd4[:, None], rng.gamma(8, 0.25, (adata.n_obs, 4)), 0.05 * rng.random((adata.n_obs, 4))
    )
    adata.X = X
    adata.obs["cluster"] = pd.Categorical(codes)
    return adata


@pytest.mark.parametrize(
    ("share", "name"), [(0.0, "CD8 T cell"), (0.1, "CD8 T cell"), (0.4, "T cell")]
)
def test_a_cluster_of_two_subtypes_has_the_name_of_their_parent(blood, share, name):
    assert annotate_clusters(halves(share), blood).set_index("cluster")["cell_type"]["3"] == name


def test_one_heavy_marker_is_not_enough():
    heavy = {
        "a": CellType("a", None, {"CD3D": 10.0, "CD3E": 1.0}),
        "b": CellType("b", None, {"MS4A1": 1.0, "CD79A": 1.0}),
    }

    assert set(annotate_clusters(simulate(), heavy)["cell_type"]) <= {UNKNOWN, "b"}


@pytest.mark.parametrize("genome", ["GRCh38_", "hg19___", "GRCh38-2024-A_"])
def test_ids_as_names_and_decorated_symbols(adata, blood, genome):
    adata.var_names = adata.var["gene_ids"].to_numpy()
    assert list(annotate_clusters(adata, blood)["cell_type"]) == list(TYPES)
    adata.var_names = genome + adata.var.pop("gene_symbols").astype(str) + "_ENSG00000000001"
    adata.var_names_make_unique()
    assert list(annotate_clusters(adata, blood)["cell_type"]) == list(TYPES)


def test_one_cluster_or_foreign_genes_are_unknown(adata, blood):
    foreign = adata.copy()
    foreign.var["gene_symbols"] = [f"x{i}" for i in range(adata.n_vars)]
    assert set(annotate_clusters(foreign, blood)["cell_type"]) == {UNKNOWN}
    adata.obs["cluster"] = pd.Categorical(["0"] * adata.n_obs)
    table = annotate_clusters(adata, blood)
    assert list(table["cell_type"]) == [UNKNOWN]
    assert "only one cluster" in table["evidence"][0]


def test_command_uses_the_tissue_and_organism_of_the_settings(group):
    celltypes(
        prefix="g", expression=group.expression, clustering=group.clustering, markers_db=ASSETS
    )

    assert list(read_table("g.annotation.tsv")["cell_type"]) == list(TYPES)


@pytest.mark.parametrize(
    ("tissue", "note"), [("toenail", "no marker sets for the tissue"), (None, "names no tissue")]
)
def test_unknown_tissue_gives_unknown(adata, tmp_path, monkeypatch, tissue, note):
    monkeypatch.chdir(tmp_path)
    set_settings(adata, settings(adata) | {"tissue": tissue})
    group = write_group(adata, tmp_path)

    celltypes(
        prefix="g", expression=group.expression, clustering=group.clustering, markers_db=ASSETS
    )

    table = read_table("g.annotation.tsv")
    assert list(table) == [*COLUMNS, "cell_type_ontology_term_id"]
    assert set(table["cell_type"]) == {UNKNOWN}
    assert table["evidence"].str.contains(note).all()


def test_users_own_sets(group):
    own = group.folder / "own.tsv"
    rows = [f"my {name}\t{gene}\n" for name, genes in TYPES.items() for gene in genes]
    own.write_text("cell_type\tgene\n" + "".join(rows))

    celltypes(prefix="g", expression=group.expression, clustering=group.clustering, markers_db=own)

    assert list(read_table("g.annotation.tsv")["cell_type"]) == [f"my {name}" for name in TYPES]


def test_users_own_sets_for_another_organism_are_an_error(group):
    own = group.folder / "own.tsv"
    own.write_text("organism\tcell_type\tgene\nmouse\tA\tCd3d\n")

    with pytest.raises(InputError, match="the organism is 'human'"):
        celltypes(
            prefix="g", expression=group.expression, clustering=group.clustering, markers_db=own
        )


def test_parent_without_markers_among_the_genes_is_named_when_its_children_score_alike(adata):
    half = {"left": TYPES["T cell"][:5], "right": TYPES["T cell"][5:]}
    types = {
        name: CellType(name, "both", dict.fromkeys(genes, 1.0)) for name, genes in half.items()
    }
    types["both"] = CellType("both", None, {"ABSENT": 1.0})
    types["other"] = CellType("other", None, dict.fromkeys(TYPES["monocyte"], 1.0))

    table = annotate_clusters(adata, types)

    assert table["cell_type"][0] == "both"
    assert table["evidence"][0]
    assert table["cell_type"][2] == "other"
