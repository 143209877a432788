"""The replicates of a comparison: samples, or the parts of hashed pools with one hashtag each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ..contracts import HASHTAG

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .design import Design

    Row = dict[str, Any]

SEPARATOR = "|"
"""Between a sample, whose id cannot hold it, and a hashtag."""
REPLICATE = "replicate"
"""Column of ``obs`` with each cell's, empty for one that is of none."""
_NONE = ("", "Doublet", "Negative")


def replicates(
    obs: pd.DataFrame, rows: Sequence[Mapping[str, Any]], design: Design
) -> tuple[pd.Series[str], list[Row], list[str]]:
    """Return the replicate of each cell, their rows, and notes on what takes no part.

    Parameters
    ----------
    obs
        Cells of a group with ``sample`` and, of hashed pools, ``hashtag``.
    rows
        Settings of the group's samples.
    design
        The comparison. Where it has the column ``hashtag``, each sample and hashtag is a replicate,
        ``<sample>|<hashtag>``, with the columns of the sample and the hashtag as one more.
    """
    samples = obs["sample"].astype(str)
    if HASHTAG not in design.columns:
        return samples, [dict(row) for row in rows], []
    known = obs[HASHTAG] if HASHTAG in obs else pd.Series("", index=obs.index)
    tags = known.astype(object).fillna("").astype(str)
    tags = tags.where(~tags.isin(_NONE), "")
    names = (samples + SEPARATOR + tags).where(tags != "", "")
    parts = [
        {**row, "sample": f"{row['sample']}{SEPARATOR}{tag}", "extra": _with(row, tag)}
        for row in rows
        for tag in sorted(set(tags[samples == str(row["sample"])]) - {""})
    ]
    n_left_out = int((names == "").sum())
    note = f"{n_left_out:,} cells without a hashtag of their own take no part"
    return names, parts, [note] if n_left_out else []


def _with(row: Mapping[str, Any], tag: str) -> Row:
    return {**(row.get("extra") or {}), HASHTAG: tag}
