"""New cells placed into an earlier result, the base, without reclustering (docs/method.md)."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import anndata as ad
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, vstack
from sklearn.preprocessing import normalize as unit_rows
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .._version import __version__
from ..blocks import some_of_each
from ..contracts import BATCH, CORRECTED_PCA, BatchDecision, ClusteringSummary, Clusters, Cost
from ..depth import log_normalize
from ..errors import InputError
from ..expression.normalize import normalize, raw_counts
from ..files import settings, unwrapped, write_h5ad, write_json, write_table
from ..intake.gene_ids import without_versions
from ..memory import peak_memory_mb
from ..steps import Step
from .check_base import check_base, open_base
from .consensus.batches import corrected, shifted
from .consensus.guard import Judgement, judged
from .consensus.neighbors import Neighbors, shared_neighbor_graph
from .consensus.sketch import sketch
from .correction import JUDGED_CELLS

if TYPE_CHECKING:
    from numpy.typing import NDArray

Correction: TypeAlias = Literal["auto", "none", "always"]
Floats: TypeAlias = "NDArray[np.floating[Any]]"
Integers: TypeAlias = "NDArray[np.integer[Any]]"

MOST_CELLS = 1_000
"""Cells of a base's cluster that are used, evenly spaced where it has more."""
FEWEST_GENES = 0.5
"""Share of the base's variable genes that the new cells must have been measured for."""
UNLIKE = 0.99
"""Quantile of the base's own distances above which a cell is unlike all of them: of cells like
those of the base about one in a hundred is flagged, for any number of cells."""
PER_CLUSTER = ("cluster_coarse", "cell_type")
"""Columns of ``obs`` that the base's cluster decides."""
FINE = "cluster_fine"
METHOD = "placement"


@dataclass(frozen=True, eq=False)
class Placement:
    """Where new cells were placed.

    Parameters
    ----------
    obs
        Per cell ``cluster``, ``cell_type`` and the base's other levels; ``cluster_confidence``, the
        share of the vote; ``unlike_known``.
    components
        Cells x the base's components, corrected if the batches were.
    n_genes, n_shared
        Variable genes of the base, and those that the new cells have.
    judgement
        Whether the new batches were corrected towards the base, and why.
    """

    obs: pd.DataFrame
    components: NDArray[np.float32]
    n_genes: int
    n_shared: int
    judgement: Judgement


def place_group(
    *,
    prefix: str,
    expression: Path,
    base: Path,
    batch_correction: Correction = "auto",
    seed: int = 0,
) -> None:
    """Map a group's cells onto an earlier result, instead of clustering them.

    Writes ``<prefix>.clustering.h5ad`` (obs cluster, cluster_coarse, cluster_fine, cell_type,
    cluster_confidence, unlike_known; obsm X_scsiameseclu, the base's components), an empty
    ``<prefix>.training_history.tsv`` and ``<prefix>.clustering.json``.

    Parameters
    ----------
    prefix
        Id of the group.
    expression
        The group's normalized expression, with raw counts in layers['counts'].
    base
        ``<group>.h5ad`` of an earlier run.
    batch_correction
        Whether the new batches are corrected towards the base; ``auto`` judges it.
    seed
        Seed of all random numbers.
    """
    started = time.monotonic()
    new = ad.read_h5ad(expression)
    known = read_base(unwrapped(base))
    placed = place(known, new, correction=batch_correction, random_state=seed)
    write_h5ad(_result(placed, seed=seed), f"{prefix}.clustering.h5ad")
    write_table(pd.DataFrame(columns=["step", "phase", "total"]), f"{prefix}.training_history.tsv")
    cost: Cost = {
        "device": "cpu",
        "seconds": time.monotonic() - started,
        "peak_memory_mb": peak_memory_mb(),
    }
    found = _summary(placed, settings(new)["n_clusters"], batch_correction)
    summary: ClusteringSummary = {**found, **cost}
    write_json(summary, f"{prefix}.clustering.json")


def _result(placed: Placement, *, seed: int) -> ad.AnnData:
    run = {"method": METHOD, "seed": seed, "versions": {"scsiameseclu": __version__}}
    return ad.AnnData(
        obs=placed.obs,
        obsm={"X_scsiameseclu": placed.components},
        uns={"scsiameseclu": json.dumps(run, sort_keys=True)},
    )


def _notes(placed: Placement, requested: int | str) -> list[str]:
    judgement, n = placed.judgement, len(placed.obs)
    unlike = int(placed.obs["unlike_known"].sum())
    done = f"were {'' if judgement.corrected else 'not '}corrected towards the base"
    notes = [
        "The cells were placed among the clusters of the base, which was not clustered again.",
        f"Of {n} cells {unlike} ({100 * unlike / n:.1f} %) are unlike anything known in the base.",
        f"The cells {done}: {judgement.reason}.",
    ]
    if placed.n_shared < placed.n_genes:
        missing = placed.n_genes - placed.n_shared
        notes.append(
            f"{missing} of the base's {placed.n_genes} variable genes were not "
            "measured and are left out."
        )
    if requested != "auto":
        notes.append(
            f"{requested} clusters were asked for; with a base their number is the base's."
        )
    return notes


