"""The ledger: one row per incoming barcode, in input order, with its fate and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from ..files import read_table
from .thresholds import BOUNDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..contracts import QualitySummary

_REASON = ("step", "rule", "value", "threshold")
_METRICS = tuple(dict.fromkeys(["total_counts", *(bound.metric for bound in BOUNDS.values())]))
"""What is bounded, and counts even if they were not."""
LEDGER_COLUMNS = ("sample", "barcode", "kept", *_REASON, *_METRICS, "doublet_score", "doublet")
"""`step`, `rule`, `value` and `threshold` say what removed a barcode and are empty for a kept one.

Where the matrix holds two species, ``counts_human``, ``counts_mouse`` and ``species`` follow; of a
hashed pool ``hashtag``.
"""


def open_ledger(sample: str, metrics: pd.DataFrame) -> pd.DataFrame:
    """Return a ledger in which every barcode is kept.

    Its index is that of `metrics`.
    """
    ledger = pd.DataFrame(
        index=pd.RangeIndex(len(metrics)), columns=list(LEDGER_COLUMNS), dtype=object
    )
    ledger["sample"] = sample
    ledger["barcode"] = metrics.index.to_numpy(dtype=object)
    ledger["kept"] = True
    for column in _METRICS:
        ledger[column] = metrics[column].to_numpy()
    return ledger


def strike(ledger: pd.DataFrame, failing: pd.Series[bool], *reason: Any) -> None:
    """Mark kept barcodes where `failing` as removed, by step, rule, value and threshold.

    `failing` is aligned by row.
    """
    rows = ledger["kept"] & failing.to_numpy()
    ledger.loc[rows, "kept"] = False
    for column, value in zip(_REASON, reason, strict=False):
        ledger.loc[rows, column] = value[rows.to_numpy()] if isinstance(value, pd.Series) else value


def warn(account: QualitySummary, warnings: Sequence[str]) -> None:
    """Add to an account warnings, which are notes that the verdict on the sample repeats."""
    account["warnings"] += warnings
    account["notes"] += warnings


def count_removed(ledger: pd.DataFrame, rules: list[str]) -> dict[str, int]:
    """Return how many barcodes each rule removed, zeros included, in the order of `rules`."""
    counts = ledger["rule"].value_counts()
    return {rule: int(counts.get(rule, 0)) for rule in rules}


def read_ledger(path: Path | str) -> pd.DataFrame:
    """Read a ledger as it was written, to the bit: barcodes are text whatever they look like."""
    text = dict.fromkeys(("sample", "barcode", "step", "rule", "species", "hashtag"), object)
    return read_table(path, dtype=text, float_precision="round_trip")
