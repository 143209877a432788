"""The comparison with the published code, replaced by a small stand-in."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scsiameseclu.benchmark import published as module
from scsiameseclu.benchmark.published import KEY, MINE, ORDER, THEIRS, benchmark_published
from scsiameseclu.benchmark.tables import with_rows
from scsiameseclu.errors import InputError
from scsiameseclu.files import read_table, write_table

pytestmark = pytest.mark.slow

STAND_IN = {
    "opt.py": """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--seed", default=1)
args = parser.parse_args()
args.n_input, args.alpha_value, args.sigma_value, args.mu_value = 100, 0.5, 2, 10
""",
    "utils.py": """
import munkres
import numpy as np
from loguru import logger
from sklearn.decomposition import PCA
import opt
logger.add("scSiameseClu/log", level="INFO")
def setup(): assert opt.args.name == "Known" and not opt.args.cuda
def normalize_adj(adj, self_loop, symmetry): return adj / adj.sum(axis=0)
def diffusion_adj(adj, mode, transport_rate): return adj * transport_rate
def numpy_to_torch(array, sparse=False): return array
def dicr_loss(): return 0.0
def eva(truth, found): raise AssertionError("scored against labels")
""",
    "MODEL.py": """
class scSiameseClu:
    def __init__(self, n_node): self.n = n_node
    def parameters(self): return []
""",
    "train.py": """
from utils import *
import utils
def sinkhorn(pred, power, row, col):
    assert type(row) is type(col) is np.ndarray
def train(model, X, y, A, A_norm, Ad, scale_factor):
    assert model.n == len(X) == len(A) == len(scale_factor) and not y.any()
    assert opt.args.n_clusters == 2 and opt.args.beta_value == 2 and opt.args.lambda_value == 10
    assert A.sum() == 10 * len(A)
    assert open("scSiameseClu/model_pretrain/Known_pretrain.pkl").read() == "weights"
    sinkhorn(X, 1, [1], [1])
    x(), utils.eva(y, y)
""",
}


def fitted(jobs, **_options):
    return iter([{"seconds": 2.0, "peak_rss_mb": 500.0}])


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.5, (150, 80))
    counts[:50, :20] += rng.poisson(3, (50, 20))
    obs = pd.DataFrame(
        {"label": np.repeat(["a", "b", "b"], 50)}, index=[f"c{i}" for i in range(150)]
    )
    var = pd.DataFrame(index=[f"g{i}" for i in range(80)])
    ad.AnnData(counts.astype(np.float32), obs=obs, var=var).write_h5ad(tmp_path / "data.h5ad")
    return tmp_path / "data.h5ad"


@pytest.fixture
def code(tmp_path):
    folder = tmp_path / "code"
    (folder / "model_pretrain").mkdir(parents=True)
    (folder / "model_pretrain" / "Known_pretrain.pkl").write_text("weights")
    for name, text in STAND_IN.items():
        (folder / name).write_text(text)
    return folder


def test_both_are_timed(code, data, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "run_fits", fitted)
    before = sorted(path.name for path in code.iterdir())
    benchmark_published(code=code, name="Known", data=data, output=tmp_path / "bench")

    table = read_table(tmp_path / "bench" / "published.tsv").set_index("method")
    assert list(table.index) == [MINE, THEIRS]
    assert set(table["cells"]) == {150}
    assert 0 < table.loc[THEIRS, "seconds"] < 60
    text = (tmp_path / "bench.md").read_text()
    assert "| data.h5ad | 150 | this pipeline | 1 | 2.0 | 13.3 | 1.0 | 500 |" in text
    assert "## Markers" not in text
    assert sorted(path.name for path in code.iterdir()) == before, "the checkout is left as it is"


def test_other_data_sets_stay_in_the_table(tmp_path):
    path = tmp_path / "published.tsv"
    rows = [
        {"dataset": name, "cells": cells, "method": MINE, "seconds": 1.0}
        for name, cells in [("a", 9), ("b", 5)]
    ]
    write_table(with_rows(path, rows, key=KEY, order=ORDER), path)
    table = with_rows(path, [rows[0] | {"seconds": 3.0}], key=KEY, order=ORDER)
    assert list(zip(table["dataset"], table["seconds"], strict=True)) == [("b", 1.0), ("a", 3.0)]


def test_failing_code_is_one_clear_error(code, data, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "run_fits", fitted)
    (code / "train.py").write_text("def sinkhorn(): ...\ndef train(*_): raise ValueError('lost')\n")
    with pytest.raises(InputError, match=r"the published code failed on it[\s\S]*lost"):
        benchmark_published(code=code, name="Known", data=data, output=tmp_path / "bench")


def test_missing_files_are_named(code, data, tmp_path):
    with pytest.raises(InputError, match=r"model_pretrain/Other_pretrain\.pkl"):
        benchmark_published(code=code, name="Other", data=data, output=tmp_path / "bench")
    (code / "train.py").unlink()
    with pytest.raises(InputError, match=r"train\.py"):
        benchmark_published(code=code, name="Known", data=data, output=tmp_path / "bench")
    plain = tmp_path / "plain.h5ad"
    ad.AnnData(np.ones((60, 5), dtype=np.float32)).write_h5ad(plain)
    (code / "train.py").touch()
    with pytest.raises(InputError, match="no cell has a label"):
        benchmark_published(code=code, name="Known", data=plain, output=tmp_path / "bench")