def _summary(placed: Placement, requested: int | str, correction: Correction) -> Clusters:
    obs = placed.obs
    return {
        "n_clusters": obs["cluster"].nunique(),
        "n_clusters_requested": "auto",
        "stability_ari": None,
        "cluster_stability": {},
        "levels": {
            name: obs[name].nunique() for name in ("cluster", "cluster_coarse", FINE) if name in obs
        },
        "batch_correction": cast(
            "BatchDecision", {"requested": correction, **vars(placed.judgement)}
        ),
        "placement": {
            "n_unlike_known": int(obs["unlike_known"].sum()),
            "n_variable_genes": placed.n_genes,
            "n_shared_genes": placed.n_shared,
            "mean_confidence": float(obs["cluster_confidence"].mean()),
        },
        "method": METHOD,
        "notes": _notes(placed, requested),
    }


def read_base(path: Path) -> ad.AnnData:
    """Return what :func:`place` needs of an earlier result: at most 1,000 cells of a cluster.

    Raises
    ------
    InputError
        It is not an AnnData file, or not a ``<group>.h5ad`` of this pipeline.
    """
    found = open_base(path)
    result = found[some_of_each(found.obs["cluster"], MOST_CELLS)].to_memory()
    found.file.close()
    return result


def place(
    base: ad.AnnData, new: ad.AnnData, *, correction: Correction = "auto", random_state: int = 0
) -> Placement:
    """Return the base's clusters and cell types of new cells; neither AnnData is changed.

    Each new cell goes where most of its 15 nearest cells of the base are, weighted by the inverse
    of their distance, in the base's principal components. Where the new batches lie apart from the
    base they are corrected towards it, as batches are before they are clustered, if that is judged
    right.

    ``unlike_known``: the base's components need not show what it lacks. So the cells are compared
    in components of the base and the new cells together, each divided by its standard deviation in
    the base, by the angle. A cell is unlike anything known where its mean distance to its 15
    nearest cells of the base exceeds the 99 % quantile of the same distances (each cell itself left
    out) in the cluster in which it was placed.

    Parameters
    ----------
    base
        ``<group>.h5ad`` of the pipeline: raw counts in ``layers['counts']``, ``obs['cluster']``,
        ``obs['cell_type']``, ``obsm['X_pca']``, ``varm['PCs']``, ``var['highly_variable']``. Where
        a cluster has more than 1,000 cells, so many are used, evenly spaced.
    new
        Raw counts in ``layers['counts']`` or ``X``; batches in ``obs['batch']``, by default one.
    correction
        ``"auto"``, ``"none"`` or ``"always"``.
    random_state
        Seed. The same seed gives the same bytes.

    Raises
    ------
    InputError
        The base is not a result of the pipeline, the new counts are not raw, or the new cells
        have fewer than half of the base's variable genes.
    """
    check_base(base)
    base = base[some_of_each(base.obs["cluster"], MOST_CELLS)]
    with threadpool_limits(1):
        return _placed(base, new, correction, random_state)


def _placed(
    base: ad.AnnData, new: ad.AnnData, correction: Correction, random_state: int
) -> Placement:
    here, there = matching_genes(base.var, new.var)
    variable = base.var["highly_variable"].to_numpy(dtype=bool)
    n_genes, n_shared = int(variable.sum()), int(variable[here].sum())
    _check_shared(n_shared, n_genes)
    counts = csr_matrix(vstack([raw_counts(base)[:, here], raw_counts(new)[:, there]]))
    n = base.n_obs
    codes = (
        pd.factorize(new.obs[BATCH].astype(str), sort=True)[0]
        if BATCH in new.obs
        else np.zeros(new.n_obs)
    )
    batches = np.concatenate([np.zeros(n), codes + 1]).astype(np.int64)
    plain = _projected(counts, n, np.asarray(base.varm["PCs"])[here])
    clusters = base.obs["cluster"].astype(str).to_numpy()
    joint = _joint_components(counts, random_state)
    points, judgement = _without_batches(
        base,
        counts,
        plain,
        joint,
        batches,
        clusters,
        correction=correction,
        random_state=random_state,
    )
    near = Neighbors.of(points[:n], points[n:])
    cluster, confidence = near.vote(clusters)
    if judgement.corrected:
        joint = shifted(joint, batches, np.random.default_rng(random_state))
    unlike = _unlike(joint, n, clusters, cluster)
    obs = _observations(base, new.obs_names, near, cluster).assign(
        cluster_confidence=confidence, unlike_known=unlike
    )
    return Placement(obs, points[n:].astype(np.float32), n_genes, n_shared, judgement)


