"""Differential expression between conditions within each cluster: counts summed by sample, tested by DESeq2's method.

Samples, not cells, are the replicates (Squair et al. 2021); the test is that of DESeq2 (Love et al. 2014) as pydeseq2
(Muzellec et al. 2023) has it.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from ..errors import quoted
from ..files import settings, write_json, write_table
from .clustered import CLUSTER, read_clustered

if TYPE_CHECKING:
    import anndata as ad

COLUMNS = [
    *("cluster", "condition", "baseline", "gene", "base_mean", "log2_fold_change", "standard_error", "statistic"),
    *("p_value", "p_value_adjusted"),
]
CONDITION = "condition"
FEWEST_CELLS = 10
"""A sample counts in a cluster from this many cells on."""
FEWEST_SAMPLES = 2
"""Samples of each condition that a cluster needs."""
FEWEST_COUNTS = 10
"""A gene is tested from this many counts in a cluster on."""


def differential(*, prefix: str, expression: Path, clustering: Path, condition: str) -> None:
    """Write ``<prefix>.differential_expression.tsv`` and ``.json``, which says what was not tested and why.

    Parameters
    ----------
    prefix
        Id of the group.
    expression
        ``<group>.expression.h5ad``.
    clustering
        ``<group>.clustering.h5ad`` with ``obs['cluster']``.
    condition
        Column of the samplesheet with the conditions.
    """
    adata = read_clustered(expression, clustering)
    of_samples = {str(row["sample"]): row["extra"].get(condition) for row in settings(adata)["samples"]}
    adata.obs[CONDITION] = adata.obs["sample"].astype(str).map(of_samples)
    table, notes = differential_expression(adata, condition=CONDITION)
    write_table(table, f"{prefix}.differential_expression.tsv")
    write_json({"condition": condition, "notes": notes}, f"{prefix}.differential_expression.json")


def differential_expression(
    adata: ad.AnnData, *, condition: str, groupby: str = CLUSTER, sample: str = "sample"
) -> tuple[pd.DataFrame, list[str]]:
    """Return the genes that differ between conditions in each cluster, and what was not tested and why.

    Parameters
    ----------
    adata
        Raw counts in ``layers['counts']``.
    condition, groupby, sample
        Columns of ``obs`` with the conditions, clusters and samples. The first condition by name is the baseline of the
        others; cells without a condition are left out.

    Returns
    -------
    One row per cluster, condition and gene with at least 10 counts in the cluster, by p-value within each: ``cluster
    condition baseline gene base_mean log2_fold_change standard_error statistic p_value p_value_adjusted``
    (Benjamini-Hochberg with independent filtering; missing for genes that DESeq2 holds for outliers or too low).
    A cluster is tested where the condition and the baseline have at least two samples of at least 10 cells each.
    """
    conditions = adata.obs[condition].astype(object)
    conditions = conditions.where(conditions.notna(), "").astype(str)
    names = sorted(set(conditions) - {""})
    if len(names) < 2:
        return pd.DataFrame(columns=COLUMNS), ["the samples of the group have fewer than two conditions"]
    tables, notes = [], []
    for cluster in pd.Categorical(adata.obs[groupby]).categories:
        inside = ((adata.obs[groupby] == cluster) & (conditions != "")).to_numpy()
        counts, design = _pseudobulk(adata, inside, conditions, adata.obs[sample].astype(str))
        for other in names[1:]:
            if reason := _too_few(design, (names[0], other)):
                notes.append(f"cluster {cluster}, {quoted(other)} against {quoted(names[0])}: {reason}")
                continue
            compared = design.isin([names[0], other]).to_numpy()
            found = _deseq2(counts[compared], design[compared] == other)
            tables.append(found.assign(cluster=str(cluster), condition=other, baseline=names[0]))
    tables = [table for table in tables if len(table)]
    return (pd.concat(tables, ignore_index=True)[COLUMNS] if tables else pd.DataFrame(columns=COLUMNS)), notes


def _pseudobulk(
    adata: ad.AnnData, inside: np.ndarray[Any, Any], conditions: pd.Series, samples: pd.Series
) -> tuple[pd.DataFrame, pd.Series]:
    """Return samples x genes: the counts of a cluster's cells, of samples with enough of them; and their conditions."""
    of_cells = pd.Categorical(samples[inside])
    sizes = np.bincount(of_cells.codes, minlength=len(of_cells.categories))
    counts = sparse.csr_matrix(adata.layers["counts"])[inside]
    members = sparse.csr_matrix((np.ones(inside.sum(), int), (of_cells.codes, np.arange(inside.sum()))))
    sums = pd.DataFrame((members @ counts).toarray(), index=of_cells.categories, columns=adata.var_names)
    design = conditions[inside].groupby(samples[inside]).first().reindex(of_cells.categories)
    return sums[sizes >= FEWEST_CELLS], design[sizes >= FEWEST_CELLS]


def _too_few(design: pd.Series, names: tuple[str, str]) -> str:
    """Return why a cluster cannot be tested, or nothing."""
    few = [f"{(design == name).sum()} of {quoted(name)}" for name in names if (design == name).sum() < FEWEST_SAMPLES]
    if not few:
        return ""
    return f"samples with at least {FEWEST_CELLS} cells: {', '.join(few)}, and {FEWEST_SAMPLES} are needed"


def _deseq2(counts: pd.DataFrame, treated: pd.Series) -> pd.DataFrame:
    """Return DESeq2's numbers for every gene with enough counts, by p-value."""
    # Here, not above: the package takes seconds to import, and only this step needs it.
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.ds import DeseqStats

    counts = counts.loc[:, counts.sum() >= FEWEST_COUNTS]
    if counts.shape[1] < 2:
        return pd.DataFrame()
    design = pd.DataFrame({"condition": np.where(treated, "b", "a")}, index=counts.index)
    with warnings.catch_warnings():
        # It warns where few genes make the trend of the dispersions a mean, which is its own remedy.
        warnings.simplefilter("ignore")
        model = DeseqDataSet(counts=counts, metadata=design, design="~condition", quiet=True, n_cpus=1)
        model.deseq2()
        test = DeseqStats(model, contrast=["condition", "b", "a"], quiet=True, n_cpus=1)
        test.summary()
    found = test.results_df.set_axis(COLUMNS[4:], axis=1).rename_axis("gene").reset_index()
    return pd.DataFrame(found.sort_values("p_value", kind="stable", ignore_index=True))
