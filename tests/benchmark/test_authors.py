"""The baselines compared with their authors' code, replaced by a small stand-in."""

from __future__ import annotations

import subprocess

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scsiameseclu.benchmark.authors import benchmark_authors
from scsiameseclu.benchmark.beside import authors_table
from scsiameseclu.errors import InputError
from scsiameseclu.files import read_table

STAND_IN = """
import argparse
import h5py
import numpy as np
import torch
torch.manual_seed(42)
parser = argparse.ArgumentParser()
for name in ("data_file", "device", "n_clusters"):
    parser.add_argument("--" + name)
args = parser.parse_args()
assert args.device == "cpu" and torch.initial_seed() == 0
with h5py.File(args.data_file) as file:
    assert list(file) == ["X"], "no label comes to it"
    x = file["X"][:]
assert repr('x, dtype="float64"') == "'x'", "the type that AnnData no longer takes"
"adata.obs.size_factors,"
y_pred = np.argsort(np.argsort(x[:, :20].sum(1))) * int(args.n_clusters) // len(x)
"""


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    counts = rng.poisson(1, (150, 80))
    counts[:75, :20] += rng.poisson(9, (75, 20))
    obs = pd.DataFrame({"label": np.repeat(["a", "b"], 75)}, index=[f"c{i}" for i in range(150)])
    var = pd.DataFrame(index=[f"g{i}" for i in range(80)])
    (tmp_path / "data").mkdir()
    ad.AnnData(counts.astype(np.float32), obs=obs, var=var).write_h5ad(tmp_path / "data/a.h5ad")
    return tmp_path / "data"


@pytest.fixture
def code(tmp_path):
    (tmp_path / "code").mkdir()
    git = ["git", "-C", str(tmp_path / "code"), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    (tmp_path / "code/run_scDeepCluster.py").write_text(STAND_IN)
    return tmp_path / "code"


@pytest.mark.slow
def test_the_authors_code_is_scored_and_failures_are_reported(code, data, tmp_path):
    bench = tmp_path / "bench"
    benchmark_authors(code=code, method="scdeepcluster", data=data, output=bench)
    row = read_table(bench / "authors.tsv").iloc[0]
    assert (row["dataset"], row["n_clusters"]) == ("a.h5ad", 2)
    assert len(row["commit"]) == 40
    assert row["ari"] > 0.9

    (code / "run_scDeepCluster.py").write_text("another state of it")
    benchmark_authors(code=code, method="scdeepcluster", data=data, output=bench)
    row = read_table(bench / "authors.tsv").iloc[0]
    assert pd.isna(row["ari"])
    assert "is of another commit" in row["error"]


def test_code_that_cannot_be_run_is_reported(code, data):
    with pytest.raises(InputError, match="the authors' code of 'dec' cannot be run"):
        benchmark_authors(code=code, method="dec", data=data)
    with pytest.raises(InputError, match="not a checkout of a git repository"):
        benchmark_authors(code=data, method="scdsc", data=data)


def test_results_are_compared_if_both_ran():
    theirs = pd.DataFrame(
        {"dataset": list("abc"), "cells": [9, 8, 7], "method": "scdsc", "seed": 0}
        | {"commit": "1247a63", "ari": [0.5, 0.7, np.nan]}
    )
    ours = pd.DataFrame(
        {"dataset": list("abcd"), "method": "scdsc", "seed": 0, "k_mode": "true", "ari": 0.5}
    )
    text = authors_table(theirs, ours)
    assert "| scDSC | 1247a63 | 2 | 1 | 60.0 | 50.0 | -10.0 (-20.0 to +0.0) |" in text
    assert text.endswith("| b | 70.0 / 50.0 |\n| a | 50.0 / 50.0 |")
