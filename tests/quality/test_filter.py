"""Every rule of the filter removes what it should, and the ledger accounts for every barcode."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pytest
from scsiameseclu.contracts import OBS_COLUMNS
from scsiameseclu.errors import InputError
from scsiameseclu.files import read_json, settings
from scsiameseclu.quality.filter import cell_metrics
from scsiameseclu.quality.ledger import LEDGER_COLUMNS, read_ledger
from scsiameseclu.quality.thresholds import BOUNDS

from tests.data.as_intake import as_intake, demo_sample
from tests.quality.filtering import run

if TYPE_CHECKING:
    import pandas as pd

pytestmark = pytest.mark.usefixtures("in_folder")

GENES = ["MT-ND1", "MT-CO1", "RPL3", "A", "B", "C", "D", "E"]
# counts, genes found, mitochondrial share: 0 empty | 3, 1 | 20, 4, 50 % | 50, 5, 0 % | 80, 8, 10 %
# | 800, 5, 0 %
COUNTS = [
    [0, 0, 0, 0, 0, 0, 0, 0],
    [0, 0, 0, 3, 0, 0, 0, 0],
    [5, 5, 0, 5, 5, 0, 0, 0],
    [0, 0, 10, 10, 10, 10, 10, 0],
    [4, 4, 12, 12, 12, 12, 12, 12],
    [0, 0, 160, 160, 160, 160, 160, 0],
]


def fates(ledger: pd.DataFrame) -> list[str]:
    return ledger["rule"].fillna("").tolist()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"min_genes": 0, "max_pct_mt": 100}, ["empty", "", "", "", "", ""]),
        ({"min_genes": 5, "max_pct_mt": 100}, ["empty", "min_genes", "min_genes", "", "", ""]),
        (
            {"min_genes": 0, "max_genes": 5, "max_pct_mt": 100},
            ["empty", "", "", "", "max_genes", ""],
        ),
        (
            {"min_genes": 0, "min_counts": 20, "max_pct_mt": 100},
            ["empty", "min_counts", "", "", "", ""],
        ),
        (
            {"min_genes": 0, "max_counts": 80, "max_pct_mt": 100},
            ["empty", "", "", "", "", "max_counts"],
        ),
        ({"min_genes": 0, "max_pct_mt": 10}, ["empty", "", "max_pct_mt", "", "", ""]),
        (
            {"min_genes": 4, "max_genes": 7, "min_counts": 30, "max_counts": 500, "max_pct_mt": 5},
            ["empty", "min_genes", "min_counts", "", "max_genes", "max_counts"],
        ),
    ],
)
def test_first_failing_rule_is_the_reason(options: dict[str, Any], expected: list[str]) -> None:
    ledger, summary = run(as_intake(COUNTS, genes=GENES), **options)
    assert fates(ledger) == expected
    assert ledger["kept"].tolist() == [rule == "" for rule in expected]
    assert {rule: n for rule, n in summary["removed"].items() if n} == {
        rule: expected.count(rule) for rule in dict.fromkeys(expected) if rule
    }


@pytest.mark.parametrize("name", BOUNDS)
def test_a_bound_removes_what_is_beyond_it_and_nothing_at_it(name: str) -> None:
    """Of every bound there is: a new one is tested here without another line."""
    adata = as_intake(
        [[*row, 3 * number] for number, row in enumerate(COUNTS)], genes=[*GENES, "HBB"]
    )
    metrics = cell_metrics(adata)
    values = metrics.loc[metrics["total_counts"] > 0, BOUNDS[name].metric]
    at = float(values.median())
    beyond = values < at if name.startswith("min_") else values > at
    others = {"min_genes": 0, "max_pct_mt": 100}
    ledger, account = run(adata, **others | {name: at})
    assert beyond.any()
    assert set(ledger.loc[ledger["rule"] == name, "barcode"]) == set(values.index[beyond])
    assert ledger["kept"].sum() == (~beyond).sum()
    assert account["thresholds"][name] == at


def test_ledger_gives_value_and_threshold() -> None:
    ledger, _ = run(as_intake(COUNTS, genes=GENES), min_genes=2, max_pct_mt=20)
    assert tuple(ledger.columns) == LEDGER_COLUMNS
    removed = ledger[~ledger["kept"]]
    assert removed["step"].unique().tolist() == ["filter"]
    assert removed["value"].tolist() == [0, 1, 50]
    assert removed["threshold"].tolist() == [1, 2, 20]
    assert ledger.loc[ledger["kept"], ["step", "rule", "value", "threshold"]].isna().all(axis=None)
    assert ledger["total_counts"].tolist() == [0, 3, 20, 50, 80, 800]
    assert ledger["n_genes_by_counts"].tolist() == [0, 1, 4, 5, 8, 5]
    assert ledger["pct_counts_mt"].tolist() == [0, 0, 50, 0, 10, 0]


def test_demo_ledger_reconciles_and_planted_barcodes_go() -> None:
    adata, truth = demo_sample("blood_1")
    ledger, summary = run(adata)
    assert ledger["barcode"].tolist() == adata.obs_names.tolist()
    assert (
        summary["n_barcodes"] == adata.n_obs == summary["n_kept"] + sum(summary["removed"].values())
    )
    state = truth["state"].to_numpy()
    assert not ledger["kept"][state == "empty"].any()
    assert not ledger["kept"][state == "dying"].any()
    assert ledger["kept"][(state == "singlet") | (state == "doublet")].all()
    assert set(ledger["rule"][state == "dying"]) == {"max_pct_mt"}
    assert summary["notes"] == ["Read."]


def test_counts_of_kept_cells_are_untouched() -> None:
    adata, _ = demo_sample("blood_1")
    ledger, _ = run(adata)
    healthy = ad.read_h5ad("s1.healthy.h5ad")
    kept = ledger["kept"].to_numpy()
    assert healthy.obs_names.tolist() == adata.obs_names[kept].tolist()
    assert healthy.var_names.tolist() == adata.var_names.tolist()
    assert healthy.X.dtype == np.int32
    assert (adata.X[kept] != healthy.X).nnz == 0
    assert list(healthy.obs) == [
        "n_genes_by_counts",
        "total_counts",
        "pct_counts_mt",
        "pct_counts_ribo",
        "pct_counts_hb",
    ]
    assert set(healthy.obs) <= OBS_COLUMNS
    assert settings(healthy) == settings(adata)


def test_metrics_agree_with_dense_sums() -> None:
    adata, _ = demo_sample("blood_2")
    counts = adata.X.toarray()
    metrics = cell_metrics(adata)
    mt = adata.var_names.str.startswith("MT-")
    assert metrics["total_counts"].tolist() == counts.sum(axis=1).tolist()
    assert metrics["n_genes_by_counts"].tolist() == (counts > 0).sum(axis=1).tolist()
    np.testing.assert_allclose(
        metrics["pct_counts_mt"],
        100 * counts[:, mt].sum(axis=1) / np.maximum(counts.sum(axis=1), 1),
    )


def test_missing_mitochondrial_genes_are_reported_and_the_rule_is_skipped() -> None:
    ledger, summary = run(as_intake(np.ones((6, 8))), min_genes=1, max_pct_mt=0)
    assert ledger["kept"].all()
    assert ledger["pct_counts_mt"].isna().all()
    assert "max_pct_mt" not in summary["removed"]
    assert summary["thresholds"]["max_pct_mt"] is None
    assert any("No mitochondrial gene" in note for note in summary["notes"])


def test_removal_of_more_than_half_is_reported() -> None:
    _, summary = run(as_intake(COUNTS, genes=GENES), min_genes=5, max_genes=5)
    assert any("removed 67% of the barcodes" in note for note in summary["notes"])


@pytest.mark.parametrize(
    ("n_genes", "expected", "note"),
    [
        (500, 200, None),
        (300, 60, "Shallow sample"),
        (116, 23, "Shallow sample"),
        (10, 2, "Shallow sample"),
    ],
)
def test_default_of_min_genes_follows_the_depth(
    n_genes: int, expected: int, note: str | None
) -> None:
    counts = np.zeros((5, 600))
    counts[:, :n_genes] = 1
    counts[0] = 1
    _, summary = run(as_intake(counts))
    assert summary["thresholds"]["min_genes"] == expected
    assert [note for text in summary["notes"] if note and note in text] == ([note] if note else [])


@pytest.mark.parametrize(("n_genes", "expected"), [(500, 50), (120, 50), (90, 18)])
def test_the_preset_for_low_depth_asks_for_fewer_genes(n_genes: int, expected: int) -> None:
    counts = np.zeros((5, 600))
    counts[:, :n_genes] = 1
    _, summary = run(as_intake(counts), qc_preset="low_depth")
    assert summary["thresholds"]["min_genes"] == expected


def test_the_samplesheet_overrides_parameters_with_a_note() -> None:
    overrides = {"min_genes": 4, "max_genes": 7, "max_pct_mt": 5.0, "doublet_threshold": 0.3}
    ledger, summary = run(
        as_intake(COUNTS, genes=GENES, overrides=overrides), min_genes=100, max_counts=500
    )
    assert fates(ledger) == ["empty", "min_genes", "max_pct_mt", "", "max_genes", "max_counts"]
    assert summary["overrides"] == overrides
    assert summary["thresholds"]["max_pct_mt"] == 5
    assert (
        "From the samplesheet: min_genes 4, max_genes 7, max_pct_mt 5, doublet_threshold 0.3."
        in summary["notes"]
    )


def test_the_samplesheet_chooses_preset_and_mads() -> None:
    counts = np.zeros((5, 600))
    counts[:, :500] = 1
    counts[4, 500:] = 50
    _, summary = run(as_intake(counts, overrides={"qc_preset": "low_depth", "mad_counts": 3.0}))
    assert summary["thresholds"]["min_genes"] == 50
    assert any("mad_counts" in note for note in summary["notes"])


def test_a_sample_without_a_cell_keeps_its_ledger() -> None:
    with pytest.raises(InputError):
        run(as_intake(COUNTS, genes=GENES), min_genes=100)
    ledger, account = read_ledger("s1.cell_ledger.tsv.gz"), read_json("s1.qc.json")
    assert tuple(ledger.columns) == LEDGER_COLUMNS
    assert len(ledger) == account["n_barcodes"] == sum(account["removed"].values()) == len(COUNTS)
    assert not ledger["kept"].any()
    assert (account["status"], account["n_kept"]) == ("failed", 0)
    assert not Path("s1.healthy.h5ad").exists()


def test_a_given_min_genes_is_not_lowered() -> None:
    counts = np.zeros((5, 600))
    counts[:, :300] = 1
    _, summary = run(as_intake(counts), min_genes=200)
    assert summary["thresholds"]["min_genes"] == 200


@pytest.mark.parametrize(
    ("counts", "options", "rule", "remedy"),
    [
        (
            COUNTS[:5],
            {"min_genes": 100},
            "min_genes (100) removed 4",
            "lower --min_genes (the highest value in this sample is 8)",
        ),
        (
            COUNTS[1:],
            {"min_genes": 0, "max_counts": 2},
            "max_counts (2) removed 5",
            "raise --max_counts (the lowest value in this sample is 3)",
        ),
        (np.zeros((3, 8)), {}, "empty removed 3", "no counts at all"),
    ],
)
def test_no_cell_left_names_the_rule_and_the_remedy(
    counts: Any, options: dict[str, Any], rule: str, remedy: str
) -> None:
    with pytest.raises(InputError) as caught:
        run(as_intake(counts, genes=GENES), **options)
    (problem,) = caught.value.problems
    assert rule in problem.what
    assert problem.where == "s1.h5ad"
    assert remedy in problem.remedy


def test_barcodes_that_look_like_numbers_or_missing_values_stay_text() -> None:
    barcodes = ["NA", "1e5", "0012", "nan", 'a"b', "x\ty"]
    ledger, _ = run(as_intake(np.ones((6, 8)), barcodes=barcodes, sample="007"), min_genes=1)
    assert ledger["barcode"].tolist() == barcodes


def test_same_input_same_bytes() -> None:
    names = ("s1.healthy.h5ad", "s1.filter_ledger.tsv.gz", "s1.filter.json")
    written = []
    for _ in range(2):
        run(demo_sample("blood_2")[0])
        written.append([Path(name).read_bytes() for name in names])
    assert written[0] == written[1]


def test_unknown_mitochondria_are_a_warning_that_names_the_organism() -> None:
    adata = as_intake(np.ones((3, 8)), organism="other")
    adata.uns["intake"] = json.dumps(
        json.loads(adata.uns["intake"]) | {"organism": {"found": "other", "name": "axolotl"}}
    )
    _, summary = run(adata, min_genes=1)
    (warning,) = summary["warnings"]
    assert warning in summary["notes"]
    assert "No mitochondrial gene of axolotl was found" in warning
    assert "max_pct_mt is not applied" in warning
    assert summary["thresholds"]["max_pct_mt"] is None


def test_known_mitochondria_give_no_warning() -> None:
    assert run(as_intake(COUNTS, genes=GENES), min_genes=1)[1]["warnings"] == []


def test_the_bound_holds_for_mitochondrial_genes_of_fly() -> None:
    genes = ["mt:CoI", "mt:ND1", "mt:Cyt-b", "mt:lrRNA", "elav", "repo", "Act5C", "RpL13"]
    counts = np.ones((2, 8), dtype=int)
    counts[1, :4] = 9
    ledger, _ = run(as_intake(counts, genes=genes, organism="other"), min_genes=1, max_pct_mt=60)
    assert ledger["pct_counts_mt"].tolist() == [50, 90]
    assert fates(ledger) == ["", "max_pct_mt"]
