"""Two conditions and three donors: planted effects are found, with and without donors."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from scsiameseclu.annotation.composition import (
    COLUMNS,
    compare_composition,
    composition_test,
    moderated,
    squeezed,
)
from scsiameseclu.annotation.design import (
    Design,
    check_design,
    design_matrix,
    parse_design,
    replicates,
)
from scsiameseclu.annotation.differential import compare, differential
from scsiameseclu.annotation.pseudobulk import pseudobulk
from scsiameseclu.annotation.shares import cells_by_type
from scsiameseclu.errors import InputError
from scsiameseclu.files import (
    read_json,
    read_table,
    set_settings,
    write_h5ad,
    write_json,
    write_table,
)

from .conftest import differential_expression

N_GENES, N_CELLS = 200, 400
SHARES = np.array([0.3, 0.2, 0.15, 0.15, 0.1, 0.1])
TYPES = ("T cell", "B cell", "NK cell", "monocyte", "platelet", "Unknown")
CHANGED = [f"G{number}" for number in range(20)]
DONORS = ("d1", "d2", "d3")
HOSTILE = "treated | <b> 'x'"
SAMPLES = pd.DataFrame(
    [(donor, condition) for condition in ("control", "treated") for donor in DONORS],
    index=["c1", "c2", "c3", "t1", "t2", "t3"],
    columns=["donor", "condition"],
)
UNPAIRED, PAIRED = Design("condition"), Design("condition", ("donor",))


def planted(
    *, seed: int = 1, effect: float = 4.0, halved: float = 0.5, donors: float = 0.3
) -> ad.AnnData:
    """Return 6 samples of 6 types.

    In the treated, 20 genes of type 0 are changed and type 3 is halved.
    """
    rng = np.random.default_rng(seed)
    rates = np.exp(rng.normal(0, 1, (6, N_GENES)))
    rates[0, :20] = 2.0
    own = {donor: np.exp(rng.normal(0, donors, N_GENES)) for donor in DONORS}
    counts, obs = [], []
    for sample, (donor, condition) in zip(
        SAMPLES.index, SAMPLES.itertuples(index=False), strict=True
    ):
        treated = condition == "treated"
        shares = rng.dirichlet(600 * SHARES * ([1, 1, 1, halved, 1, 1] if treated else np.ones(6)))
        types = rng.permutation(np.repeat(range(6), rng.multinomial(N_CELLS, shares)))
        means = rates[types] * own[donor]
        means[np.ix_(types == 0, range(20))] *= (
            np.tile([effect, 1 / effect], 10) if treated else 1.0
        )
        counts.append(rng.negative_binomial(3, 3 / (3 + means)))
        obs.append(
            pd.DataFrame(
                {
                    "sample": sample,
                    "donor": donor,
                    "condition": condition,
                    "cluster": types.astype(str),
                }
            )
        )
    cells = pd.concat(obs, ignore_index=True).rename(index=str)
    adata = ad.AnnData(
        obs=cells, var=pd.DataFrame(index=[f"G{number}" for number in range(N_GENES)])
    )
    adata.layers["counts"] = sparse.csr_matrix(np.vstack(counts).astype(np.int32))
    return adata


def shares_of(adata: ad.AnnData) -> pd.DataFrame:
    sizes = adata.obs.groupby(["cluster", "sample"]).size().rename("n_cells").reset_index()
    return cells_by_type(sizes, dict(zip("012345", TYPES, strict=True)))


@pytest.mark.parametrize("covariates", [(), ("donor",)], ids=["unpaired", "paired"])
def test_only_the_planted_genes_are_found(covariates: tuple[str, ...]) -> None:
    adata = planted()
    adata = adata[adata.obs["cluster"].isin(["0", "1", "3"])]
    table, notes = differential_expression(adata, condition="condition", covariates=covariates)
    found = table[table["p_value_adjusted"] < 0.05]
    assert notes == []
    assert set(table["contrast"]) == {"treated vs control"}
    assert set(found["cluster"]) == {"0"}
    assert set(found["gene"]) == set(CHANGED)
    up = found["gene"].isin(CHANGED[::2])
    assert ((found["log2_fold_change"] > 0) == up).all()


@pytest.mark.parametrize("design", [UNPAIRED, PAIRED], ids=["unpaired", "paired"])
def test_only_the_planted_share_is_found(design: Design) -> None:
    table = composition_test(shares_of(planted()), SAMPLES, design)
    assert list(table) == COLUMNS
    first, others = table.iloc[0], table.iloc[1:]
    assert first["cell_type"] == "monocyte"
    assert first["p_val_adj"] < 0.05
    assert first["difference"] < -0.05
    assert (others["p_val_adj"] > 0.05).all()
    assert set(table["note"]) == {
        "low power: 3 of 'treated', 3 of 'control'; only large changes can be detected"
    }
    assert "Unknown, cluster 5" in set(table["cell_type"])


def test_types_without_a_cell_in_both_conditions_are_not_tested() -> None:
    cells = shares_of(planted())
    depths = [1, 5, 2, 30, 20, 40, 1, 1]
    cells = pd.concat([cells, cells.iloc[:2].set_axis(["x1", "x2"])]).mul(depths, axis=0)
    third = pd.DataFrame({"donor": "d1", "condition": "x"}, index=["x1", "x2"])
    samples = pd.concat([SAMPLES, third])

    table = composition_test(cells.assign(rare=[0] * 6 + [50] * 2), samples, UNPAIRED)

    table = table[table["condition"] == "treated"]
    rare = table.set_index("cell_type").loc["rare"]
    assert rare["note"] == "not tested: no cell of it in either condition"
    assert rare[["mean_share_condition", "mean_share_baseline", "difference"]].tolist() == [0, 0, 0]
    assert rare[["log_odds_ratio", "statistic", "p_val", "p_val_adj"]].isna().all()
    expected = composition_test(cells, SAMPLES, UNPAIRED)
    pd.testing.assert_frame_equal(table[table["cell_type"] != "rare"], expected)

    alone = cells * (cells.columns == cells.columns[0])
    notes = composition_test(alone, SAMPLES, UNPAIRED).set_index("cell_type")["note"]
    assert set(notes) == {"not tested: there is only one cell type"}


def test_permuted_conditions_find_nothing() -> None:
    adata = planted()
    mixed = SAMPLES.assign(
        condition=["treated", "control", "control", "treated", "control", "treated"]
    )
    table, _ = compare(
        pseudobulk(adata[adata.obs["cluster"].isin(["0", "1", "3"])]), mixed, UNPAIRED
    )
    assert len(table)
    assert not (table["p_value_adjusted"] < 0.05).any()
    assert not (composition_test(shares_of(adata), mixed, UNPAIRED)["p_val_adj"] < 0.05).any()


def test_shares_without_a_difference_have_uniform_p_values() -> None:
    p = [
        composition_test(shares_of_random(seed), SAMPLES, UNPAIRED)["p_val"] for seed in range(200)
    ]
    assert 0.02 < np.mean(np.concatenate(p) < 0.05) < 0.08


def shares_of_random(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    cells = [rng.multinomial(500, rng.dirichlet(60 * SHARES)) for _ in SAMPLES.index]
    return pd.DataFrame(cells, index=SAMPLES.index, columns=list("abcdef"))


def test_without_shrinkage_it_is_the_t_test() -> None:
    rng = np.random.default_rng(0)
    values = pd.DataFrame(
        rng.normal(size=(6, 2)) * [1, 10], index=SAMPLES.index, columns=["a", "b"]
    )
    variances = values.groupby(SAMPLES["condition"]).var().mean().to_numpy()
    found = moderated(values, design_matrix(SAMPLES, UNPAIRED))
    plain = stats.ttest_ind(values.iloc[3:], values.iloc[:3]).statistic
    shrunk, _ = squeezed(variances, 4)
    np.testing.assert_allclose(found["statistic"], plain * np.sqrt(variances / shrunk))


def test_the_prior_of_variances_is_found() -> None:
    # A scaled inverse chi-square prior with 8 degrees of freedom and location 2.
    rng = np.random.default_rng(0)
    true = 2 * 8 / rng.chisquare(8, 4000)
    shrunk, df = squeezed(true * rng.chisquare(4, 4000) / 4, 4)
    assert 10 < df < 14
    assert np.corrcoef(np.log(shrunk), np.log(true))[0, 1] > 0.6
    alike, df = squeezed(np.ones(5), 4)
    assert df == 20
    assert np.allclose(alike, alike[0])


@pytest.mark.parametrize(
    ("samples", "note"),
    [
        (SAMPLES.iloc[:4], "not tested: samples: 1 of 'treated', and 2 are needed"),
        (
            SAMPLES.iloc[[0, 1, 3, 4]],
            "low power: 2 of 'treated', 2 of 'control'; only large changes can be detected",
        ),
        (SAMPLES.iloc[:3], None),
    ],
)
def test_few_samples_are_reported(samples: pd.DataFrame, note: str | None) -> None:
    table = composition_test(shares_of(planted()), samples, UNPAIRED)
    assert set(table["note"]) == ({note} if note else set())
    if note and note.startswith("not tested"):
        assert table["p_val"].isna().all()
        assert table["mean_share_condition"].sum() == pytest.approx(1, abs=1e-5)


def test_the_step_keeps_columns_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bulk = pseudobulk(planted())
    rows = [{"sample": name, "extra": dict(row)} for name, row in SAMPLES.iterrows()]
    set_settings(bulk, {"samples": [*rows, {"sample": "elsewhere", "extra": {"condition": ""}}]})
    write_h5ad(bulk, "g.pseudobulk.h5ad")
    write_table(pd.DataFrame({"cluster": list("012345"), "cell_type": TYPES}), "types.tsv")
    write_json({"condition": "condition", "formula": "~ donor + condition"}, "design.json")
    compare_composition(
        prefix="g",
        pseudobulk=Path("g.pseudobulk.h5ad"),
        annotation=Path("types.tsv"),
        design=Path("design.json"),
    )
    table = read_table("g.composition_test.tsv")
    assert table.iloc[0]["cell_type"] == "monocyte"
    assert len(table) == 6


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("~ donor", "does not contain the condition 'condition'"),
        ("~ donor + condition + donor", "names a column twice"),
        ("~ donor * condition", "not a sum of columns"),
        ("~ donor + ", "not a sum of columns"),
        ("~ __import__('os').system('x') + condition", "not a sum of columns"),
        ("~ age + sex + condition", "no column 'age'.*no column 'sex'"),
        ("~ batch + condition", "cannot be separated from 'condition'"),
        ("~ donor + twin + condition", "carry the same information"),
    ],
)
def test_formulas_that_cannot_be_used(formula: str, message: str) -> None:
    table = SAMPLES.assign(
        batch=SAMPLES["condition"].str.upper(), twin=SAMPLES["donor"].str.upper()
    )
    rows = [{"sample": name, "group": "g", "extra": dict(row)} for name, row in table.iterrows()]
    with pytest.raises(InputError, match=f"(?s){message}"):
        design = parse_design("condition", formula)
        assert design is not None
        check_design(rows, design)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("tissue", "column 'tissue' is the same for all samples of a group"),
        ("group", "column 'group' is the same for all samples of a group"),
        ("sample", "column 'sample' is different for each sample"),
        ("tissues", "has no column 'tissues'"),
    ],
)
def test_columns_that_samples_cannot_be_compared_by(column: str, message: str) -> None:
    rows = [
        {"sample": name, "group": "g", "tissue": "lung", "organism": "human", "extra": dict(row)}
        for name, row in SAMPLES.iterrows()
    ]
    for design in (Design(column), Design("condition", (column,))):
        with pytest.raises(InputError) as raised:
            check_design(rows, design)
        (problem,) = raised.value.problems
        assert message in problem.what
        assert problem.where == ("--formula" if design.covariates else "--condition")
        assert problem.remedy == "name one of its columns: 'condition', 'donor'"


def test_a_formula_needs_a_condition_and_names_it_last() -> None:
    with pytest.raises(InputError, match="without --condition"):
        parse_design(None, "~ donor")
    design = parse_design("condition", "~condition+donor")
    assert design == PAIRED
    assert design.formula == "~ donor + condition"
    assert parse_design(None, None) is None


def test_clusters_that_cannot_be_fitted_are_noted() -> None:
    nested = SAMPLES.assign(donor=["d1", "d1", "d2", "d3", "d4", "d4"])
    adata = planted()
    adata = adata[adata.obs["cluster"].isin(["0"])].copy()
    table, notes = compare(pseudobulk(adata), nested, PAIRED)
    assert table.empty
    note = (
        "cluster 0, 'treated' against 'control': the design is rank-deficient: "
        "'donor' cannot be separated from 'condition'"
    )
    assert notes == [note]
    adata.var["in_all_samples"] = np.arange(adata.n_vars) >= 5
    table, notes = compare(pseudobulk(adata), SAMPLES, UNPAIRED)
    assert set(table["gene"]).isdisjoint(CHANGED[:5])
    assert notes == ["5 genes, which only some of the samples were measured for"]


def pools() -> ad.AnnData:
    """Return two pools of the planted samples, with conditions given by hashtags."""
    adata = planted()
    donors, tags = adata.obs["donor"].astype(str), adata.obs["condition"].astype(object)
    adata = adata[(donors != "d3").to_numpy()].copy()
    adata.obs["hashtag"] = tags[adata.obs_names].replace({"treated": HOSTILE})
    adata.obs.iloc[:5, adata.obs.columns.get_loc("hashtag")] = [
        "Doublet", "Negative", None, "Doublet", None,
    ]  # fmt: skip
    adata.obs["sample"] = "pool_" + adata.obs["donor"].astype(str)
    return adata[:, :60].copy()


def test_hashtags_are_conditions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    adata = pools()
    clusters = ad.AnnData(obs=adata.obs[["cluster"]].astype("category"))
    write_h5ad(clusters, "g.clustering.h5ad")
    del adata.obs["cluster"]
    rows = [{"sample": f"pool_{donor}", "extra": {"pool": donor}} for donor in ("d1", "d2")]
    set_settings(adata, {"samples": [*rows, {"sample": "plain", "extra": {"pool": "d3"}}]})
    adata.X = adata.layers["counts"].astype(np.float32)
    write_h5ad(adata, "g.expression.h5ad")
    write_json({"condition": "hashtag", "formula": None}, "design.json")
    differential(
        prefix="g",
        expression=Path("g.expression.h5ad"),
        clustering=Path("g.clustering.h5ad"),
        design=Path("design.json"),
    )
    table = read_table("g.differential_expression.tsv", dtype={"cluster": str})
    assert set(table["condition"]) | set(table["baseline"]) == {HOSTILE, "control"}
    found = table[table["p_value_adjusted"] < 0.05]
    assert set(found.loc[found["cluster"] == "0", "gene"]) >= {f"G{n}" for n in range(15)}
    notes = read_json("g.differential_expression.json")["notes"]
    assert notes[0] == "5 cells without a single hashtag are left out"
    bulk = ad.read_h5ad("g.pseudobulk.h5ad")
    pairs = {f"pool_{donor}|{tag}" for donor in ("d1", "d2") for tag in ("control", HOSTILE)}
    assert set(bulk.obs["sample"]) == pairs
    assert set(bulk.obs["hashtag"]) == {"control", HOSTILE}
    assert bulk.obs["n_cells"].sum() == adata.n_obs - 5
    write_table(pd.DataFrame({"cluster": list("012345"), "cell_type": TYPES}), "types.tsv")
    compare_composition(
        prefix="g",
        pseudobulk=Path("g.pseudobulk.h5ad"),
        annotation=Path("types.tsv"),
        design=Path("design.json"),
    )
    shares = read_table("g.composition_test.tsv")
    assert set(shares["n_samples_condition"]) == {2}
    assert shares["p_val"].notna().all()


def test_a_design_with_hashtags() -> None:
    rows = [{"sample": "a", "group": "g", "extra": {"pool": "1"}}]
    check_design(rows, Design("hashtag", ("pool",)))
    with pytest.raises(InputError, match="no column 'donor'"):
        check_design(rows, Design("hashtag", ("donor",)))
    own, parts, notes = replicates(pd.DataFrame({"sample": ["a"]}), rows, Design("hashtag"))
    assert (own.tolist(), parts) == ([""], [])
    assert notes == ["1 cells without a single hashtag are left out"]


def test_a_group_without_hashtags_is_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    adata = pools()
    write_h5ad(ad.AnnData(obs=adata.obs[["cluster"]].astype("category")), "g.clustering.h5ad")
    adata.obs = adata.obs[["sample"]]
    set_settings(adata, {"samples": [{"sample": "pool_d1", "extra": {}}]})
    write_h5ad(adata, "g.expression.h5ad")
    write_json({"condition": "hashtag", "formula": None}, "design.json")
    differential(
        prefix="g",
        expression=Path("g.expression.h5ad"),
        clustering=Path("g.clustering.h5ad"),
        design=Path("design.json"),
    )
    assert "fewer than two conditions" in read_json("g.differential_expression.json")["notes"][-1]
    write_table(pd.DataFrame({"cluster": list("012345"), "cell_type": TYPES}), "types.tsv")
    compare_composition(
        prefix="g",
        pseudobulk=Path("g.pseudobulk.h5ad"),
        annotation=Path("types.tsv"),
        design=Path("design.json"),
    )
    assert read_table("g.composition_test.tsv").empty
