"""Whether the share of a cell type differs between conditions, samples being the replicates.

The method is propeller's (Phipson et al. 2022): a linear model of the logit of the shares in each
sample, with the variances of the cell types shrunk towards each other as in limma (Smyth 2004).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, special, stats

from ..errors import quoted
from ..files import below_each_other, read_table, settings, write_table
from ..steps import Step
from .design import Design, asked_design, conditions, design_matrix, sample_table, too_few, unfit
from .options import GivenDesign, Prefix
from .shares import cells_by_type

COLUMNS = [
    *("cell_type", "condition", "baseline", "contrast"),
    *("mean_share_condition", "mean_share_baseline", "difference"),
    *("log_odds_ratio", "statistic", "p_val", "p_val_adj"),
    *("n_samples_condition", "n_samples_baseline", "detectable_odds_ratio", "note"),
]
FEW_SAMPLES = 3
"""With no more samples of a condition than these, a note says that the power is low."""
_ABSENT = "not tested: no cell of it in either condition"
_PSEUDOCOUNT = 0.5
_POWER = 0.8
_SMALLEST_VARIANCE = 1e-5
"""Share of the median, as in limma: a type without variation has no logarithm."""


def compare_composition(
    *, prefix: Prefix, pseudobulk: Path, annotation: Path, design: GivenDesign
) -> None:
    """Write ``<prefix>.composition_test.tsv``.

    Parameters
    ----------
    pseudobulk
        ``<group>.pseudobulk.h5ad``, which has the cells of each cluster and sample.
    annotation
        ``<group>.annotation.tsv`` with the cell types of the clusters.
    """
    model = asked_design(design)
    bulk = ad.read_h5ad(pseudobulk)
    named = read_table(annotation, dtype=str)
    cells = cells_by_type(bulk.obs, dict(zip(named["cluster"], named["cell_type"], strict=True)))
    table = composition_test(cells, sample_table(settings(bulk)["samples"], model), model)
    write_table(table, f"{prefix}.composition_test.tsv")


def composition_test(cells: pd.DataFrame, samples: pd.DataFrame, design: Design) -> pd.DataFrame:
    """Test each cell type's share under each condition against that at the baseline.

    Parameters
    ----------
    cells
        Samples x cell types: numbers of cells.
    samples
        The design's columns of the samples that take part, by sample.
    design
        What to compare and what to take out.

    Returns
    -------
    One row per condition and cell type, by p-value: mean shares and their difference; the logarithm
    of the odds ratio with its moderated t statistic; p-values, adjusted within the contrast by
    Benjamini and Hochberg; samples of each condition; the odds ratio that these samples would show
    at 5 % with a power of 80 %; and a note where nothing was tested or the power is low.
    """
    samples = samples.loc[samples.index.intersection(cells.index[cells.sum(axis=1) > 0])]
    baseline, others = conditions(samples, design)
    tables = (_contrast(cells, samples, design, baseline, other) for other in others)
    return below_each_other(tables, COLUMNS)


def _contrast(
    cells: pd.DataFrame, samples: pd.DataFrame, design: Design, baseline: str, other: str
) -> pd.DataFrame:
    compared = samples[samples[design.condition].isin([baseline, other])]
    counts = cells.loc[compared.index]
    shares = counts.div(counts.sum(axis=1), axis=0)
    means = {
        name: shares[(compared[design.condition] == name).to_numpy()].mean()
        for name in (other, baseline)
    }
    sizes = {name: int((compared[design.condition] == name).sum()) for name in (other, baseline)}
    table = pd.DataFrame(
        {
            "mean_share_condition": means[other].round(6),
            "mean_share_baseline": means[baseline].round(6),
            "difference": (means[other] - means[baseline]).round(6),
        }
    ).rename_axis("cell_type")
    table = table.assign(condition=other, baseline=baseline, contrast=f"{other} vs {baseline}")
    table = table.assign(n_samples_condition=sizes[other], n_samples_baseline=sizes[baseline])
    # Of a type without any cell, the logits have hardly any variance: they are depths alone.
    present = counts.loc[:, counts.sum() > 0]
    reason = too_few(compared, (baseline, other), design) or unfit(compared, design)
    if not reason and present.shape[1] < 2:
        reason = "there is only one cell type"
    matrix = design_matrix(compared, design)
    found = pd.DataFrame(index=counts.columns) if reason else moderated(_logits(present), matrix)
    new = [column for column in COLUMNS if column not in ("cell_type", "note", *table)]
    table = table.join(found.reindex(columns=new))
    table["note"] = f"not tested: {reason}" if reason else _low_power(sizes)
    if not reason:
        table.loc[table.index.difference(present.columns), "note"] = _ABSENT
    return table.sort_values("p_val", kind="stable").reset_index()


def _low_power(sizes: dict[str, int]) -> str:
    few = [f"{size} of {quoted(name)}" for name, size in sizes.items() if size <= FEW_SAMPLES]
    return f"low power: {', '.join(few)}; only large changes can be detected" if few else ""


def _logits(counts: pd.DataFrame) -> pd.DataFrame:
    """Return the logit of each type's share in each sample, finite where a sample has none."""
    shares = counts + _PSEUDOCOUNT
    shares = shares.div(shares.sum(axis=1), axis=0)
    return pd.DataFrame(np.log(shares / (1 - shares)))


