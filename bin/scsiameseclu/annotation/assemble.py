"""The annotated data of a group: all results in one AnnData that other tools can open."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd

from ..blocks import write_tables
from ..contracts import BATCH, CELL_TYPE, CORRECTED_PCA, LABEL, ONTOLOGY_ID
from ..files import SETTINGS, make_plain, read_table, write_json, write_table
from ..intake.labels import read_labels
from ..steps import Step
from .clustered import (
    CLUSTER,
    EMBEDDING,
    RUN,
    SUBCLUSTER,
    TEXT_OF_CELLS,
    UNCORRECTED,
    UNCORRECTED_PICTURE,
    UNCORRECTED_UMAP,
    UNLIKE,
    clustered,
)
from .distances import sample_distances
from .mixing import mixing
from .options import Annotation, Expression, Prefix
from .shares import apart
from .subtraction import add_corrected

CONFIDENCE = "cluster_confidence"
LEVELS = ("cluster_coarse", "cluster_fine")
"""Columns of ``obs`` with the clusters that contain those of `CLUSTER`, and with those within
them."""


def assemble(
    *,
    prefix: Prefix,
    expression: Expression,
    clustering: Path,
    umap: Path,
    annotation: Annotation,
    modalities: Path | None = None,
    columns: list[Path] | None = None,
    ambient: Path | None = None,
    labels: list[Path] | None = None,
) -> None:
    """Put the results of a group together.

    Writes ``<prefix>.h5ad``, ``<prefix>.clusters.tsv``, ``<prefix>.composition.tsv``, of several
    samples ``<prefix>.sample_distances.tsv``, and of several batches ``<prefix>.mixing.json``.

    Parameters
    ----------
    clustering
        ``<group>.clustering.h5ad``.
    umap
        ``<group>.umap.tsv``.
    modalities
        ``<group>.modalities.h5ad``, whose ``obsm`` is added. Default: there are no features beside
        genes.
    columns
        Tables of all cells with ``barcode`` and columns added to ``obs``, such as subclusters,
        second opinions and scores: numbers float32, text categorical. Default: nothing is.
    ambient
        ``<group>.ambient.h5ad``, by which the layer ``ambient_corrected`` is made. Default: counts
        are not corrected.
    labels
        ``<sample>.labels.tsv`` of the group's samples that have a gold standard; they become
        ``obs['label']``.
    """
    with clustered(expression, clustering) as found:
        adata = annotated_data(
            found,
            umap=read_table(umap, dtype={"barcode": str}),
            annotation=read_table(annotation, dtype={"cluster": str, "cell_type": str}),
        )
        if modalities is not None:
            adata.obsm.update(ad.read_h5ad(modalities)[adata.obs_names].obsm)
        for path in columns or []:
            _add_columns(adata.obs, path)
        gold = read_labels(labels or [], adata.obs_names)
        if gold is not None:
            adata.obs[LABEL] = pd.Categorical(gold)
        make_plain(adata)
        # The matrices are copied unchanged from the expression.
        shutil.copyfile(expression, f"{prefix}.h5ad")
        with h5py.File(f"{prefix}.h5ad", "r+") as file:
            write_tables(file, adata)
        if ambient is not None:
            add_corrected(f"{prefix}.h5ad", ambient, adata.obs)
        write_table(cluster_table(adata), f"{prefix}.clusters.tsv")
        write_table(composition(adata), f"{prefix}.composition.tsv")
        _write_samples(adata, prefix)


def _add_columns(obs: pd.DataFrame, path: Path) -> None:
    """Add a table's columns to ``obs``: text in the order of the numbers in it, then by name."""
    table = read_table(path, dtype=dict.fromkeys(("barcode", *TEXT_OF_CELLS), str))
    for name, values in table.set_index("barcode").loc[obs.index].items():
        if name in TEXT_OF_CELLS:
            ordered = sorted(values.dropna().unique(), key=lambda value: (_numbers(value), value))
            obs[name] = pd.Categorical(values, categories=ordered)
        else:
            obs[name] = values.to_numpy(dtype=np.float32)


def _numbers(name: str) -> list[int]:
    return [int(part) if part.isdecimal() else 0 for part in name.split(".")]


def _write_samples(adata: ad.AnnData, prefix: str) -> None:
    """Write distances between samples and mixing of batches, if there are several."""
    types = adata.obs.groupby(CLUSTER, observed=True)[CELL_TYPE].first().astype(str)
    clusters = adata.obs[CLUSTER].astype(str)
    of_cells = clusters.map(apart(types.rename(str).to_dict())).to_numpy(dtype=object)
    if len(adata.obs["sample"].unique()) > 1:
        write_table(sample_distances(adata, of_cells), f"{prefix}.sample_distances.tsv")
    if BATCH in adata.obs and len(adata.obs[BATCH].unique()) > 1:
        write_json(mixing(adata, of_cells), f"{prefix}.mixing.json")


