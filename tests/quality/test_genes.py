"""Only mitochondrial and ribosomal genes are found, by symbol and by id."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scsiameseclu.quality.genes import is_hemoglobin, is_mitochondrial, is_ribosomal

from tests.data.demo_genes import HOUSEKEEPING, MITOCHONDRIAL, RIBOSOMAL


def var(symbols: list[str], ids: list[str] | None = None) -> pd.DataFrame:
    return pd.DataFrame({"gene_ids": ids or symbols, "gene_symbols": symbols}, index=symbols)


@pytest.mark.parametrize(
    "symbol",
    ["MT-ND1", "mt-Nd1", "MT.CO1", "mt-Rnr2", "GRCh38_MT-CYB", "mm10___mt-Co3", "ND4L", "COX1"],
)
def test_mitochondrial_by_symbol(symbol: str) -> None:
    assert is_mitochondrial(var([symbol])).tolist() == [True]


@pytest.mark.parametrize(
    "symbol", ["MTOR", "MTATP6P1", "NDUFA1", "COX4I1", "MTRNR2L8", "DMT-1", "SMT-3", "nd1"]
)
def test_not_mitochondrial_by_symbol(symbol: str) -> None:
    assert is_mitochondrial(var([symbol])).tolist() == [False]


def test_mitochondrial_by_id_when_symbols_do_not_tell() -> None:
    ids = [
        "ENSG00000198888",
        "ENSG00000210082.2",
        "ENSMUSG00000064351.1",
        "ENSMUSG00000065947",
        "ENSG00000075624",
    ]
    assert is_mitochondrial(var(ids)).tolist() == [True, True, True, True, False]
    assert is_mitochondrial(var(list("abcde"), ids)).tolist() == [True, True, True, True, False]


def test_ids_of_the_demo_are_known() -> None:
    assert is_mitochondrial(var(list("abcdefghijklm"), list(MITOCHONDRIAL.values()))).all()


def test_names_stand_in_for_missing_columns() -> None:
    bare = pd.DataFrame(index=["MT-ND1", "ENSG00000198888", "ACTB"])
    assert is_mitochondrial(bare).tolist() == [True, True, False]


def test_ribosomal() -> None:
    assert is_ribosomal(var(RIBOSOMAL)).all()
    assert is_ribosomal(
        var(["Rpl13a", "Rps4l", "Rplp0", "RPS4Y1", "RPL36AL", "RPS27L", "RPL7L1", "Rps3a1"])
    ).all()
    assert not is_ribosomal(var([*HOUSEKEEPING, "RPS6KA1", "RPL23AP7", "MRPL3", "RPS19BP1"])).any()


def test_hemoglobin_of_human_and_mouse() -> None:
    assert is_hemoglobin(
        var(["HBA1", "HBB", "HBG2", "HBZ", "Hba-a1", "Hbb-bs", "Hbb.bt", "mm10___Hbb-y"])
    ).all()
    assert is_hemoglobin(
        var(["ENSG00000244734.3", "ENSG00000206172", "ENSG00000198888"])
    ).tolist() == [
        True,
        True,
        False,
    ]
    assert not is_hemoglobin(
        var([*HOUSEKEEPING, "HBEGF", "HBP1", "HBS1L", "HBZP1", "Hbegf", "AHBB"])
    ).any()


def test_hemoglobin_of_mouse_by_id() -> None:
    ids = [
        "ENSMUSG00000069919",
        "ENSMUSG00000069917.8",
        "ENSMUSG00000073940",
        "ENSMUSG00000052305",
        "ENSMUSG00000064351",
    ]
    assert is_hemoglobin(var(ids)).tolist() == [True, True, True, True, False]


def test_ribosomal_of_human_by_id() -> None:
    # RPL13A, RPLP0, MT-ND1, RPS6KA1.
    ids = ["ENSG00000142541", "ENSG00000089157.16", "ENSG00000198888", "ENSG00000117676"]
    assert is_ribosomal(var(ids)).tolist() == [True, True, False, False]


@pytest.mark.shared
@pytest.mark.parametrize("find", [is_mitochondrial, is_ribosomal, is_hemoglobin])
def test_ids_find_the_very_genes_that_symbols_find(
    find: Callable[[pd.DataFrame], np.ndarray],
) -> None:
    path = Path(__file__).parents[3] / "shared" / "datasets" / "pbmc3k.h5ad"
    if not path.exists():
        pytest.skip("the shared data sets are not beside the checkout")
    genes = ad.read_h5ad(path, backed="r").var
    symbols, ids = genes.index.astype(str).tolist(), genes["gene_ids"].astype(str).tolist()
    by_symbol, by_id = find(var(symbols)), find(var(ids))
    assert by_id.any()
    np.testing.assert_array_equal(by_symbol, by_id)


@pytest.mark.parametrize(
    ("organism", "symbols", "others"),
    [
        (
            "fly",
            ["mt:CoI", "mt:ND1", "mt:Cyt-b", "mt:lrRNA", "mt.CoI"],
            ["elav", "repo", "Act5C", "mthl1"],
        ),
        (
            "worm",
            ["nduo-1", "ndfl-4", "ctc-1", "ctb-1", "atp-6", "nduo.6", "MTCE.11"],
            ["atp-2", "ctb-4"],
        ),
        ("zebrafish", ["mt-nd1", "mt-co1", "mt-atp6", "mt-cyb"], ["mtor", "cox4i1", "mt2"]),
        ("rat", ["Mt-nd1", "Mt-co1", "mt-Cyb", "ND1", "COX1"], ["Mt1", "Mt2A", "Mtor"]),
        ("pig, cow, dog, chicken", ["ND1", "COX1", "CYTB", "ATP8", "ND4L"], ["COX4I1", "ATP6V1A"]),
        (
            "yeast",
            ["COX1", "COB", "OLI1", "VAR1", "ATP6", "Q0045"],
            ["COX4", "ATP1", "YAL001C", "COQ1"],
        ),
        ("fission yeast", ["SPMIT.01"], ["SPAC1002.01"]),
        ("Arabidopsis", ["ATMG00160", "ATMG01360"], ["AT1G01010", "ATCG00490"]),
        ("human", ["MT-CO1"], ["CTC-479C5.10", "CTB-1I21.1", "COBL", "VARS1"]),
    ],
)
def test_mitochondrial_of_other_organisms(
    organism: str, symbols: list[str], others: list[str]
) -> None:
    assert is_mitochondrial(var([*symbols, *others])).tolist() == [True] * len(symbols) + [
        False
    ] * len(others)


@pytest.mark.parametrize(
    ("ids", "n"),
    [
        (
            [
                "ENSRNOG00000030644.3",
                "ENSDARG00000063895",
                "ENSSSCG00000018075",
                "ENSMMUG00000028699",
            ],
            4,
        ),
        (["WBGene00010957", "WBGene00000829", "WBGene00014454", "FBgn0013674", "FBgn0262952"], 5),
        (["ENSRNOG00000030645", "FBgn0013677", "FBgn0013687", "FBgn0000042", "WBGene00000830"], 0),
    ],
)
def test_mitochondrial_of_other_organisms_by_id(ids: list[str], n: int) -> None:
    assert is_mitochondrial(var([f"symbol{index}" for index in range(len(ids))], ids)).sum() == n
    assert is_mitochondrial(var(ids)).sum() == n


def test_a_number_behind_a_dot_is_a_version_only_of_ids_that_have_versions() -> None:
    assert is_mitochondrial(var(["cox1a", "atp9a"], ["SPMIT.01", "SPAC1002.01"])).tolist() == [
        True,
        False,
    ]


def test_symbols_with_the_prefix_decide() -> None:
    symbols, ids = ["mt:CoI", "elav", "FBgn0013675"], ["FBgn0013670", "FBgn0013674", "FBgn0013675"]
    assert is_mitochondrial(var(symbols, ids)).tolist() == [True, False, True]