def moderated(values: pd.DataFrame, matrix: pd.DataFrame) -> pd.DataFrame:
    """Return the last coefficient of a linear model of each column, with limma's moderated t test.

    Parameters
    ----------
    values
        Samples x variables.
    matrix
        Samples x coefficients, of full rank.
    """
    X = matrix.to_numpy()
    inverse = np.linalg.pinv(X)
    coefficients = inverse @ values.to_numpy()
    df = X.shape[0] - X.shape[1]
    variances = ((values.to_numpy() - X @ coefficients) ** 2).sum(axis=0) / df
    variances, total_df = squeezed(variances, df)
    errors = np.sqrt(variances * (inverse[-1] @ inverse[-1]))
    statistic = coefficients[-1] / errors
    p = 2 * stats.t.sf(np.abs(statistic), total_df)
    detectable = np.exp((stats.t.isf(0.025, total_df) + stats.t.isf(1 - _POWER, total_df)) * errors)
    return pd.DataFrame(
        {
            "log_odds_ratio": coefficients[-1].round(6),
            "statistic": statistic,
            "p_val": p,
            "p_val_adj": stats.false_discovery_control(p),
            "detectable_odds_ratio": detectable.round(3),
        },
        index=values.columns,
    )


def squeezed(variances: NDArray[Any], df: int) -> tuple[NDArray[Any], float]:
    """Return variances shrunk towards their common prior, and their degrees of freedom.

    Source: Smyth (2004), section 6.2.
    """
    variances = np.maximum(
        variances, max(_SMALLEST_VARIANCE * float(np.median(variances)), np.finfo(float).tiny)
    )
    logs = np.log(variances) - special.digamma(df / 2) + np.log(df / 2)
    spread = float(logs.var(ddof=1)) - float(special.polygamma(1, df / 2))
    if spread <= 0:
        # They differ no more than by chance: one variance for all.
        return np.full_like(variances, np.exp(logs.mean())), float(df * len(variances))
    half = optimize.brentq(lambda log: special.polygamma(1, np.exp(log)) - spread, -20, 20)
    prior_df = 2 * float(np.exp(half))
    prior = np.exp(logs.mean() + special.digamma(prior_df / 2) - np.log(prior_df / 2))
    shrunk = (prior_df * prior + df * variances) / (prior_df + df)
    return shrunk, float(min(prior_df + df, df * len(variances)))


STEP = Step(compare_composition, isolate=True)
