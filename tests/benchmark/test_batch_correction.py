"""The cases on which batch correction is measured, and the page on its time."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from scsiameseclu.benchmark import batch_correction as benchmark
from scsiameseclu.benchmark.batch_time import simulated_batches
from scsiameseclu.benchmark.sections import batch_time
from scsiameseclu.files import read_table, write_h5ad


def labelled(n_types: int = 4, of_each: int = 30) -> ad.AnnData:
    counts = np.random.default_rng(0).poisson(5, size=(n_types * of_each, 40)).astype(np.int32)
    obs = pd.DataFrame({"label": np.repeat([f"t{i}" for i in range(n_types)], of_each)})
    return ad.AnnData(csr_matrix(counts), obs=obs.rename(index=str))


def test_a_technology_finds_a_part_of_the_counts_of_each_gene():
    cells = labelled()
    batches = np.arange(cells.n_obs) % 2
    found = benchmark._counted(cells, batches, np.random.default_rng(0))
    assert (found.X.toarray() <= cells.X.toarray()).all()
    of_genes = [
        found.X[batches == b].sum(axis=0) / cells.X[batches == b].sum(axis=0) for b in (0, 1)
    ]
    assert 0.3 < np.mean(of_genes) < 0.7
    assert np.abs(of_genes[0] - of_genes[1]).mean() > 0.2


def test_the_cases_match_their_names():
    cases = {case: (cells, batches) for case, cells, batches in benchmark._technologies(labelled())}
    shared = {
        case: int((pd.crosstab(cells.obs["label"], batches) > 0).all(axis=1).sum())
        for case, (cells, batches) in cases.items()
    }
    assert shared.pop("technologies: 50 cells of one") >= 3
    assert shared == {
        "technologies: 2": 4,
        "technologies: 5": 4,
        "technologies: a type in one of 2 only": 3,
        "technologies: one type in both": 1,
        "technologies: no type in both": 0,
    }


def test_cases_of_the_same_code_are_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder, output, measured = tmp_path / "data", tmp_path / "tables", []
    folder.mkdir()
    write_h5ad(labelled(), folder / "one.h5ad")
    unlabelled = labelled()
    unlabelled.obs["label"] = ""
    write_h5ad(unlabelled, folder / "none.h5ad")

    def measure(cells: ad.AnnData, batches: np.ndarray, case: str) -> dict[str, object]:
        measured.append(case)
        return {"cells": cells.n_obs, "batches": len(np.unique(batches))}

    monkeypatch.setattr(benchmark, "_measured", measure)
    monkeypatch.setattr(benchmark, "write_page", lambda _: None)
    monkeypatch.setattr(benchmark, "Reached", lambda *_: Code("1e5"))
    for _ in range(2):
        benchmark.benchmark_batches(data=folder, output=output, n_controls=0)
    table = read_table(output / benchmark.TABLE)
    assert len(measured) == len(table) == 6
    assert set(table["dataset"]) == {"one.h5ad"}
    monkeypatch.setattr(benchmark, "Reached", lambda *_: Code("1e6"))
    benchmark.benchmark_batches(data=folder, output=output, n_controls=0)
    assert len(measured) == 12


class Code:
    """Stands for the code that is reached."""

    versions = "python"

    def __init__(self, digest: str) -> None:
        self.digest = digest


def test_simulated_batches_are_of_equal_size():
    cells = simulated_batches(90, 3)
    assert list(cells.obs["batch"].value_counts()) == [30, 30, 30]
    assert (cells.X.sum(axis=1) > 0).all()


def test_the_page_shows_the_time_of_the_correction():
    rows = [(20_000, 4, "none", False, 50.0), (20_000, 4, "auto", True, 75.0)]
    columns = ["cells", "batches", "correction", "corrected", "cpu_seconds"]
    text = batch_time(pd.DataFrame(rows, columns=columns))
    assert "| 20,000 cells, auto | 4 | yes | 75.0 | 1.50 |" in text
