"""Differential expression between conditions."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scsiameseclu.annotation.differential import COLUMNS, differential
from scsiameseclu.files import read_json, read_table, set_settings, settings, write_json

from .conftest import differential_expression, simulate, write_group

pytestmark = pytest.mark.slow

PLANTED = [f"GENE{i}" for i in range(100, 110)]


def treated(samples: dict[str, str]):
    """Return samples with conditions; in cluster 0 some genes are 5 times higher in treated."""
    adata = simulate((160, 120, 40))
    names = np.array(sorted(samples))[np.arange(adata.n_obs) % len(samples)]
    adata.obs["sample"] = names
    adata.obs["condition"] = [samples[name] for name in names]
    counts = adata.layers["counts"].toarray()
    rng = np.random.default_rng(0)
    cells = ((adata.obs["condition"] == "treated") & (adata.obs["cluster"] == "0")).to_numpy()
    genes = [adata.var_names.get_loc(gene) for gene in PLANTED]
    counts[:, genes] = rng.poisson(1.0, (adata.n_obs, len(genes)))
    counts[np.ix_(cells, genes)] = rng.poisson(5.0, (cells.sum(), len(genes)))
    adata.layers["counts"] = sparse.csr_matrix(counts)
    return adata


FOUR = {"a": "control", "b": "treated", "c": "control", "d": "treated"}


def test_planted_genes_are_found_in_their_cluster_only():
    table, notes = differential_expression(treated(FOUR), condition="condition")

    assert list(table) == COLUMNS
    assert set(zip(table["condition"], table["baseline"], strict=True)) == {("treated", "control")}
    first = table[table["cluster"] == "0"].head(10)
    assert set(first["gene"]) == set(PLANTED)
    assert first["log2_fold_change"].between(1.8, 2.9).all()
    assert (first["p_value_adjusted"] < 1e-4).all()
    others = table[(table["cluster"] != "0") & (table["p_value_adjusted"] < 0.05)]
    assert len(others) <= 5
    assert (
        table.groupby("cluster")["p_value"].apply(lambda p: p.dropna().is_monotonic_increasing)
    ).all()
    assert notes == []


def test_the_same_twice():
    one, two = (differential_expression(treated(FOUR), condition="condition")[0] for _ in range(2))
    pd.testing.assert_frame_equal(one, two, check_exact=True)


@pytest.mark.parametrize(
    ("samples", "note"),
    [
        ({"a": "control", "b": "treated"}, "1 of 'control', 1 of 'treated', and 2 are needed"),
        ({"a": "control", "b": "control", "c": "treated"}, "1 of 'treated', and 2 are needed"),
        ({"a": "control", "b": "control"}, "fewer than two conditions"),
        ({"a": "control", "b": ""}, "fewer than two conditions"),
    ],
)
def test_missing_replicates_are_the_reason_given(samples, note):
    table, notes = differential_expression(treated(samples), condition="condition")

    assert table.empty
    assert list(table) == COLUMNS
    assert all(note in reported for reported in notes)
    assert notes


def test_small_samples_of_a_cluster_do_not_count():
    adata = treated(FOUR)
    adata.obs["cluster"] = adata.obs["cluster"].cat.add_categories("tiny")
    adata.obs.loc[adata.obs_names[:20], "cluster"] = "tiny"

    table, notes = differential_expression(adata, condition="condition")

    assert "tiny" not in set(table["cluster"])
    assert len(notes) == 1
    assert notes[0].startswith(
        "cluster tiny, 'treated' against 'control': samples with at least 10 cells: 0 of"
    )


def test_the_conditions_are_those_of_the_samplesheet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    adata = treated(FOUR)
    adata.obs = adata.obs.drop(columns="condition")
    rows = [
        {"sample": name, "extra": {"what ever?": condition}} for name, condition in FOUR.items()
    ]
    set_settings(adata, settings(adata) | {"samples": rows})
    group = write_group(adata, tmp_path)

    write_json({"condition": "what ever?", "formula": None}, "design.json")

    design = Path("design.json")
    differential(
        prefix="g", expression=group.expression, clustering=group.clustering, design=design
    )

    assert set(read_table("g.differential_expression.tsv").head(10)["gene"]) == set(PLANTED)
    account = read_json("g.differential_expression.json")
    assert account == {"condition": "what ever?", "formula": "~ what ever?", "notes": []}
    bulk = ad.read_h5ad("g.pseudobulk.h5ad")
    assert bulk.X.sum() == adata.layers["counts"].sum()
    assert list(bulk.obs) == ["cluster", "sample", "n_cells", "what ever?"]
    assert bulk.obs["n_cells"].sum() == adata.n_obs
    assert dict(zip(bulk.obs["sample"], bulk.obs["what ever?"], strict=True)) == FOUR
