"""The sex of the donor is called from planted counts, and compared with the one given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pytest
from scsiameseclu.files import read_json, set_settings, settings
from scsiameseclu.quality.doublets import flag_doublets
from scsiameseclu.quality.filter import Options, filter_sample
from scsiameseclu.quality.sex import XIST, Y_GENES, sex_of

from tests.data.as_intake import as_intake

OTHERS = 40
N = 200


def planted(
    share_xist: float, share_y: float, *, apart: bool = True, n: int = N, **names: Any
) -> ad.AnnData:
    """Return cells of which the first have XIST and the last (or the first, too) genes of Y."""
    organism = names.pop("organism", "human")
    genes_of = XIST[organism] | Y_GENES[organism]
    symbols, ids = list(genes_of), list(genes_of.values())
    rng = np.random.default_rng(0)
    counts = np.zeros((n, len(symbols) + OTHERS), dtype=int)
    counts[:, len(symbols) :] = rng.poisson(3.0, (n, OTHERS)) + 1
    counts[: round(share_xist * n), 0] = 1
    with_y = np.arange(n) >= n - round(share_y * n) if apart else np.arange(n) < round(share_y * n)
    counts[with_y, rng.integers(1, len(symbols), with_y.sum())] = 2
    kind = names.pop("by", "symbol")
    rest = [f"GENE{number}" for number in range(OTHERS)]
    if kind == "symbol":
        return as_intake(counts, genes=symbols + rest, organism=organism, **names)
    genes = {
        "id": [f"{name}.7" for name in ids],
        "genome": [f"GRCh38_{name}" for name in symbols],
    }[kind]
    return as_intake(counts, genes=genes + rest, organism=organism, **names)


def test_an_organism_may_have_capitals():
    adata = planted(0.3, 0.0, organism="human")
    adata.uns["intake"] = "{}"
    given = settings(adata) | {"organism": "Human"}
    set_settings(adata, given)
    assert call(adata) == "female"


def call(adata: ad.AnnData) -> str:
    found, _ = sex_of(adata)
    assert found is not None
    return found["call"]


@pytest.mark.parametrize("organism", ["human", "mouse"])
@pytest.mark.parametrize("by", ["symbol", "id"])
@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((0.3, 0.0), "female"),
        ((0.0, 0.9), "male"),
        ((0.005, 0.9), "male"),
        ((0.3, 0.02), "female"),
        ((0.3, 0.5), "mixed"),
        ((0.0, 0.0), "undetermined"),
    ],
)
def test_calls(organism: str, by: str, shares: tuple[float, float], expected: str) -> None:
    assert call(planted(*shares, organism=organism, by=by)) == expected


def test_genome_before_the_symbols() -> None:
    assert call(planted(0.3, 0.0, by="genome")) == "female"


def test_shares_are_those_planted() -> None:
    adata = planted(0.25, 0.5)
    found, _ = sex_of(adata)
    assert found is not None
    assert (found["cells_xist"], found["cells_y"], found["cells_both"]) == (0.25, 0.5, 0.0)
    assert found["counts_xist"] == pytest.approx(50 / adata.X.sum())
    assert found["counts_y"] == pytest.approx(200 / adata.X.sum())
    assert found["n_y_genes"] == 8


@pytest.mark.parametrize(
    ("adata", "note"),
    [
        (planted(0.5, 0.5, apart=False), "the same cells"),
        (planted(0.3, 0.0, n=49), "49 cells are too few"),
        (planted(0.04, 0.0, n=50), "too few cells express"),
        (planted(0.3, 0.0)[:, 1:].copy(), "Y; XIST is not in the matrix"),
        (
            planted(0.0, 0.9)[:, [0, 1, *range(9, 40)]].copy(),
            "fewer than 2 genes of chromosome Y are in it",
        ),
        (planted(0.3, 0.9)[:, 9:].copy(), "XIST is not in the matrix; fewer than 2"),
    ],
)
def test_undetermined_with_a_reason(adata: ad.AnnData, note: str) -> None:
    found, warnings = sex_of(adata)
    assert found is not None
    assert (found["call"], warnings) == ("undetermined", [])
    assert note in found["note"]


@pytest.mark.parametrize(
    ("adata", "expected"),
    [
        (planted(0.0, 0.9)[:, 1:].copy(), "male"),
        (planted(0.3, 0.0)[:, [0, *range(9, 40)]].copy(), "female"),
    ],
)
def test_genes_without_counts_may_be_missing(adata: ad.AnnData, expected: str) -> None:
    found, _ = sex_of(adata)
    assert found is not None
    assert found["call"] == expected
    assert found["note"]


def test_other_organisms_have_no_call() -> None:
    adata = planted(0.3, 0.0)
    adata.uns["intake"] = '{"organism": {"found": "mixed"}}'
    assert sex_of(adata) == (None, [])


@pytest.mark.parametrize(
    ("given", "shares", "words"),
    [
        ("female", (0.0, 0.9), "given as female, but its RNA says that it is male"),
        ("male", (0.3, 0.0), "given as male, but its RNA says that it is female"),
        ("male", (0.3, 0.5), "several donors"),
        ("male", (0.0, 0.9), None),
        ("female", (0.0, 0.0), None),
        ("unknown", (0.3, 0.5), None),
    ],
)
def test_contradiction_is_a_warning(
    given: str, shares: tuple[float, float], words: str | None
) -> None:
    _, warnings = sex_of(planted(*shares, extra={"sex": given}))
    assert len(warnings) == (words is not None)
    assert not words or words in warnings[0]


def test_account_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    planted(0.0, 0.9, extra={"sex": "female"}).write_h5ad("s1.counts.h5ad")
    filter_sample(prefix="s1", counts=Path("s1.counts.h5ad"), options=Options(min_genes=1))
    healthy, ledger, summary = (
        Path(f"s1.{name}") for name in ("healthy.h5ad", "filter_ledger.tsv.gz", "filter.json")
    )
    flag_doublets(prefix="s1", healthy=healthy, ledger=ledger, summary=summary)
    account = read_json("s1.qc.json")
    assert (account["sex"]["given"], account["sex"]["call"]) == ("female", "male")
    assert "swapped" in account["warnings"][-1]
    assert account["warnings"][-1] in account["notes"]