def _check_shared(n_shared: int, n_genes: int) -> None:
    if n_shared < FEWEST_GENES * n_genes:
        raise InputError.of(
            what=f"the cells have {n_shared} of the {n_genes} variable genes of the "
            "base, fewer than half",
            where="--base",
            remedy="give a base of the same organism whose genes are named as in the samples",
        )


def matching_genes(base: pd.DataFrame, new: pd.DataFrame) -> tuple[Integers, Integers]:
    """Return places in both tables of the genes that both have, in the base's order.

    By ``gene_ids``, without the versions of Ensembl's, or by the names of the rows, whichever finds
    more; each must be unique in both.
    """
    names = [(base.index.astype(str), new.index.astype(str))]
    if "gene_ids" in base and "gene_ids" in new:
        ids = [pd.Index(without_versions(table["gene_ids"].astype(str))) for table in (base, new)]
        names.append((ids[0], ids[1]))
    found = [one.get_indexer(own) for own, one in names if own.is_unique and one.is_unique]
    places = max(found, key=lambda places: int((places >= 0).sum()), default=np.full(len(base), -1))
    here = np.flatnonzero(places >= 0)
    return here, places[here]


def _projected(counts: csr_matrix, n: int, loadings: Floats) -> NDArray[np.float64]:
    """Return scores on the base's components over shared genes, centred on its `n` cells."""
    cells = ad.AnnData(counts.astype(np.float32))
    log_normalize(cells)
    scores = np.asarray(cells.X @ loadings, dtype=np.float64)
    return np.asarray(scores - scores[:n].mean(axis=0))


def _without_batches(
    base: ad.AnnData,
    counts: csr_matrix,
    plain: NDArray[np.float64],
    joint: NDArray[np.float64],
    batches: Integers,
    clusters: NDArray[Any],
    *,
    correction: Correction,
    random_state: int,
) -> tuple[NDArray[np.float64], Judgement]:
    """Return scores, with new batches corrected towards the base if necessary, and the reason.

    Whether they lie apart is seen in the joint components, of a sketch if there are many cells:
    what only a batch has is hardly in the base's.
    """
    n, n_batches = base.n_obs, int(batches.max()) + 1
    if correction == "none":
        return plain, Judgement(False, "it was switched off", n_batches)
    start = plain.copy()
    if CORRECTED_PCA in base.obsm:
        start[:n] += np.asarray(base.obsm[CORRECTED_PCA]) - np.asarray(base.obsm["X_pca"])
    moved = corrected(start.astype(np.float32), batches, random_state=random_state).astype(
        np.float64
    )
    names, codes = np.unique(clusters, return_inverse=True)
    placed = Neighbors.of(moved[:n], moved[n:]).vote(clusters)[0]
    labels = np.concatenate([codes, np.searchsorted(names, placed)])
    cells = sketch(batches, JUDGED_CELLS, random_state=random_state)
    graph = shared_neighbor_graph(joint[cells].astype(np.float32))
    judgement = judged(graph, counts, labels, batches, cells=cells, always=correction == "always")
    return (moved if judgement.corrected else plain), judgement


def _joint_components(counts: csr_matrix, random_state: int) -> NDArray[np.float64]:
    """Return principal components of all cells over the genes that vary in all of them."""
    return np.asarray(
        normalize(ad.AnnData(counts), random_state=random_state).obsm["X_pca"], dtype=np.float64
    )


def _unlike(
    joint: NDArray[np.float64], n: int, clusters: NDArray[Any], placed: NDArray[Any]
) -> NDArray[np.bool_]:
    """Return which new cells are farther from the base than most of its cells in their cluster."""
    scale = joint[:n].std(axis=0)
    points = unit_rows(joint / np.where(scale > 0, scale, 1))
    own = Neighbors.of(points[:n]).distances.mean(axis=1)
    limits = pd.Series(own).groupby(clusters).quantile(UNLIKE)
    found = Neighbors.of(points[:n], points[n:]).distances.mean(axis=1)
    return np.asarray(found > limits.loc[placed].to_numpy())


def _observations(
    base: ad.AnnData, names: pd.Index, near: Neighbors, cluster: NDArray[Any]
) -> pd.DataFrame:
    """Return clusters and cell types, categories in the base's order where any cell was placed."""
    known = base.obs.astype(str)
    found = {"cluster": cluster}
    for column in PER_CLUSTER:
        if column in known:
            of_cluster = known.groupby("cluster")[column].agg(
                lambda values: values.value_counts().index[0]
            )
            found[column] = of_cluster.loc[cluster].to_numpy()
    if FINE in known:
        same = known["cluster"].to_numpy()[near.cells] == cluster[:, None]
        found[FINE] = near.within(same).vote(known[FINE].to_numpy())[0]
    order = {column: pd.Categorical(base.obs[column]).categories.astype(str) for column in found}
    table = {
        column: pd.Categorical(values, [name for name in order[column] if name in set(values)])
        for column, values in found.items()
    }
    return pd.DataFrame(table, index=names)


STEP = Step(place_group, isolate=True)
