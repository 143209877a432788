"""Barcodes of a barnyard experiment are assigned to species, in the ledger and the account."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scsiameseclu.files import read_json
from scsiameseclu.quality.doublets import flag_doublets
from scsiameseclu.quality.filter import Options, filter_sample
from scsiameseclu.quality.ledger import read_ledger
from scsiameseclu.quality.species import species_counts

from tests.data.as_intake import as_intake

GENES = [f"GRCh38_GENE{number}" for number in range(60)] + [
    f"mm10___Gene{number}" for number in range(60)
]


def barnyard(n_human: int, n_mouse: int, n_mixed: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    rates = np.zeros((n_human + n_mouse + n_mixed, len(GENES)))
    rates[:n_human, :60] = rates[n_human : n_human + n_mouse, 60:] = rates[n_human + n_mouse :] = 3
    return rng.poisson(rates + 0.02)


def test_shares_decide() -> None:
    counts = np.zeros((5, 120), dtype=int)
    counts[0, 0], counts[1, 60], counts[2, [0, 60]] = 10, 10, [90, 10]
    counts[3, [0, 60]] = [89, 11]
    found = species_counts(as_intake(counts, genes=GENES))
    assert found is not None
    assert found["counts_human"].tolist() == [10, 0, 90, 89, 0]
    assert found["counts_mouse"].tolist() == [0, 10, 10, 11, 0]
    assert found["species"].fillna("").tolist() == ["human", "mouse", "human", "mixed", ""]


def test_one_species_has_no_columns() -> None:
    assert species_counts(as_intake(np.ones((2, 60)), genes=GENES[:60])) is None


def test_ledger_and_account_tell_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    as_intake(barnyard(60, 40, 10), genes=GENES).write_h5ad("s1.counts.h5ad")
    filter_sample(prefix="s1", counts=Path("s1.counts.h5ad"), options=Options(min_genes=1))
    assert read_json("s1.filter.json")["species"] == {"human": 60, "mouse": 40, "mixed": 10}
    tables = {
        name: Path(f"s1.{name}") for name in ("healthy.h5ad", "filter_ledger.tsv.gz", "filter.json")
    }
    healthy, ledger, summary = tables.values()
    flag_doublets(
        prefix="s1", healthy=healthy, ledger=ledger, summary=summary, doublet_action="annotate"
    )
    final = read_ledger("s1.cell_ledger.tsv.gz")
    assert final["species"].tolist() == ["human"] * 60 + ["mouse"] * 40 + ["mixed"] * 10
    assert (final["counts_human"] + final["counts_mouse"] == final["total_counts"]).all()
    assert read_json("s1.qc.json")["species"] == {"human": 60, "mouse": 40, "mixed": 10}
