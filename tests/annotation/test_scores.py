"""Scores of cells: the values of scanpy and of UCell's definition; hostile names; bad files."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import sparse
from scipy.stats import rankdata
from scsiameseclu.annotation.assemble import assemble
from scsiameseclu.annotation.cell_cycle import cell_cycle
from scsiameseclu.annotation.check import check
from scsiameseclu.annotation.gene_sets import read_gene_sets, read_genes
from scsiameseclu.annotation.rank_scores import rank_scores
from scsiameseclu.annotation.scores import column_names, scores
from scsiameseclu.annotation.symbols import GenePlaces
from scsiameseclu.errors import InputError
from scsiameseclu.files import read_json, read_table, write_table

from tests.pipeline.conftest import ROOT

from .conftest import simulate, write_group

BUNDLED = sorted((ROOT / "assets" / "gene_sets").glob("*.gmt"))
BY_NAME = {name: of for path in BUNDLED for name, of in read_gene_sets(path).items()}
HOSTILE = "=cmd|' /C <script>alert(1)</script>"


def with_phases(organism: str = "human") -> ad.AnnData:
    """Return the simulated group with planted S phase in cluster 0 and stress in cluster 2."""
    adata = simulate()
    names = [*BY_NAME["S phase"], *BY_NAME["G2M phase"], *BY_NAME["dissociation stress"]]
    if organism == "mouse":
        names = [name.capitalize() for name in names]
    adata.var_names = [*adata.var_names[:100], *names, *adata.var_names[100 + len(names) :]]
    adata.var["gene_symbols"] = adata.var_names
    counts = adata.layers["counts"].toarray()
    counts[adata.obs["cluster"] == "0", 100:143] += 4
    counts[adata.obs["cluster"] == "2", 197:223] += 40
    adata.layers["counts"] = sparse.csr_matrix(counts)
    normalized = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    adata.X = sparse.csr_matrix(normalized.astype(np.float32))
    adata.uns["settings"] = json.dumps({"group": "g", "organism": organism, "samples": []})
    return adata


@pytest.fixture
def scored(tmp_path, monkeypatch):
    """Write a group of planted phases; return a function that scores it."""
    monkeypatch.chdir(tmp_path)

    def run(organism: str = "human", **options):
        group = write_group(with_phases(organism), tmp_path)
        scores(prefix="g", expression=group.expression, clustering=group.clustering, **options)
        return group

    return run


def test_the_cell_cycle_is_scored_as_scanpy_does():
    adata = with_phases()
    lists = {"s_genes": BY_NAME["S phase"], "g2m_genes": BY_NAME["G2M phase"]}
    sc.tl.score_genes_cell_cycle(adata, **lists)
    places = GenePlaces(adata)
    ours = cell_cycle(adata.X, *(places.find_all(genes) for genes in lists.values()))
    for name in ("S_score", "G2M_score"):
        np.testing.assert_allclose(ours[name], adata.obs[name], atol=1e-6)
    assert list(ours["phase"]) == list(adata.obs["phase"])


def test_rank_scores_are_those_of_the_definition():
    random = np.random.default_rng(1)
    counts = random.poisson(0.6, (40, 90))
    counts[0] = 0
    sets = [[1, 5, 7], list(range(20, 60)), [3, 89]]
    for last in (25, 1500):
        ours = rank_scores(sparse.csr_matrix(counts), sets, max_rank=last)
        top = min(last, 90)
        for cell, values in enumerate(counts):
            ranks = rankdata(-values, method="average")
            ranks[ranks > top] = top + 1
            for column, genes in enumerate(sets):
                n = len(genes)
                u = ranks[genes].sum() - n * (n + 1) / 2
                expected = 0 if (ranks[genes] > top).all() else 1 - u / (n * top)
                assert ours[cell, column] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("organism", ["human", "mouse"])
def test_planted_phase_and_stress_are_found(scored, organism):
    group = scored(organism, bundled=BUNDLED)
    table = read_table("g.cell_scores.tsv", dtype={"cluster": str})
    clusters = table[table["cluster"].notna()].set_index("cluster")
    assert clusters["share_S"].idxmax() == "0"
    assert clusters["high_dissociation"].to_dict() == {"0": "no", "1": "no", "2": "yes"}
    assert set(table["sample"].dropna()) == {"one", "two.x"}
    shares = clusters[["share_G1", "share_S", "share_G2M"]].sum(axis=1)
    assert shares.to_numpy() == pytest.approx(1, abs=1e-3)
    assert read_json("g.cell_scores.json")["notes"] == []
    counts = group.adata.layers["counts"].toarray()
    expected = 100 * counts[:, 197:223].sum(axis=1) / counts.sum(axis=1)
    found = read_table("g.scored_cells.tsv")["pct_counts_dissociation"]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_other_organisms_and_missing_genes_are_noted(scored, group):
    scored("other", bundled=BUNDLED)
    (note,) = read_json("g.cell_scores.json")["notes"]
    assert "known only for human and mouse" in note
    scores(prefix="h", expression=group.expression, clustering=group.clustering, bundled=BUNDLED)
    for path in ("g.scored_cells.tsv", "h.scored_cells.tsv"):
        assert list(read_table(path)) == ["barcode"]


def test_missing_genes_are_noted(group):
    scores(prefix="g", expression=group.expression, clustering=group.clustering, bundled=BUNDLED)
    notes = read_json("g.cell_scores.json")["notes"]
    assert [note.split(",")[0] for note in notes] == [
        "Not scored: S phase", "Not scored: G2M phase", "Not scored: dissociation stress"
    ]  # fmt: skip
    assert list(read_table("g.scored_cells.tsv")) == ["barcode"]


def test_sets_of_any_name_become_columns_and_a_table(group, tmp_path):
    sets = tmp_path / "sets.gmt"
    lines = [
        f"{HOSTILE}\tx\tCD3D\tcd3e\tCD2\tnone",
        "T cell\tx\tCD3D\tCD3E\tCD3G",
        "t_CELL\tx\tMS4A1\tCD79A\tCD79B",
        "細胞\tx\tLYZ\tFCN1\tAIF1",
        "rare\tx\tCD3D\tCD3E\tCD3G\t" + "\t".join(f"NOT{i}" for i in range(20)),
    ]
    sets.write_text("\n".join(lines))
    files = {"expression": group.expression, "clustering": group.clustering}
    scores(prefix="g", **files, gene_sets=sets)
    table = read_table("g.gene_set_scores.tsv", dtype={"cluster": str})
    columns = dict(zip(table["set"], table["column"], strict=True))
    assert columns["T cell"] == "score_T_cell"
    assert columns["t_CELL"] == "score_t_CELL_2"
    assert columns["細胞"] == "score_set"
    (rare,) = table[table["set"] == "rare"].to_dict("records")
    assert rare["note"].startswith("not scored")
    assert (rare["n_genes"], rare["n_found"]) == (23, 3)
    as_written = read_table("g.gene_set_scores.tsv", dtype=str)
    numbers = [*as_written["mean"].dropna(), *as_written["median"].dropna()]
    assert max(len(number.partition(".")[2]) for number in numbers) == 4
    means = table[table["set"] == "T cell"].set_index("cluster")["mean"]
    assert means.idxmax() == "0"

    umap = pd.DataFrame({"barcode": group.adata.obs_names, "umap_1": 0.0, "umap_2": 0.0})
    write_table(umap, "g.umap.tsv")
    types = pd.DataFrame({"cluster": ["0", "1", "2"], "cell_type": "Unknown"})
    write_table(types, "g.annotation.tsv")
    found = tmp_path / "g.scored_cells.tsv"
    assemble(
        prefix="g", **files, umap=tmp_path / "g.umap.tsv", columns=[found],
        annotation=tmp_path / "g.annotation.tsv",
    )  # fmt: skip
    obs = ad.read_h5ad("g.h5ad").obs
    assert obs["score_T_cell"].dtype == np.float32
    assert obs.groupby("cluster", observed=True)["score_T_cell"].mean().idxmax() == "0"
    assert not [name for name in obs if "<" in name or "=" in name]


def test_a_set_does_not_overwrite_a_column():
    assert column_names(["x", "X!"], taken=["Score_X"]) == {"x": "score_x_2", "X!": "score_X_3"}


def test_genes_of_interest_are_found_by_symbol_and_id_or_named_with_the_nearest(group, tmp_path):
    genes = tmp_path / "genes.txt"
    genes.write_text(f"CD3D\nENSG00000000001\nms4a1\nCD79C\n{HOSTILE}\n")
    scores(prefix="g", expression=group.expression, clustering=group.clustering, genes=genes)
    account = read_json("g.cell_scores.json")["genes"]
    assert [row["found"] for row in account] == ["CD3D", "CD3E", "MS4A1", None, None]
    assert account[3]["nearest"] in ("CD79A", "CD79B")
    assert account[4]["nearest"] is None
    table = read_table("g.genes_of_interest.tsv", dtype={"cluster": str})
    x = group.adata[group.adata.obs["cluster"] == "0", "CD3D"].X.toarray()
    (row,) = table[(table["cluster"] == "0") & (table["gene"] == "CD3D")].to_dict("records")
    assert row["share"] == pytest.approx((x > 0).mean(), abs=1e-4)
    assert row["mean"] == pytest.approx(x.mean(), abs=1e-4)
    assert list(read_table("g.drawn_cells.tsv"))[1:] == ["gene_0", "gene_1", "gene_2"]


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("a,b,c,d\n", "no tabs", 1),
        ("a\tx\tG1\n\nb\tx\t\t \n", "has no genes", 3),
        ("a\tx\tG1\nb\tx\tG1\n a \ty\tG2\n", "the gene set 'a' comes twice", 3),
        ("\tx\tG1\n", "has no name", 1),
        ("a\tx\tG1\nb\0\tx\tG1\n", "null character", 2),
        ("\n\n", "no gene sets", None),
        ("".join(f"s{i}\tx\tG\n" for i in range(101)), "has 101 gene sets", None),
    ],
)
def test_a_file_of_sets_that_is_wrong_is_refused_early(tmp_path, monkeypatch, text, what, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "given").write_text(text)
    (tmp_path / "samples.json").write_text('[{"organism": "human", "extra": {"phase": "1"}}]')
    (tmp_path / "names.json").write_text(
        json.dumps({"gene_sets": "/data/my sets.gmt", "genes_of_interest": "no/such.txt"})
    )
    with pytest.raises(InputError) as caught:
        check(
            samples=tmp_path / "samples.json", gene_sets=tmp_path / "given", cell_scores=True,
            names=tmp_path / "names.json",
        )  # fmt: skip
    column, sets, genes = caught.value.problems
    assert "column 'phase'" in column.what
    assert what in sets.what
    assert sets.where == "my sets.gmt" + (f", line {line}" if line else "")
    assert sets.remedy
    assert "no such file" in genes.what


def test_checked_files_are_passed_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "given").write_bytes("\ufeffa\tx\tG1\tG1\tG2\r\n".encode())
    (tmp_path / "genes").write_text("CD3D, MS4A1\n\nCD3D\n")
    (tmp_path / "samples.json").write_text('[{"organism": "human"}]')
    files = {"gene_sets": tmp_path / "given", "genes": tmp_path / "genes"}
    check(samples=tmp_path / "samples.json", **files)
    assert read_gene_sets(tmp_path / "gene_sets.gmt") == {"a": ["G1", "G2"]}
    assert (tmp_path / "genes_of_interest.txt").read_text() == "CD3D\nMS4A1\n"
    for wrong in (" , ", ",".join(f"G{i}" for i in range(51))):
        with pytest.raises(InputError, match="genes of interest"):
            read_genes(wrong, where="--genes_of_interest")


def test_a_missing_id_matches_no_gene():
    adata = simulate()
    adata.var["gene_ids"] = adata.var["gene_ids"].astype(object)
    adata.var.iloc[7, adata.var.columns.get_loc("gene_ids")] = np.nan
    assert GenePlaces(adata).find_all(["nan", "NaN"]) == []
