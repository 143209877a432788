"""Cell types predicted from the embedding: a classifier sees the labels of half of the cells and tells the others'.

``python -m`` this module. The labels never reach the embedding.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..command import run
from .datasets import Dataset, labelled_datasets
from .methods import OURS
from .network import PCA
from .page import write_page
from .results import ABOUT, PROVENANCE, append, identities, identity, note, read_results, rounded, tidy
from .sources import Reached

if TYPE_CHECKING:
    from numpy.typing import NDArray

TABLE = "classification.tsv"
LEARNED = 0.5
"""Share of the labelled cells that the classifier learns from."""
COLUMNS = (*ABOUT, "accuracy", "macro_f1", "error", *PROVENANCE)


def benchmark_classification(
    *,
    data: Path,
    output: Path = Path("docs/benchmarks"),
    seeds: int = 1,
    only: list[str] | None = None,
    leave_out: list[str] | None = None,
) -> None:
    """Classify on embedding and principal components; write OUTPUT/classification.tsv and the page OUTPUT.md.

    Results are kept as they are found and found anew only where data, code or a library have changed.

    Parameters
    ----------
    data
        Folder with .h5ad (labels in obs['label']) and .h5 (X and Y).
    output
        Folder of tables; the page is beside it, with .md at its end.
    seeds
        Number of seeds, 0, 1, ...
    only
        Names of the files to take. Default: all.
    leave_out
        Names of files not to take.
    """
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for dataset in labelled_datasets(data, scratch=Path(folder), only=only or (), leave_out=leave_out or ()):
            for seed in range(seeds):
                _add(dataset, seed, output / TABLE)
    tidy(output / TABLE, COLUMNS)
    write_page(output)


def _add(dataset: Dataset, seed: int, table: Path) -> None:
    """Add the rows of one data set and seed, unless they are there."""
    code = Reached(classified)
    about = dataset.about() | {"k_mode": "auto", "seed": seed, "code": code.digest, "versions": code.versions}
    rows = {method: about | {"method": method} for method in (OURS.name, PCA)}
    if {identity(row) for row in rows.values()} <= identities(read_results(table, COLUMNS)):
        return
    found = classified(ad.read_h5ad(dataset.expression), dataset.gold, seed=seed)
    for method, row in rows.items():
        append(row | rounded(found[method]), table, COLUMNS)
    note(f"{dataset.name}, seed {seed}: {found}")


def classified(adata: ad.AnnData, gold: pd.Series[str], *, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Return :func:`scores` on scSiameseClu's embedding, with its own number of clusters, and on the components.

    Parameters
    ----------
    adata
        Normalized expression with counts and principal components.
    gold
        Gold standard of the cells, which no fit sees; cells without one take no part in the classification.
    seed
        Seed of everything random.
    """
    from ..clustering.estimator import ScSiameseClu

    model = ScSiameseClu(random_state=seed, device="cpu").fit(adata)
    known = gold.notna().to_numpy()
    truth = gold[known].to_numpy(dtype=str)
    embeddings = {OURS.name: model.embedding_, PCA: adata.obsm["X_pca"]}
    return {name: scores(np.asarray(values)[known], truth, seed=seed) for name, values in embeddings.items()}


def scores(embedding: NDArray[Any], truth: NDArray[np.str_], *, seed: int = 0) -> dict[str, Any]:
    """Return ``accuracy`` and ``macro_f1`` (the mean over the types) of a logistic regression on the cells held out.

    A type that no learned cell has counts as wrong.
    """
    order = np.random.default_rng(seed).permutation(len(truth))
    learned, held = np.split(order, [round(LEARNED * len(truth))])
    if len(set(truth[learned])) == 1:
        found = np.repeat(truth[learned[:1]], len(held))
    else:
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        found = model.fit(embedding[learned], truth[learned]).predict(embedding[held])
    macro = f1_score(truth[held], found, average="macro", labels=np.unique(truth[held]), zero_division=0)
    return {"accuracy": float(accuracy_score(truth[held], found)), "macro_f1": float(macro)}


if __name__ == "__main__":
    run(benchmark_classification)
