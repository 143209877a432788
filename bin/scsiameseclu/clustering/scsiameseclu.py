"""The pipeline's clustering step, a command over :class:`.estimator.ScSiameseClu`."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Literal, cast

import anndata as ad
import numpy as np
import pandas as pd
import torch

from ..blocks import opened
from ..contracts import BATCH, BatchDecision, ClusteringSummary, Clusters, Cost, DendrogramRecord
from ..files import settings, write_h5ad, write_json, write_table
from ..memory import peak_memory_mb
from ..steps import Step
from .consensus.guard import DOUBTFUL, MIXED, SHARED, VALID
from .consensus.levels import COARSEST, DETAIL, FINEST, co_association_of
from .correction import BatchCorrection
from .estimator import ScSiameseClu, categorical, column_codes, prepare_expression, raw_counts
from .stability import resampling_stability

CONDITION = "condition of the sample"
"""Column of ``obs`` that is made here."""
UNMEASURED = (
    "Stability under resampling was not measured: one cluster, too few cells, or not asked for."
)


def cluster(
    *,
    prefix: str,
    expression: Path,
    cluster_detail: float = DETAIL,
    seed: int = 0,
    batch_correction: BatchCorrection = "auto",
    condition: str | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    method: Literal["scsiameseclu", "consensus"] = "scsiameseclu",
    stability_resamples: int = 3,
) -> None:
    """Cluster a group's cells with scSiameseClu, into the group's number of clusters.

    Writes ``<prefix>.clustering.h5ad`` (obs cluster, cluster_coarse, cluster_fine,
    cluster_confidence, consensus; obsm X_scsiameseclu; uns scsiameseclu; where batches were
    corrected obs cluster_uncorrected, obsm X_pca_corrected),
    ``<prefix>.training_history.tsv``, ``<prefix>.model.safetensors`` and
    ``<prefix>.clustering.json``.

    Parameters
    ----------
    prefix
        Id of the group.
    expression
        The group's normalised expression, with raw counts in layers['counts'].
    cluster_detail
        Where the dendrogram is cut if the number of clusters is ``auto``: 0 coarse, 1 fine.
    seed
        Seed of all random numbers.
    batch_correction
        Whether differences between batches (``obs['batch']``) are corrected; ``auto`` judges it.
    condition
        Column of the samplesheet with the conditions: ``auto`` corrects no batches that are the
        conditions.
    device
        Where the network runs.
    method
        The network, or its training-free start alone.
    stability_resamples
        Subsets of the cells on which the stability is measured; 0 measures none.
    """
    started = time.monotonic()
    with opened(expression) as adata:  # the normalized expression is not read
        requested = settings(adata)["n_clusters"]
        if condition is not None:
            adata.obs[CONDITION] = _of_samples(adata, condition)
        model = ScSiameseClu(
            n_clusters=requested,
            detail=cluster_detail,
            method=method,
            random_state=seed,
            batch_key=BATCH if BATCH in adata.obs else None,
            batch_correction=batch_correction,
            condition_key=None if condition is None else CONDITION,
            device=device,
            verbose=True,
        ).fit(adata)
        cost: Cost = {
            "device": model.device_,
            "seconds": time.monotonic() - started,
            "peak_memory_mb": _peak_memory_mb(model),
        }
        stability = resampling_stability(
            prepare_expression(adata, raw_counts(adata), random_state=seed),
            model.labels_,
            batches=None if model.uncorrected_labels_ is None else column_codes(adata, BATCH),
            n_resamples=stability_resamples,
            random_state=seed,
        )
        _write(model, adata, {**clusters_record(model, requested, stability), **cost}, prefix)


def _write(model: ScSiameseClu, adata: ad.AnnData, summary: ClusteringSummary, prefix: str) -> None:
    write_h5ad(_result(model, adata), f"{prefix}.clustering.h5ad")
    write_table(model.history_, f"{prefix}.training_history.tsv")
    model.save(f"{prefix}.model.safetensors")
    write_json(summary, f"{prefix}.clustering.json")


def _of_samples(adata: ad.AnnData, column: str) -> pd.Series:
    """Return the samplesheet's value of a column for each cell's sample; empty where missing."""
    values = {
        str(row["sample"]): str(row["extra"].get(column) or "")
        for row in settings(adata)["samples"]
    }
    return pd.Series(adata.obs["sample"].astype(str).map(values))


def _result(model: ScSiameseClu, adata: ad.AnnData) -> ad.AnnData:
    result = ad.AnnData(obs=pd.DataFrame(index=adata.obs_names))
    model.annotate(result)
    result.obs["consensus"] = categorical(model.consensus_labels_)
    return result


def _notes(model: ScSiameseClu, requested: int | str, stability: float | None) -> list[str]:
    notes = []
    if model.reason_:
        notes.append(f"The labels are those of the training-free consensus: {model.reason_}.")
    if requested not in ("auto", model.n_clusters_):
        notes.append(
            f"{requested} clusters were asked for, and {model.n_clusters_} can be distinguished."
        )
    if model.sketch_ is not None:
        n_sketch, n = int(model.sketch_.sum()), len(model.sketch_)
        notes.append(
            f"{n_sketch:,} of the {n:,} cells were clustered; the others were placed "
            "by their nearest ones."
        )
    notes += _batch_notes(model)
    if stability is None:
        notes.append(UNMEASURED)
    return notes


def clusters_record(model: ScSiameseClu, requested: int | str, stability: float | None) -> Clusters:
    """Return what ``clustering.json`` says of a model; `requested` clusters were asked for."""
    return {
        "n_clusters": model.n_clusters_,
        "n_clusters_requested": requested,
        "stability_ari": stability,
        "cluster_stability": {
            str(cluster): value for cluster, value in model.cluster_stability_.items()
        },
        "levels": {name: int(labels.max()) + 1 for name, labels in model.levels().items()},
        "cuts": {
            "cluster_coarse": COARSEST,
            "cluster": co_association_of(model.detail) if requested == "auto" else None,
            "cluster_fine": FINEST,
        },
        "dendrogram": dendrogram_record(model),
        "limits": {"need": MIXED, "validity": VALID, "shared": SHARED, "cluster": DOUBTFUL},
        "batch_correction": _batch_record(model),
        "method": model.method_,
        "notes": _notes(model, requested, stability),
    }


def _batch_record(model: ScSiameseClu) -> BatchDecision | None:
    """Return the decision on batches and its reason; None without at least two."""
    if model.batch_judgement_ is None:
        return None
    agreement = {str(cluster): value for cluster, value in model.batch_agreement_.items()}
    record = {
        "requested": model.batch_correction,
        **asdict(model.batch_judgement_),
        "cluster_agreement": agreement,
    }
    return cast("BatchDecision", record)


def _batch_notes(model: ScSiameseClu) -> list[str]:
    judgement = model.batch_judgement_
    if judgement is None:
        return []
    done = "were corrected" if judgement.corrected else "were not corrected"
    measured = [
        ("mixing", judgement.need),
        ("agreement", judgement.validity),
        ("shared", judgement.shared),
    ]
    numbers = ", ".join(f"{name} {value:.2f}" for name, value in measured if value is not None)
    notes = [
        f"The {judgement.n_batches} batches {done}: "
        f"{judgement.reason}{numbers and f' ({numbers})'}."
    ]
    if doubtful := [
        str(cluster) for cluster, value in model.batch_agreement_.items() if value < DOUBTFUL
    ]:
        notes.append(
            "Clusters that agree poorly between batches, and may join different cells: "
            f"{', '.join(doubtful)}."
        )
    return notes


def dendrogram_record(model: ScSiameseClu) -> DendrogramRecord:
    """Return the dendrogram for JSON.

    ``leaves``: per leaf its ``n_cells`` and its cluster at each level. ``merges``: per merge the
    two ``nodes`` (as in :class:`.consensus.linkage.Dendrogram`) and their mean ``co_association``.
    ``stability``: per node.
    """
    tree, levels = model.dendrogram_, model.levels()
    _, first, sizes = np.unique(tree.leaves, return_index=True, return_counts=True)
    return {
        "leaves": [
            {"n_cells": int(size)} | {name: int(labels[cell]) for name, labels in levels.items()}
            for cell, size in zip(first, sizes, strict=True)
        ],
        "merges": [
            {"nodes": [int(a), int(b)], "co_association": float(met)}
            for a, b, met, _ in tree.merges
        ],
        "stability": [float(value) for value in model.stability_],
    }


def _peak_memory_mb(model: ScSiameseClu) -> float:
    if model.device_ == "cuda":
        return float(torch.cuda.max_memory_allocated()) / 2**20
    return peak_memory_mb()


STEP = Step(cluster, isolate=True)
