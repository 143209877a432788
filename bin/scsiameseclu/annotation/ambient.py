"""Ambient RNA of a group: its share in each sample, genes that leak, what markers owe to it.

The clusters are those found without it: nothing here reaches back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from ..blocks import row_blocks
from ..contracts import SOUP_COUNTS
from ..depth import TARGET_SUM
from ..expression.merge import places_among
from ..files import read_table, settings, write_h5ad, write_table
from ..steps import Step
from .clustered import CLUSTER, clustered
from .contamination import (
    SOUP_QUANTILE,
    Clustered,
    Contamination,
    estimate,
    find_markers,
    no_markers,
    non_expressing,
)
from .markers import SeuratVersion, log2_fold_change
from .options import Clustering, Expression, Prefix
from .pseudobulk import members_of
from .subtraction import corrected_blocks, kept_shares

Floats = NDArray[np.float64]


N_GENES = 50
"""Genes of a sample's ambient profile that are listed, the most plentiful ones."""
N_NAMED = 10
N_MARKERS = 50
"""Number of markers of a cluster that are examined."""
FEWEST_COUNTS = 100_000
"""With fewer counts in its empty droplets a profile is imprecise. Markers whose share comes
out too high then give the narrowest posteriors: of 50,000 counts, planted shares of 0.1 and 0.25
were found as 0.08 and 0.20, of 1,000,000 as 0.10 and 0.25."""
UNFILTERED_ONLY = "No estimate: the sample came without its empty droplets."


def ambient(
    *,
    prefix: Prefix,
    expression: Expression,
    clustering: Clustering,
    markers: Path,
    soups: list[Path],
    mode: Literal["estimate", "correct"] = "estimate",
    seurat_compat: SeuratVersion = "5",
) -> None:
    """Estimate the ambient share of each sample's counts and of its markers.

    Writes ``<prefix>.ambient.tsv``, ``<prefix>.ambient_genes.tsv`` and
    ``<prefix>.ambient_markers.tsv``; to correct the counts also ``<prefix>.ambient.h5ad`` with the
    share of each gene's counts that is kept, by sample and cluster.

    Parameters
    ----------
    markers
        ``<group>.markers.tsv``.
    soups
        ``<sample>.soup.h5ad`` of the samples that came with their empty droplets.
    mode
        ``correct``: the counts are to be corrected, too.
    seurat_compat
        Version of Seurat whose fold change was used for the markers.
    """
    with clustered(expression, clustering) as adata:
        group = Sums.of(adata)
        found = _estimates(adata, group, _profiles(soups, adata))
        write_table(_table(found), f"{prefix}.ambient.tsv")
        write_table(_genes(found), f"{prefix}.ambient_genes.tsv")
        table = _of_markers(read_table(markers, dtype={"cluster": str, "gene": str}))
        table["ambient_share"] = marker_shares(table, adata.var_names, group, found)
        if mode == "correct":
            shares = kept(group, found)
            sums = expressed(adata, shares, group)
            table["avg_log2FC_corrected"] = fold_changes(
                table, adata.var_names, sums, group, seurat_compat
            )
            pairs = group.pairs[["sample", CLUSTER]].set_axis(group.pairs.index.astype(str))
            write_h5ad(ad.AnnData(shares, obs=pairs), f"{prefix}.ambient.h5ad")
        write_table(table, f"{prefix}.ambient_markers.tsv")


@dataclass(frozen=True)
class Sums:
    """A group's counts by sample and cluster.

    Parameters
    ----------
    pairs
        ``sample``, ``cluster``, ``n_cells`` and ``total`` (counts over all genes of the sample) of
        each pair that has cells.
    rows
        Pair of each cell.
    counts
        Sums of counts (pairs x genes).
    detected
        Cells with the gene (pairs x genes).
    """

    pairs: pd.DataFrame
    rows: NDArray[np.intp]
    counts: Floats
    detected: NDArray[np.int64]

    @classmethod
    def of(cls, adata: ad.AnnData) -> Sums:
        """Sum up ``layers['counts']`` by ``obs['sample']`` and ``obs['cluster']``."""
        keys = adata.obs[["sample", CLUSTER]].astype(str)
        by_pair = keys.assign(total=adata.obs["total_counts"].to_numpy(np.float64)).groupby(
            ["sample", CLUSTER], sort=True
        )
        pairs = by_pair["total"].agg(n_cells="size", total="sum").reset_index()
        rows = by_pair.ngroup().to_numpy(np.intp)
        counts = np.zeros((len(pairs), adata.n_vars))
        detected = np.zeros(counts.shape, dtype=np.int64)
        for cells, block in row_blocks(adata.layers["counts"]):
            members = members_of(rows[cells], len(pairs))
            counts += (members @ block).toarray()
            detected += (members @ (block > 0).astype(np.int64)).toarray()
        return cls(pairs, rows, counts, detected)

    def of_sample(self, sample: str) -> NDArray[np.intp]:
        """Return the pairs of a sample."""
        return np.flatnonzero(self.pairs["sample"] == sample)

    def clustered(self, sample: str) -> Clustered:
        """Return a sample's counts by its clusters."""
        own = self.of_sample(sample)
        return Clustered(
            self.counts[own],
            self.detected[own],
            self.pairs["n_cells"].to_numpy()[own],
            self.pairs["total"].to_numpy()[own],
        )


