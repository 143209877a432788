"""The benchmark of the marker test: its table and its part of the page."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scsiameseclu.annotation.markers import find_markers
from scsiameseclu.benchmark import markers as module
from scsiameseclu.benchmark.markers import benchmark_markers, differences, labelled_expression
from scsiameseclu.benchmark.sections import markers as part
from scsiameseclu.errors import InputError
from scsiameseclu.files import read_table


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.5, (90, 60))
    labels = np.repeat(["a", "b", ""], 30)
    counts[:30, :10] += rng.poisson(3, (30, 10))
    obs = pd.DataFrame({"label": labels}, index=[f"c{i}" for i in range(90)])
    ad.AnnData(
        counts.astype(np.float32), obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(60)])
    ).write_h5ad(tmp_path / "data.h5ad")
    return tmp_path / "data.h5ad"


def test_the_command_writes_its_table_and_its_part_of_the_page(data, tmp_path, monkeypatch):
    output = tmp_path / "bench"

    def seurat(expression, folder):
        return find_markers(expression, seurat_compat="4"), 12.0, "4.3.0"

    monkeypatch.setattr(module, "run_seurat", seurat)
    benchmark_markers(data=data, output=output, repeats=1)

    table = read_table(output / "markers.tsv")
    assert len(table) == 4
    assert set(table["cells"]) == {60}
    text = (tmp_path / "bench.md").read_text()
    assert "| Seurat 4.3.0, FindAllMarkers | 12.00 |" in text
    assert "the same" in text
    assert "## Many samples" not in text


def test_the_comparison_continues_without_seurat(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "run_seurat", lambda expression, folder: None)
    benchmark_markers(data=data, output=tmp_path / "bench", repeats=1)

    assert len(read_table(tmp_path / "bench" / "markers.tsv")) == 3
    assert "Seurat is left out" in capsys.readouterr().err


def test_differences_are_seen(data):
    ours = find_markers(labelled_expression(data))
    assert differences(ours, ours)["largest_relative_difference_p"] == 0
    other = ours.assign(**{"pct.1": ours["pct.1"] + 0.01, "p_val": ours["p_val"] * 2})
    reported = differences(ours, other)
    assert reported["largest_difference_pct"] == pytest.approx(0.01)
    assert reported["largest_relative_difference_p"] == pytest.approx(0.5)
    assert not differences(ours, ours.iloc[1:])["same_rows"]
    row = {
        "method": "Seurat",
        "seconds": 1.0,
        "dataset": "d",
        "cells": 1,
        "genes": 1,
        "rows": 3,
        "same_rows": False,
    }
    assert "**not** the same" in part(pd.DataFrame([row]))


def test_cells_without_labels_are_an_error(tmp_path):
    ad.AnnData(np.ones((3, 2), dtype=np.float32)).write_h5ad(tmp_path / "plain.h5ad")
    with pytest.raises(InputError, match="no labels"):
        labelled_expression(tmp_path / "plain.h5ad")
