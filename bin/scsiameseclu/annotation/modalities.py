"""Proteins, hashtags and guides by group.

Proteins are normalized and compared between clusters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from ..contracts import CLR, GUIDE, HASHTAG, PROTEIN
from ..errors import listed
from ..files import settings, write_h5ad, write_json, write_table
from ..steps import Step
from .clustered import CLUSTER
from .markers import COLUMNS, find_markers
from .options import Clustering, Prefix

_ASSIGNED = ("hashtag", "guide")
"""Columns of ``obs`` that are counted by cluster."""


def modalities(*, prefix: Prefix, samples: list[Path], clustering: Clustering) -> None:
    """Join proteins, hashtags and guides of a group's samples; compare proteins between clusters.

    Writes ``<prefix>.modalities.h5ad`` (``obsm`` of the group's cells),
    ``<prefix>.modalities.json`` (features by kind, notes), with proteins
    ``<prefix>.protein_markers.tsv`` and ``<prefix>.protein_profiles.tsv``, with hashtags
    ``<prefix>.hashtags.tsv`` and with guides ``<prefix>.guides.tsv``: cells by cluster.

    Parameters
    ----------
    samples
        Filtered cells of each sample (``<sample>.filtered.h5ad``).
    """
    clusters = ad.read_h5ad(clustering).obs[CLUSTER]
    cells = [_named(path) for path in sorted(samples)]
    joined = ad.AnnData(obs=pd.DataFrame({CLUSTER: clusters}, index=clusters.index))
    notes: list[str] = []
    for kind in (PROTEIN, HASHTAG, GUIDE):
        found = {name: sample.obsm[kind] for name, sample in cells if kind in sample.obsm}
        if found:
            joined.obsm[kind] = join_tables(list(found.values()), joined.obs_names)
            # Each pool has hashtags of its own: that says nothing about its cells.
            notes += _absent(kind, found, [name for name, _ in cells]) if kind != HASHTAG else []
    if PROTEIN in joined.obsm:
        normalized = [clr(sample.obsm[PROTEIN]) for _, sample in cells if PROTEIN in sample.obsm]
        joined.obsm[CLR] = join_tables(normalized, joined.obs_names).astype(np.float32)
        write_table(protein_markers(joined), f"{prefix}.protein_markers.tsv")
        write_table(protein_profiles(joined), f"{prefix}.protein_profiles.tsv")
    for column in _ASSIGNED:
        table = cells_by_cluster([sample.obs for _, sample in cells], clusters, column)
        if len(table):
            write_table(table, f"{prefix}.{column}s.tsv")
    n_features = {
        kind: joined.obsm[kind].shape[1]
        for kind in (PROTEIN, HASHTAG, GUIDE)
        if kind in joined.obsm
    }
    write_json({"n_features": n_features, "notes": notes}, f"{prefix}.modalities.json")
    write_h5ad(joined, f"{prefix}.modalities.h5ad")


def clr(counts: pd.DataFrame) -> pd.DataFrame:
    """Return the centered log ratio of each protein over the cells of a sample.

    log1p(count / exp(mean of log1p(count))), the mean over the sample's cells, as Seurat's
    ``NormalizeData`` with ``normalization.method = 'CLR'`` and ``margin = 1`` and muon's
    ``prot.pp.clr``: proteins, which are stained and bind to the background differently, become
    comparable.

    Parameters
    ----------
    counts
        Cells x proteins.

    Returns
    -------
    Values of at least 0 (float64), named as `counts`.
    """
    return pd.DataFrame(np.log1p(counts / np.exp(np.log1p(counts).mean(axis=0))))


def join_tables(tables: Sequence[pd.DataFrame], cells: pd.Index) -> pd.DataFrame:
    """Return `cells` of all tables over the union of columns, NaN where not measured.

    Columns with NaN are float32, others as they were.
    """
    joined = pd.concat(tables).reindex(cells)
    lacking = joined.columns[joined.isna().any()]
    return joined.astype(dict.fromkeys(lacking, np.float32))


def protein_markers(adata: ad.AnnData) -> pd.DataFrame:
    """Return the proteins of each cluster, by the test of :func:`.markers.find_markers`.

    Parameters
    ----------
    adata
        ``obsm['protein_clr']``, ``obs['cluster']``.

    Returns
    -------
    ``cluster protein avg_log2FC pct.1 pct.2 p_val p_val_adj mean_clr mean_clr_rest`` (Bonferroni
    over all proteins), by cluster and p-value. A protein that only some samples were measured for
    is tested within these.
    """
    values, clusters = adata.obsm[CLR], adata.obs[CLUSTER]
    tables = [
        _tested(values.loc[measured, proteins], clusters[measured])
        for measured, proteins in _panels(values)
    ]
    table = pd.concat(tables, ignore_index=True).rename(columns={"gene": "protein"})
    table["p_val_adj"] = np.minimum(table["p_val"].astype(float) * values.shape[1], 1.0)
    names = {str(name): place for place, name in enumerate(clusters.cat.categories)}
    placed = table.assign(place=table["cluster"].map(names)).sort_values(
        ["place", "p_val", "avg_log2FC"], ascending=[True, True, False], kind="stable"
    )
    return placed.drop(columns="place").reset_index(drop=True)


def protein_profiles(adata: ad.AnnData) -> pd.DataFrame:
    """Return ``cluster protein share mean`` of every pair.

    Reads ``obsm['protein_clr']`` and ``obs['cluster']``.

    ``mean`` is over the cells of the cluster that were measured, ``share`` that of these above the
    protein's mean over all cells.
    """
    values, clusters = adata.obsm[CLR].astype(np.float64), adata.obs[CLUSTER]
    above = (values > values.mean()).where(values.notna()).astype(np.float64)
    means, shares = (table.groupby(clusters, observed=True).mean() for table in (values, above))
    return pd.DataFrame(
        {
            "cluster": np.repeat(means.index.astype(str), means.shape[1]),
            "protein": np.tile(np.asarray(means.columns, dtype=object), len(means)),
            "share": shares.to_numpy().ravel(),
            "mean": means.to_numpy().ravel(),
        }
    ).dropna()


def cells_by_cluster(
    tables: Sequence[pd.DataFrame], clusters: pd.Series, column: str
) -> pd.DataFrame:
    """Return ``cluster``, that column of ``obs`` and ``n_cells`` per pair; empty without it."""
    found = [table[column].astype(object) for table in tables if column in table]
    if not found:
        return pd.DataFrame()
    values = pd.concat(found).reindex(clusters.index).rename(column)
    table: pd.DataFrame = (
        values.groupby([clusters, values], observed=True).size().rename("n_cells").reset_index()
    )
    return table


def _named(path: Path) -> tuple[str, ad.AnnData]:
    """Return a sample's id, and its features of cells under their names in the group."""
    sample = ad.read_h5ad(path, backed="r")  # its counts of genes are not read
    name = str(settings(sample)["sample"])
    names = name + "_" + sample.obs_names.astype(str)
    tables = {
        kind: sample.obsm[kind].set_axis(names)
        for kind in (PROTEIN, HASHTAG, GUIDE)
        if kind in sample.obsm
    }
    return name, ad.AnnData(obs=sample.obs.set_axis(names), obsm=tables)


def _absent(kind: str, found: dict[str, pd.DataFrame], samples: Sequence[str]) -> list[str]:
    """Return a note for each sample that lacks features of a kind which others have."""
    every = list(dict.fromkeys(name for table in found.values() for name in table.columns))
    lacking = {
        sample: [name for name in every if sample not in found or name not in found[sample]]
        for sample in samples
    }
    return [
        f"Sample {sample} was not measured for {len(names)} of {len(every)} {kind} features "
        f"({listed(names, n=5)}): they are missing values there, not zeros."
        for sample, names in lacking.items()
        if names
    ]


def _panels(values: pd.DataFrame) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Yield the cells that were measured for the same proteins (bool), and these."""
    measured = values.notna().to_numpy()
    masks, panel = np.unique(measured, axis=1, return_inverse=True)
    for place, mask in enumerate(masks.T):
        yield (
            mask,
            [name for name, own in zip(values.columns, panel.ravel(), strict=True) if own == place],
        )


def _tested(values: pd.DataFrame, clusters: pd.Series) -> pd.DataFrame:
    proteins = ad.AnnData(
        sparse.csr_matrix(values.to_numpy(np.float64)),
        obs=pd.DataFrame({CLUSTER: clusters}),
        var=pd.DataFrame(index=values.columns),
    )
    table = find_markers(proteins)
    if not len(table):
        return pd.DataFrame(columns=[*COLUMNS, "mean_clr", "mean_clr_rest"])
    names = clusters.astype(str)
    totals = values.groupby(names).sum()
    rows = totals.index.get_indexer(pd.Index(table["cluster"]))
    sums = totals.to_numpy()[rows, totals.columns.get_indexer(pd.Index(table["gene"]))]
    of_cluster = table["cluster"].map(names.value_counts()).to_numpy(float)
    rest = values.sum()[table["gene"]].to_numpy() - sums
    return table.assign(mean_clr=sums / of_cluster, mean_clr_rest=rest / (len(values) - of_cluster))


STEP = Step(modalities, isolate=True)
