"""Differential expression between conditions within each cluster.

Counts are summed by sample and tested by DESeq2's method.

Samples, not cells, are the replicates (Squair et al. 2021); the test is that of DESeq2 (Love et al.
2014) as implemented in pydeseq2 (Muzellec et al. 2023).
"""

from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pandas as pd

from ..contracts import DifferentialSummary
from ..errors import quoted
from ..expression.merge import MEASURED
from ..files import below_each_other, set_settings, settings, write_h5ad, write_json, write_table
from ..steps import Step
from .clustered import clustered
from .design import (
    REPLICATE,
    Design,
    asked_design,
    conditions,
    design_matrix,
    replicates,
    sample_table,
    too_few,
    unfit,
    without_values,
)
from .options import Clustering, Expression, GivenDesign, Prefix
from .pseudobulk import pseudobulk, with_columns

_NUMBERS = [
    "base_mean",
    "log2_fold_change",
    "standard_error",
    "statistic",
    "p_value",
    "p_value_adjusted",
]
COLUMNS = ["cluster", "condition", "baseline", "contrast", "gene", *_NUMBERS]
FEWEST_CELLS = 10
"""Fewest cells of a sample in a cluster for it to count there."""
FEWEST_COUNTS = 10
"""Fewest counts of a gene in a cluster for it to be tested."""


def differential(
    *, prefix: Prefix, expression: Expression, clustering: Clustering, design: GivenDesign
) -> None:
    """Write differences between conditions, what was not tested and why, and the summed counts.

    These are ``<prefix>.differential_expression.tsv``, ``<prefix>.differential_expression.json``
    and ``<prefix>.pseudobulk.h5ad``, which holds all clusters and samples.
    """
    model = asked_design(design)
    with clustered(expression, clustering) as adata:
        own, rows, left_out = replicates(adata.obs, settings(adata)["samples"], model)
        adata.obs[REPLICATE] = own
        bulk = pseudobulk(adata, sample=REPLICATE)
    bulk = bulk[(bulk.obs["sample"] != "").to_numpy()].copy()
    table, notes = compare(bulk, sample_table(rows, model), model)
    notes = [*left_out, *without_values(rows, model), *notes]
    write_table(table, f"{prefix}.differential_expression.tsv")
    account: DifferentialSummary = {
        "condition": model.condition,
        "formula": model.formula,
        "notes": notes,
    }
    write_json(account, f"{prefix}.differential_expression.json")
    with_columns(bulk, rows, model)
    set_settings(
        bulk, {"samples": [{"sample": row["sample"], "extra": row["extra"]} for row in rows]}
    )
    write_h5ad(bulk, f"{prefix}.pseudobulk.h5ad")


def compare(
    bulk: ad.AnnData, samples: pd.DataFrame, design: Design
) -> tuple[pd.DataFrame, list[str]]:
    """Return the differences in each cluster, and what was not tested and why.

    Parameters
    ----------
    bulk
        From :func:`pseudobulk`.
    samples
        The design's columns of the samples that take part, by sample.
    design
        What to compare and what to take out.

    Returns
    -------
    One row per cluster, condition and gene with at least 10 counts in the cluster, by p-value
    within each, with the columns `COLUMNS` (adjusted by Benjamini-Hochberg with independent
    filtering; missing for genes that DESeq2 regards as outliers or too low). A cluster is tested
    where the condition and the baseline have at least two samples of at least 10 cells each.
    """
    baseline, others = conditions(samples, design)
    if not others:
        reason = "the samples of the group have fewer than two conditions"
        return pd.DataFrame(columns=COLUMNS), [reason]
    bulk, notes = _measured(bulk)
    tables = []
    for cluster in dict.fromkeys(bulk.obs["cluster"]):
        counts = _counts(bulk, cluster, samples)
        for other in others:
            compared = samples.loc[counts.index]
            compared = compared[compared[design.condition].isin([baseline, other])]
            enough = f"samples with at least {FEWEST_CELLS} cells"
            few = too_few(compared, (baseline, other), design, enough)
            if reason := few or unfit(compared, design):
                pair = f"{quoted(other)} against {quoted(baseline)}"
                notes.append(f"cluster {cluster}, {pair}: {reason}")
                continue
            found = _deseq2(counts.loc[compared.index], design_matrix(compared, design))
            contrast = f"{other} vs {baseline}"
            found = found.assign(cluster=cluster, condition=other, baseline=baseline)
            tables.append(found.assign(contrast=contrast))
    return below_each_other(tables, COLUMNS), notes


def _measured(bulk: ad.AnnData) -> tuple[ad.AnnData, list[str]]:
    """Return the genes measured in all samples: elsewhere a zero is not a count."""
    if MEASURED not in bulk.var or bulk.var[MEASURED].all():
        return bulk, []
    kept = bulk.var[MEASURED].to_numpy(bool)
    return bulk[:, kept], [
        f"{(~kept).sum()} genes, which only some of the samples were measured for"
    ]


def _counts(bulk: ad.AnnData, cluster: str, samples: pd.DataFrame) -> pd.DataFrame:
    """Return samples x genes of a cluster, for the tested samples with enough cells in it."""
    inside = (bulk.obs["cluster"] == cluster) & (bulk.obs["n_cells"] >= FEWEST_CELLS)
    part = bulk[(inside & bulk.obs["sample"].isin(samples.index)).to_numpy()]
    return pd.DataFrame(
        part.X.toarray(), index=part.obs["sample"].to_numpy(), columns=part.var_names
    )


def _deseq2(counts: pd.DataFrame, matrix: pd.DataFrame) -> pd.DataFrame:
    """Return DESeq2's results of the last coefficient, for genes with enough counts, by p-value."""
    # Here, not above: the package takes seconds to import, and only this step needs it.
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.ds import DeseqStats

    counts = counts.loc[:, counts.sum() >= FEWEST_COUNTS]
    if counts.shape[1] < 2:
        return pd.DataFrame()
    last = np.eye(matrix.shape[1])[-1]
    with warnings.catch_warnings():
        # It warns where few genes make the trend of the dispersions a mean, which is its own
        # remedy.
        warnings.simplefilter("ignore")
        model = DeseqDataSet(counts=counts, metadata=matrix, design=matrix, quiet=True, n_cpus=1)
        model.deseq2()
        test = DeseqStats(model, contrast=last, quiet=True, n_cpus=1)
        test.summary()
    found = test.results_df.set_axis(_NUMBERS, axis=1).rename_axis("gene").reset_index()
    return pd.DataFrame(found.sort_values("p_value", kind="stable", ignore_index=True))


STEP = Step(differential, isolate=True)
