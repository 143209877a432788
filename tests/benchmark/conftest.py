"""Small labelled data sets on disk, and results as if they had been measured."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest
from scsiameseclu.benchmark.methods import COMPARED, SCANPY
from scsiameseclu.benchmark.results import COLUMNS

from tests.clustering.simulated_counts import simulated

GIVEN_K = {method.name for method in COMPARED if "true" in method.modes}
"""Methods that are compared at the true number of clusters."""


@pytest.fixture
def folder(tmp_path):
    """Three labelled files, one without labels, one damaged.

    One of the three has an empty cell and a cell without a label.
    """
    data = tmp_path / "data"
    data.mkdir()
    labelled = simulated()
    labelled.X.data[: labelled.X.indptr[1]] = 0
    labelled.obs.loc["cell1", "label"] = ""
    labelled.write_h5ad(data / "labelled.h5ad")
    large = simulated(sizes=(120, 60), seed=1)
    with h5py.File(data / "arrays.h5", "w") as file:
        file["X"] = large.X.toarray().astype(np.float32)
        file["Y"] = large.obs["label"].str[-1].astype(int).to_numpy()
    unlabelled = simulated(seed=2)
    unlabelled.obs["label"] = ""
    unlabelled.write_h5ad(data / "unlabelled.h5ad")
    (data / "damaged.h5ad").write_bytes(b"no HDF5")
    (data / "README.md").write_text("not a data set")
    return data


def measured(
    dataset: str, cells: int, method: str, k_mode: str, seed: int, ari: float
) -> dict[str, object]:
    """Return a row as if it had been measured."""
    row = {
        "dataset": dataset,
        "cells": cells,
        "genes": 50,
        "types": 4,
        "method": method,
        "k_mode": k_mode,
    }
    row |= {"seed": seed, "acc": 0.9, "nmi": 0.5, "ari": ari, "silhouette": 0.2, "n_clusters": 6}
    row |= {"seconds": 2.0, "peak_rss_mb": 300, "data": "d", "code": "c", "versions": "python 3"}
    return row | {"trained": seed == 0 if method == "scsiameseclu" else None}


@pytest.fixture
def results():
    """Three sets x two seeds x all methods, checked by hand: 10 points apart.

    One of them is a development set.
    """
    sets = (("kang8.h5ad", 200, 0.8), ("large.h5ad", 1000, 0.6), ("third.h5ad", 500, 0.7))
    rows = [
        measured(dataset, cells, method.name, k_mode, seed, best - 0.1 * place + 0.02 * seed)
        for dataset, cells, best in sets
        for seed in (0, 1)
        for place, method in enumerate((*COMPARED, SCANPY))
        for k_mode in method.modes
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
