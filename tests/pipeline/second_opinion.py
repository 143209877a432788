"""A labelled reference and a model of CellTypist of the demo's blood, for a run that has both."""

from __future__ import annotations

import pickle
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from tests.data.make_multimodal import make_demo

NAMES = "known.h5ad", "my $model [1].pkl"


def write_known(folder: Path) -> tuple[object, ...]:
    """Write both into `folder`; return the options with which a run takes them."""
    symbols, _ = make_demo.gene_names()
    drawn = make_demo.draw(symbols, make_demo.SAMPLES["blood_2"])
    single = (drawn.truth["state"] == "singlet").to_numpy()
    obs = pd.DataFrame({"type": drawn.truth.loc[single, "type"].to_numpy()})
    obs.index = pd.Index([f"cell_{i}" for i in range(len(obs))])
    known = ad.AnnData(drawn.counts[single], obs=obs, var=pd.DataFrame(index=symbols))
    reference, model = (folder / name for name in NAMES)
    known.write_h5ad(reference)
    values = known.X.toarray().astype(float)
    values = np.log1p(1e4 * values / values.sum(axis=1, keepdims=True))
    scaler = StandardScaler().fit(values)
    classifier = LogisticRegression().fit(scaler.transform(values), obs["type"])
    classifier.features = np.array(symbols, dtype=object)
    model.write_bytes(pickle.dumps({"Model": classifier, "Scaler_": scaler, "description": {}}))
    return "--reference", reference, "--reference_label", "type", "--celltypist_model", model
