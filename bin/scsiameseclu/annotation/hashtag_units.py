"""Cells of one hashtag in one sample as what is compared, where hashtags are the condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..contracts import HASHTAG
from ..errors import InputError

if TYPE_CHECKING:
    from .design import Design

_NO_MARK = ("Doublet", "Negative")
"""What ``obs['hashtag']`` says of cells with several hashtags, and with none."""
SAMPLE = "sample"
"""Column of a design with the pool, beside `HASHTAG`."""


def columns_of_hashtags(design: Design) -> list[str]:
    """Return the columns that a design may name beside the samplesheet's."""
    return [HASHTAG, SAMPLE] if HASHTAG in design.columns else []


def by_hashtag(
    obs: pd.DataFrame, rows: Sequence[Mapping[str, Any]]
) -> tuple[pd.Series[str], list[dict[str, Any]]]:
    """Return the unit of each cell, and the units in place of the samples.

    Parameters
    ----------
    obs
        ``sample`` and, where a sample of the group has hashtags, ``hashtag`` of the cells.
    rows
        What the samplesheet says of the samples.

    Returns
    -------
    Names ``<sample>:<hashtag>``, the sample's own for cells without one hashtag; and a row of each
    unit, of which those with a hashtag have it and the sample in ``extra``.

    Raises
    ------
    InputError
        If no cell has a hashtag.
    """
    samples = obs["sample"].astype(str)
    tags = obs[HASHTAG].astype(object) if HASHTAG in obs else pd.Series(None, index=obs.index)
    tagged = tags.notna() & ~tags.isin(_NO_MARK)
    if not tagged.any():
        raise InputError.of(
            what="the condition is the hashtag, and no cell of the group has one",
            where="--condition",
            remedy="say with --hashtags which features are hashtags, or name a column of the "
            "samplesheet",
        )
    units = samples.where(~tagged, samples + ":" + tags.astype(str))
    named = pd.DataFrame({"unit": units, "sample": samples, "tag": tags.where(tagged, "")})
    extras = {str(row["sample"]): row.get("extra") or {} for row in rows}
    found = [
        {"sample": unit, "extra": extras[sample] | ({HASHTAG: tag, SAMPLE: sample} if tag else {})}
        for unit, sample, tag in named.drop_duplicates().itertuples(index=False)
    ]
    return units, found