def annotated_data(
    adata: ad.AnnData, *, umap: pd.DataFrame, annotation: pd.DataFrame
) -> ad.AnnData:
    """Return `adata` with coordinates and cell types, in types that any reader of ``.h5ad`` knows.

    Parameters
    ----------
    adata
        Expression with clusters, from ``clustered``.
    umap
        Columns barcode, umap_1, umap_2, and `UNCORRECTED_UMAP` where batches were corrected.
    annotation
        Columns cluster and cell_type, among others; ids of the Cell Ontology go into ``obs``.

    Returns
    -------
    AnnData with ``X`` and ``layers['counts']`` as they are, ``obsm`` ``X_pca X_scsiameseclu
    X_umap`` float32, where batches were corrected also ``X_pca_corrected X_umap_uncorrected``,
    ``obs['cell_type']`` and every other text of ``obs`` categorical, ``uns['scsiameseclu']`` a
    dict.
    """
    types = annotation.set_index("cluster")["cell_type"]
    obs = adata.obs.copy()
    obs[CELL_TYPE] = pd.Categorical(obs[CLUSTER].astype(str).map(types))
    if ONTOLOGY_ID in annotation:
        ids = annotation.set_index("cluster")[ONTOLOGY_ID].astype(object)
        obs[ONTOLOGY_ID] = pd.Categorical(obs[CLUSTER].astype(str).map(ids))
    coordinates = umap.set_index("barcode").loc[adata.obs_names]
    pictures = {"X_umap": ["umap_1", "umap_2"], UNCORRECTED_PICTURE: list(UNCORRECTED_UMAP)}
    spaces = dict(adata.obsm) | {
        key: coordinates[columns]
        for key, columns in pictures.items()
        if set(columns) <= set(coordinates)
    }
    return ad.AnnData(
        adata.X,
        obs=_plain_table(obs),
        var=_plain_table(adata.var),
        layers={"counts": adata.layers["counts"]},
        obsm={
            key: np.asarray(spaces[key], dtype=np.float32)
            for key in ("X_pca", EMBEDDING, *pictures, CORRECTED_PCA)
            if key in spaces
        },
        varm=dict(adata.varm),
        uns=_uns(adata.uns),
    )


def cluster_table(adata: ad.AnnData) -> pd.DataFrame:
    """Return the table of every cell's cluster.

    Its columns are barcode, sample, cluster, confidence (4 decimals, as text), cell_type and, as
    far as they are there, `LEVELS`, the clusters without batch correction, `UNLIKE` (True or False)
    of placed cells, and subclusters.
    """
    columns = ("sample", CLUSTER, CONFIDENCE, CELL_TYPE, *LEVELS, UNCORRECTED, UNLIKE, SUBCLUSTER)
    table: pd.DataFrame = adata.obs[[name for name in columns if name in adata.obs]].copy()
    table[CONFIDENCE] = [f"{value:.4f}" for value in table[CONFIDENCE]]
    table = table.astype({name: str for name in table if name != UNLIKE})
    return table.rename(columns={CONFIDENCE: "confidence"}).rename_axis("barcode").reset_index()


def composition(adata: ad.AnnData) -> pd.DataFrame:
    """Return the cells of each cluster and cell type by sample.

    The columns are cluster, cell_type, sample, n_cells and share_of_sample (of the sample's cells).
    """
    samples = adata.obs["sample"].astype(str)
    pairs = [
        adata.obs[CLUSTER],
        pd.Series(pd.Categorical(samples), index=samples.index, name="sample"),
    ]
    table = adata.obs.groupby(pairs, observed=False).size().rename("n_cells").reset_index()
    types = adata.obs.groupby(CLUSTER, observed=True)[CELL_TYPE].first().astype(str)
    table["cell_type"] = table["cluster"].map(types).astype(str)
    table["share_of_sample"] = (
        table["n_cells"] / table["sample"].astype(str).map(samples.value_counts())
    ).round(6)
    return pd.DataFrame(
        table, columns=["cluster", "cell_type", "sample", "n_cells", "share_of_sample"]
    )


def _plain_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table without pandas' own nullable types, which not every reader knows."""
    return table.apply(_plain_column)


def _plain_column(column: pd.Series) -> pd.Series:
    if isinstance(column.dtype, pd.CategoricalDtype | np.dtype):
        return column
    if pd.api.types.is_bool_dtype(column) and not column.isna().any():
        return column.astype(bool)
    if pd.api.types.is_numeric_dtype(column):
        return pd.Series(
            column.to_numpy(np.float64 if column.isna().any() else None), index=column.index
        )
    return column.astype(object)


def _uns(uns: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of ``uns`` that is kept: run, settings, and what scanpy needs."""
    kept = {key: _storable(value) for key, value in uns.items() if isinstance(value, Mapping)}
    if "log1p" in kept:
        # Readers differ on a base of None; this is the same base, said as a number.
        kept["log1p"] = {"base": np.e}
    kept[RUN] = _storable(json.loads(uns[RUN]))
    return kept | ({SETTINGS: uns[SETTINGS]} if SETTINGS in uns else {})


def _storable(value: Any) -> Any:
    """Return a value as HDF5 can hold it everywhere: no None, no mixed lists, no slash in a key."""
    if isinstance(value, Mapping):
        return {str(key).replace("/", "_"): _storable(item) for key, item in value.items()}
    if value is None:
        return "none"
    if isinstance(value, list):
        kinds = {type(item) for item in value}
        if kinds and kinds <= {int, float, bool}:
            return np.array(value)
        return (
            np.array(value, dtype=object)
            if kinds == {str}
            else json.dumps(value, ensure_ascii=False)
        )
    return value


STEP = Step(assemble, isolate=True)
