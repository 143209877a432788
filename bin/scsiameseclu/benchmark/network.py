"""What the network adds to its start.

Compared are labels, confidence, placement of new cells, and the embedding.

``python -m`` this module. Every number is of the estimator as users have it, with its own number of
clusters.
"""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import anndata as ad
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, adjusted_rand_score, f1_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..command import run
from ..depth import log_normalize
from ..evaluation.scores import silhouette
from ..expression.normalize import normalize
from . import results
from .baselines import Scvi, is_installed
from .datasets import Dataset, labelled_datasets
from .methods import CONSENSUS, OURS
from .page import NETWORK, write_page
from .sources import Reached

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..clustering.estimator import ScSiameseClu

NEIGHBORS = 15
"""Neighbors of a cell: those that decide its cluster, and those of its purity."""
HELD_OUT = 0.2
"""Share of the cells that are left out of a fit and then placed."""
LEARNED = 0.5
"""Share of the labelled cells that a classifier of cell types learns from."""
SURE = 0.9
"""Confidence from which a cell counts as sure."""
BINS = 10
"""Bins of equal width for the calibration error."""
PCA, SCVI = "pca", Scvi.name
"""Names, in the table, of the embeddings that are compared with ours."""
MEASURES = (
    *("ari", "right", "confidence", "calibration_error", "sure", "sure_right", "placed_ari"),
    *("purity", "silhouette", "accuracy", "macro_f1"),
)
COLUMNS = (*results.ABOUT, *MEASURES, "n_clusters", "trained", "error", *results.PROVENANCE)

Scores = dict[str, Any]
Measured = Callable[..., dict[str, Scores]]
"""Scores of some methods on one data set, as :func:`measures` returns them."""


def benchmark_network(
    *,
    data: Path,
    output: Path = Path("docs/benchmarks"),
    seeds: int = 1,
    only: list[str] | None = None,
    leave_out: list[str] | None = None,
) -> None:
    """Measure network and consensus on every labelled data set.

    Writes OUTPUT/network.tsv and the page OUTPUT.md.

    Results are kept, and computed again only if data, code or a library have
    changed.

    Parameters
    ----------
    data
        Folder with .h5ad (labels in obs['label']) and .h5 (X and Y).
    output
        Folder for tables; the page is written next to it, with the ending .md.
    seeds
        Number of seeds, 0, 1, ...
    only
        Names of the files to take. Default: all.
    leave_out
        Names of files not to take.
    """
    output.mkdir(parents=True, exist_ok=True)
    table = output / NETWORK
    with tempfile.TemporaryDirectory() as folder:
        chosen = {"only": only or (), "leave_out": leave_out or ()}
        for dataset in labelled_datasets(data, scratch=Path(folder), **chosen):
            for seed in range(seeds):
                _add(dataset, seed, table)
    results.tidy(table, COLUMNS)
    write_page(output)


def _add(dataset: Dataset, seed: int, table: Path) -> None:
    """Add the rows of one data set and seed, unless they are there."""
    _add_rows(dataset, seed, table, measures, (OURS.name, CONSENSUS.name, PCA))
    if is_installed(Scvi):
        _add_rows(dataset, seed, table, scvi_measures, (SCVI,))


def _add_rows(
    dataset: Dataset, seed: int, table: Path, measured: Measured, methods: tuple[str, ...]
) -> None:
    code = Reached(measured)
    about = dataset.about() | {"k_mode": "auto", "seed": seed}
    about |= {"code": code.digest, "versions": code.versions}
    rows = {method: about | {"method": method} for method in methods}
    known = results.identities(results.read_results(table, COLUMNS))
    if {results.identity(row) for row in rows.values()} <= known:
        return
    try:
        found = measured(ad.read_h5ad(dataset.expression), dataset.gold, seed=seed)
    except Exception as error:
        traceback.print_exc()
        message = results.one_line(f"{type(error).__name__}: {error}")
        found = {method: {"error": message} for method in methods}
    for method, row in rows.items():
        results.append(row | results.rounded(found[method]), table, COLUMNS)
    results.note(f"{dataset.name}, seed {seed}: {found[methods[0]]}")


def measures(adata: ad.AnnData, gold: pd.Series[str], *, seed: int = 0) -> dict[str, Scores]:
    """Return the scores of network, consensus and principal components on one data set.

    Parameters
    ----------
    adata
        Normalized expression with counts and principal components.
    gold
        Gold standard of the cells, which no fit sees; cells without one count in no score.
    seed
        Seed of everything random.
    """
    known = gold.notna().to_numpy()
    truth = gold[known].to_numpy(dtype=str)
    found = {PCA: embedding_scores(adata.obsm["X_pca"][known], truth, seed=seed)}
    for method in (OURS.name, CONSENSUS.name):
        model = _fitted(adata, method, seed)
        found[method] = {
            "ari": float(adjusted_rand_score(truth, model.labels_[known])),
            "n_clusters": model.n_clusters_,
            "trained": model.method_ == OURS.name,
            **calibration(model.labels_[known], model.confidence_[known], truth),
            "placed_ari": placed_ari(adata, gold, method=method, seed=seed),
            **embedding_scores(model.embedding_[known], truth, seed=seed),
        }
    return found