@dataclass(frozen=True)
class Profile:
    """What a sample's empty droplets hold.

    Parameters
    ----------
    n_droplets, n_counts
        How many there are, and their counts.
    shares
        Of each gene of the group in the counts of all genes; 0 where the sample has no such gene.
    lowest
        Share that the most plentiful tenth of the sample's genes exceeds.
    """

    n_droplets: int
    n_counts: int
    shares: Floats
    lowest: float

    @classmethod
    def of(cls, soup: ad.AnnData, adata: ad.AnnData) -> Profile:
        """Return the profile over the genes of `adata`."""
        counts = soup.var[SOUP_COUNTS].to_numpy(np.float64)
        total = counts.sum()
        own = counts / max(total, 1)
        places = places_among(ad.AnnData(var=adata.var), soup)
        shares = np.where(places >= 0, own[places], 0)
        lowest = float(np.quantile(own, SOUP_QUANTILE))
        return cls(int(soup.obs["n_droplets"].iloc[0]), int(total), shares, lowest)


@dataclass(frozen=True)
class Found:
    """The estimate of a sample, with its profile, None if it has no empty droplets."""

    sample: str
    profile: Profile | None
    contamination: Contamination
    genes: tuple[tuple[str, float], ...] = ()


def _profiles(soups: Sequence[Path], adata: ad.AnnData) -> dict[str, Profile]:
    found = [ad.read_h5ad(path) for path in sorted(soups)]
    return {str(settings(soup)["sample"]): Profile.of(soup, adata) for soup in found}


def _estimates(adata: ad.AnnData, group: Sums, profiles: dict[str, Profile]) -> list[Found]:
    """Return the estimate of each sample of the group, ordered by id."""
    samples = list(dict.fromkeys(group.pairs["sample"]))
    own = {name: group.clustered(name) for name in samples}
    chosen = {
        name: find_markers(own[name], profiles[name].shares, profiles[name].lowest)
        for name in samples
        if name in profiles and profiles[name].n_counts
    }
    silent = dict(_silent(adata, group, profiles, chosen))
    found = []
    for name in samples:
        profile = profiles.get(name)
        contamination = Contamination(None, note=UNFILTERED_ONLY)
        if profile is not None:
            contamination = Contamination(None, note=no_markers(own[name]))
        if profile is not None and name in silent:
            contamination = estimate(own[name], profile.shares, chosen[name], silent[name])
        found.append(Found(name, profile, contamination, _leaking(adata, profile)))
    return found


