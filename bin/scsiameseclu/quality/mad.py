"""Bounds from a sample's own distribution: median and median absolute deviation (MAD)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import median_abs_deviation

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

# Option -> metric, whether on log1p values, and the rules that it bounds.
_MADS: dict[str, tuple[str, bool, tuple[str, ...]]] = {
    "mad_genes": ("n_genes_by_counts", True, ("min_genes", "max_genes")),
    "mad_counts": ("total_counts", True, ("min_counts", "max_counts")),
    "mad_pct_mt": ("pct_counts_mt", False, ("max_pct_mt",)),
}


def mad_bounds(
    values: pd.Series[float], n_mads: float, *, log: bool = False
) -> tuple[float, float] | None:
    """Return the bounds that lie `n_mads` MADs below and above the median.

    The MAD is scaled by 1.4826, so that it is the standard deviation where the values are normal
    (``scipy.stats.median_abs_deviation`` with ``scale="normal"``).

    Parameters
    ----------
    values
        A metric of the barcodes that hold counts.
    n_mads
        How many MADs from the median.
    log
        Measure on log1p(values), for counts and genes, which spread by factors; the bounds are on
        the scale of the values and rounded inwards to whole numbers.

    Returns
    -------
    Lower and upper bound, or None if the MAD says nothing: no value is known, or more than half
    are the same (MAD 0, with which every other barcode would be an outlier).
    """
    known = values.dropna().to_numpy(dtype=np.float64)
    scaled = np.log1p(known) if log else known
    mad = float(median_abs_deviation(scaled, scale="normal")) if len(known) else 0.0
    if mad == 0:
        return None
    low, high = np.median(scaled) - n_mads * mad, np.median(scaled) + n_mads * mad
    if not log:
        return float(low), float(high)
    # Rounded first: the logarithm must not move a bound that is whole.
    return float(np.ceil(np.expm1(low).round(6))), float(np.floor(np.expm1(high).round(6)))


def tighten(
    metrics: pd.DataFrame, thresholds: Mapping[str, float | None], mads: Mapping[str, float | None]
) -> tuple[dict[str, float | None], dict[str, str], list[str]]:
    """Combine fixed thresholds with those by MAD: of each rule the stricter one applies.

    Parameters
    ----------
    metrics
        Of the sample, from :func:`~scsiameseclu.quality.cell_metrics`; barcodes without counts are
        left aside.
    thresholds
        Rule -> fixed threshold or None.
    mads
        ``mad_genes``, ``mad_counts``, ``mad_pct_mt`` -> number of MADs, None: not used.

    Returns
    -------
    The thresholds that apply; rule -> option for those that a MAD has set; notes for the reader.
    """
    applied, options, notes = dict(thresholds), {}, []
    for option, (metric, log, rules) in _MADS.items():
        if (n_mads := mads.get(option)) is None:
            continue
        values = metrics.loc[metrics["total_counts"] > 0, metric]
        bounds = mad_bounds(values, n_mads, log=log)
        if bounds is None:
            notes.append(
                f"--{option} is not applied: the metric is unknown or the same in most barcodes."
            )
            continue
        form = ",.0f" if log else ".3g"
        for rule in rules:
            bound = bounds[0] if rule.startswith("min") else bounds[1]
            if _is_stricter(rule, bound, applied.get(rule)):
                applied[rule], options[rule] = bound, option
                notes.append(
                    f"{rule} is {bound:{form}}: {n_mads:g} MADs from the median of "
                    f"{values.median():{form}}."
                )
    return applied, options, notes


def _is_stricter(rule: str, bound: float, fixed: float | None) -> bool:
    if rule.startswith("min"):
        return bound > (fixed or 0)
    return fixed is None or bound < fixed