def scvi_measures(adata: ad.AnnData, gold: pd.Series[str], *, seed: int = 0) -> dict[str, Scores]:
    """Return the scores of scVI's embedding on one data set; parameters as in :func:`measures`."""
    from .baselines.scvi import scvi_embedding

    known = gold.notna().to_numpy()
    embedding = scvi_embedding(adata, seed=seed)[known]
    return {SCVI: embedding_scores(embedding, gold[known].to_numpy(dtype=str), seed=seed)}


def _fitted(adata: ad.AnnData, method: str, seed: int) -> ScSiameseClu:
    from ..clustering.estimator import ScSiameseClu

    kind: Literal["consensus", "scsiameseclu"] = (
        "consensus" if method == CONSENSUS.name else "scsiameseclu"
    )
    return ScSiameseClu(method=kind, random_state=seed, device="cpu").fit(adata)


def calibration(labels: NDArray[Any], confidence: NDArray[Any], truth: NDArray[Any]) -> Scores:
    """Return how often cells are right, and how far their confidence is from that.

    A cell is right where its type is that of most cells of its cluster. ``calibration_error``: the
    mean distance of confidence and share of right cells in ten bins of equal width, weighted by
    their cells. ``sure``: the share of cells with a confidence of .9 or more; ``sure_right``: the
    share of right ones among them, None without any.
    """
    right = pd.crosstab(labels, truth).idxmax(axis=1).loc[labels].to_numpy() == truth
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    sure = confidence >= SURE
    return {
        "right": float(right.mean()),
        "confidence": float(confidence.mean()),
        "calibration_error": float(
            np.abs(np.bincount(bins, right - confidence)).sum() / len(right)
        ),
        "sure": float(sure.mean()),
        "sure_right": float(right[sure].mean()) if sure.any() else None,
    }


def placed_ari(adata: ad.AnnData, gold: pd.Series[str], *, method: str, seed: int = 0) -> float:
    """Return the ARI of a fifth of the cells that the fit never saw and that were placed later."""
    held = np.zeros(adata.n_obs, dtype=bool)
    held[np.random.default_rng(seed).permutation(adata.n_obs)[: round(HELD_OUT * adata.n_obs)]] = (
        True
    )
    seen = normalize(_counts(adata, ~held), random_state=seed)
    labels = place(_fitted(seen, method, seed), seen, projected(_counts(adata, held), seen))
    known = gold[held].notna().to_numpy()
    return float(adjusted_rand_score(gold[held][known].to_numpy(dtype=str), labels[known]))


def _counts(adata: ad.AnnData, cells: NDArray[np.bool_]) -> ad.AnnData:
    obs, var = pd.DataFrame(index=adata.obs_names[cells]), pd.DataFrame(index=adata.var_names)
    return ad.AnnData(csr_matrix(adata.layers["counts"][cells]), obs=obs, var=var)


def projected(cells: ad.AnnData, seen: ad.AnnData) -> NDArray[np.float32]:
    """Return new cells' scores on the components of the seen cells, normalized alike."""
    new = cells[:, cells.var_names.isin(seen.var_names)].copy()
    new.X = new.X.astype(np.float32)
    log_normalize(new)
    genes = seen.var["highly_variable"].to_numpy()
    centre = np.asarray(seen.X[:, genes].mean(axis=0)).ravel()
    return np.asarray((new.X[:, genes] - centre) @ seen.varm["PCs"][genes], dtype=np.float32)


def place(model: ScSiameseClu, seen: ad.AnnData, scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return clusters of new cells.

    They come from the model if it can place, else from their 15 nearest cells in the PCA.

    This is where a network that places cells comes in: its ``place`` takes principal component
    scores.
    """
    by_model = getattr(model, "place", None)
    if by_model is not None and model.network_ is not None:
        return np.asarray(by_model(scores))
    vote = KNeighborsClassifier(min(NEIGHBORS, seen.n_obs)).fit(seen.obsm["X_pca"], model.labels_)
    return np.asarray(vote.predict(scores))


def embedding_scores(embedding: NDArray[Any], truth: NDArray[Any], *, seed: int = 0) -> Scores:
    """Return the scores of an embedding with respect to the types.

    ``purity``: the mean share of a cell's 15 neighbors of its own type. ``silhouette``: of the
    types. ``accuracy`` and ``macro_f1``: of a classifier (:func:`classified`).
    """
    search = NearestNeighbors(n_neighbors=min(NEIGHBORS, len(truth) - 1)).fit(embedding)
    neighbors = search.kneighbors(return_distance=False)
    return {
        "purity": float((truth[neighbors] == truth[:, None]).mean()),
        "silhouette": silhouette(truth, embedding),
        **classified(embedding, truth, seed=seed),
    }


def classified(embedding: NDArray[Any], truth: NDArray[Any], *, seed: int = 0) -> Scores:
    """Return ``accuracy`` and ``macro_f1`` of logistic regression trained on half of the cells.

    Both are of the other half; a type that no learned cell has counts as wrong.
    """
    order = np.random.default_rng(seed).permutation(len(truth))
    learned, held = np.split(order, [round(LEARNED * len(truth))])
    if len(set(truth[learned])) == 1:
        found = np.repeat(truth[learned[:1]], len(held))
    else:
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        found = model.fit(embedding[learned], truth[learned]).predict(embedding[held])
    macro = f1_score(
        truth[held], found, average="macro", labels=np.unique(truth[held]), zero_division=0
    )
    return {"accuracy": float(accuracy_score(truth[held], found)), "macro_f1": float(macro)}


if __name__ == "__main__":
    run(benchmark_network)
