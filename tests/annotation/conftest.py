"""A small simulated group of two samples (T cells, B cells, monocytes), ready to annotate."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scsiameseclu.annotation.design import Design
from scsiameseclu.annotation.differential import compare
from scsiameseclu.annotation.pseudobulk import pseudobulk
from scsiameseclu.files import set_settings, write_h5ad, write_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TYPES = {
    "T cell": ["CD3D", "CD3E", "CD3G", "TRAC", "CD2", "CD6", "BCL11B", "LCK", "TRBC2", "CD5"],
    "B cell": ["MS4A1", "CD79A", "CD79B", "CD19", "BANK1", "CD22", "BLK", "PAX5", "TNFRSF13C"],
    "monocyte": ["LYZ", "FCN1", "AIF1", "SERPINA1", "MNDA", "CTSS", "LST1", "PSAP", "SPI1", "CD68"],
}
N_GENES = 500


def simulate(sizes: tuple[int, ...] = (100, 60, 50), seed: int = 0) -> ad.AnnData:
    """Return log-normalized expression with clusters 0, 1, 2: T cells, B cells, monocytes."""
    rng = np.random.default_rng(seed)
    symbols = [gene for genes in TYPES.values() for gene in genes]
    genes = symbols + [f"GENE{i}" for i in range(N_GENES - len(symbols))]
    codes = np.repeat(np.arange(len(sizes)), sizes)
    rates = np.exp(rng.normal(-1, 1, N_GENES))
    rates[: len(symbols)] = 0.1
    means = np.tile(rates, (len(codes), 1))
    for k, (_, markers) in zip(range(len(sizes)), TYPES.items(), strict=False):
        means[np.ix_(codes == k, [genes.index(gene) for gene in markers])] = 4.0
    counts = rng.negative_binomial(2, 2 / (2 + means))
    normalized = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    samples = np.where(np.arange(len(codes)) % 3 == 0, "one", "two.x")
    obs = pd.DataFrame(
        {
            "sample": samples,
            "total_counts": counts.sum(axis=1).astype(np.float32),
            "cluster": pd.Categorical(codes.astype(str)),
        },
        index=[f"{sample}_cell{i}" for i, sample in enumerate(samples)],
    )
    var = pd.DataFrame(
        {
            "gene_ids": [f"ENSG{i:011d}" for i in range(N_GENES)],
            "gene_symbols": genes,
            "highly_variable": True,
        },
        index=genes,
    )
    adata = ad.AnnData(sparse.csr_matrix(normalized.astype(np.float32)), obs=obs, var=var)
    adata.layers["counts"] = sparse.csr_matrix(counts.astype(np.int32))
    left, values, _ = np.linalg.svd(normalized - normalized.mean(axis=0), full_matrices=False)
    adata.obsm["X_pca"] = (left[:, :10] * values[:10]).astype(np.float32)
    adata.uns["log1p"] = {}
    settings = {
        "group": "g",
        "n_clusters": "auto",
        "organism": "human",
        "tissue": "PBMC",
        "samples": [],
    }
    set_settings(adata, settings)
    return adata


def differential_expression(
    adata: ad.AnnData, *, condition: str, covariates: Sequence[str] = ()
) -> tuple[pd.DataFrame, list[str]]:
    """Return the differences between conditions that are columns of ``obs``."""
    design = Design(condition, tuple(covariates))
    columns = adata.obs[design.columns].astype(object)
    samples = columns.groupby(adata.obs["sample"].astype(str)).first()
    samples = samples.where(samples.notna(), "").astype(str)
    return compare(pseudobulk(adata), samples[(samples != "").all(axis=1)], design)


class Group(NamedTuple):
    """The files of a group and what they hold."""

    adata: ad.AnnData
    folder: Path
    expression: Path
    clustering: Path
    labels: list[Path]


def write_group(adata: ad.AnnData, folder: Path) -> Group:
    """Write the files that the annotation's steps read."""
    group = Group(
        adata,
        folder,
        folder / "g.expression.h5ad",
        folder / "g.clustering.h5ad",
        [folder / "two.x.labels.tsv", folder / "one.labels.tsv"],
    )
    clusters = adata.obs["cluster"]
    fine = pd.Categorical(
        (4 * clusters.cat.codes + np.arange(len(clusters)) % 4).astype(str), map(str, range(12))
    )
    coarse = clusters.astype(str).replace("2", "1").astype("category")
    found = {"cluster": clusters, "cluster_coarse": coarse, "cluster_fine": fine}
    clustering = ad.AnnData(obs=pd.DataFrame(found | {"cluster_confidence": np.float32(0.75)}))
    clustering.obsm["X_scsiameseclu"] = adata.obsm["X_pca"][:, :5]
    run = {
        "parameters": {"n_clusters": "auto", "k": None, "weights": [1.0, 2.0]},
        "versions": {"numpy": "2"},
        "seed": 0,
    }
    clustering.uns["scsiameseclu"] = json.dumps(run)
    expression = adata.copy()
    expression.obs = expression.obs.drop(columns="cluster")
    write_h5ad(expression, group.expression)
    write_h5ad(clustering, group.clustering)
    names = clusters.astype(str).map(dict(zip("012", TYPES, strict=True)))
    for path in group.labels:
        sample = path.name.removesuffix(".labels.tsv")
        inside = (adata.obs["sample"] == sample).to_numpy()
        labels = names[inside].where(np.arange(inside.sum()) > 1, "")
        barcodes = adata.obs_names[inside].str.removeprefix(f"{sample}_")
        write_table(pd.DataFrame({"barcode": barcodes, "label": labels.to_numpy()}), path)
    return group


@pytest.fixture
def adata() -> ad.AnnData:
    return simulate()


@pytest.fixture
def group(adata, tmp_path, monkeypatch) -> Group:
    monkeypatch.chdir(tmp_path)
    return write_group(adata, tmp_path)