def _silent(
    adata: ad.AnnData,
    group: Sums,
    profiles: dict[str, Profile],
    chosen: dict[str, NDArray[np.intp]],
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield each sample with markers, and which of its clusters do not express them."""
    samples = group.pairs["sample"].to_numpy()[group.rows]
    some = {name: genes for name, genes in chosen.items() if len(genes)}
    counts: dict[str, list[NDArray[np.int64]]] = {name: [] for name in some}
    for cells, block in row_blocks(adata.layers["counts"]):
        for name in set(samples[cells]) & set(some):
            own = block[samples[cells] == name]
            counts[name].append(own[:, some[name]].toarray().astype(np.int64))
    totals = adata.obs["total_counts"].to_numpy(np.float64)
    for name, genes in some.items():
        inside = samples == name
        clusters = np.searchsorted(group.of_sample(name), group.rows[inside])
        of_cells = np.concatenate(counts[name])
        shares = profiles[name].shares[genes]
        yield name, non_expressing(of_cells, totals[inside], clusters, shares)


def _leaking(adata: ad.AnnData, profile: Profile | None) -> tuple[tuple[str, float], ...]:
    """Return the most plentiful genes of a profile, and their shares."""
    if profile is None:
        return ()
    order = np.argsort(-profile.shares, kind="stable")[:N_GENES]
    names = adata.var_names
    return tuple(
        (str(names[gene]), float(profile.shares[gene]))
        for gene in order
        if profile.shares[gene] > 0
    )


def _table(found: Sequence[Found]) -> pd.DataFrame:
    """Return ``sample n_droplets_in_profile contamination low high top_genes note``."""
    return pd.DataFrame(
        {
            "sample": of.sample,
            "n_droplets_in_profile": 0 if of.profile is None else of.profile.n_droplets,
            "contamination": of.contamination.share,
            "low": of.contamination.low,
            "high": of.contamination.high,
            "top_genes": ", ".join(gene for gene, _ in of.genes[:N_NAMED]),
            "note": " ".join(_notes(of)),
        }
        for of in found
    )


def _notes(found: Found) -> Iterator[str]:
    if found.contamination.note:
        yield found.contamination.note
    if found.profile is not None and found.profile.n_counts < FEWEST_COUNTS:
        yield (
            f"The empty droplets hold only {found.profile.n_counts:,} counts. Their profile is "
            "imprecise, and the estimate tends to be too low."
        )


def _genes(found: Sequence[Found]) -> pd.DataFrame:
    """Return ``sample gene share_of_ambient``, the most plentiful genes of each sample first."""
    rows = [(of.sample, gene, round(share, 6)) for of in found for gene, share in of.genes]
    return pd.DataFrame(rows, columns=["sample", "gene", "share_of_ambient"])


def _of_markers(markers: pd.DataFrame) -> pd.DataFrame:
    """Return ``cluster gene avg_log2FC`` of the best markers that are higher in their cluster."""
    higher = markers[markers["avg_log2FC"] > 0]
    best = higher.groupby("cluster", sort=False).head(N_MARKERS)
    return best[["cluster", "gene", "avg_log2FC"]].reset_index(drop=True)


def marker_shares(
    table: pd.DataFrame, genes: pd.Index, group: Sums, found: Sequence[Found]
) -> NDArray[np.float64]:
    """Return which share of a marker's counts in its cluster is expected to be ambient.

    That is contamination x counts of the cluster x share of the gene in the profile, over the
    gene's counts, at most 1; over the samples that have an estimate, NaN without any.
    """
    counts, expected = np.zeros(len(table)), np.zeros(len(table))
    places = genes.get_indexer(pd.Index(table["gene"]))
    totals = group.pairs["total"].to_numpy()
    for of in found:
        if of.profile is None or of.contamination.share is None:
            continue
        for row in group.of_sample(of.sample):
            mine = (table["cluster"] == group.pairs[CLUSTER].iloc[row]).to_numpy()
            counts[mine] += group.counts[row, places[mine]]
            of_genes = of.profile.shares[places[mine]]
            expected[mine] += of.contamination.share * totals[row] * of_genes
    shares = np.divide(expected, counts, out=np.full(len(table), np.nan), where=counts > 0)
    return np.asarray(np.round(shares.clip(max=1), 4))


def kept(group: Sums, found: Sequence[Found]) -> NDArray[np.float32]:
    """Return the share of each gene's counts that is not ambient (pairs x genes).

    It is 1 in samples without an estimate.
    """
    shares = np.ones(group.counts.shape, dtype=np.float32)
    for of in found:
        if of.profile is not None and of.contamination.share is not None:
            own = group.of_sample(of.sample)
            totals = group.pairs["total"].to_numpy()[own]
            shares[own] = kept_shares(
                group.counts[own], totals, of.profile.shares, of.contamination.share
            )
    return shares


def expressed(adata: ad.AnnData, shares: NDArray[np.float32], group: Sums) -> Floats:
    """Return the sums of corrected counts per 10,000 of a cell (pairs x genes)."""
    sums = np.zeros(shares.shape)
    for cells, block in corrected_blocks(adata.layers["counts"], shares, group.rows):
        totals = np.asarray(block.sum(axis=1), dtype=np.float64).ravel()
        weights = np.divide(TARGET_SUM, totals, out=np.zeros(len(totals)), where=totals > 0)
        sums += (
            (members_of(group.rows[cells], len(sums)) @ sparse.diags(weights)) @ block
        ).toarray()
    return sums


def fold_changes(
    table: pd.DataFrame, genes: pd.Index, sums: Floats, group: Sums, seurat_compat: SeuratVersion
) -> NDArray[np.float64]:
    """Return the log2 fold change of each marker, its cluster against the rest, of such sums.

    As the markers' own (:func:`.markers.find_markers`).
    """
    places = genes.get_indexer(pd.Index(table["gene"]))
    clusters, everything = group.pairs[CLUSTER].to_numpy(), sums.sum(axis=0)
    sizes = group.pairs["n_cells"].to_numpy()
    changes = np.full(len(table), np.nan)
    for cluster in table["cluster"].unique():
        mine, own = (table["cluster"] == cluster).to_numpy(), clusters == cluster
        inside = sums[own].sum(axis=0)[places[mine]]
        outside = (everything[places[mine]] - inside).clip(0)
        n_in, n_out = sizes[own].sum(), sizes[~own].sum()
        changes[mine] = log2_fold_change(inside, outside, n_in, n_out, seurat_compat)
    return changes


STEP = Step(ambient, isolate=True)
