"""Assign the cells of a hashed pool by hashtags, per sample, with HashSolo.

Source: Bernstein et al., 2020.
"""

from __future__ import annotations

from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO

import anndata as ad
import numpy as np
import pandas as pd

from ..contracts import HashtagSummary

LEDGER_STEP = "hashtags"
DOUBLET, NEGATIVE = "Doublet", "Negative"
"""What ``obs['hashtag']`` says of cells with several hashtags, and with none, where they are
kept."""
RULES = {DOUBLET: "hashtag_doublet", NEGATIVE: "hashtag_negative"}
PRIORS = (0.01, 0.8, 0.19)
"""HashSolo's own: probabilities of a negative, a singlet and a doublet among cells that passed
quality control."""


@dataclass(frozen=True)
class Hashing:
    """What the hashtags say of a sample's cells.

    Parameters
    ----------
    calls
        Hashtag of each cell, ``Doublet`` or ``Negative`` (text, by barcode).
    probability
        That of the call (float64).
    """

    calls: pd.Series[str]
    probability: pd.Series[float]

    @property
    def removable(self) -> np.ndarray:
        """Which cells have several hashtags or none (bool)."""
        return np.asarray(self.calls.isin(list(RULES)))

    @property
    def same_hashtag(self) -> float:
        """Share of the doublets that hashtags do not show: both cells have the same one."""
        shares = self.calls[~self.removable].value_counts(normalize=True)
        return float((shares**2).sum()) if len(shares) else 1.0

    def summary(self) -> HashtagSummary:
        """Return the account in ``<sample>.qc.json``: cells by hashtag, doublets and negatives."""
        counts = self.calls.value_counts()
        tags = [name for name in sorted(counts.index) if name not in RULES]
        return {
            "n_cells": {name: int(counts[name]) for name in tags},
            "n_doublets": int(counts.get(DOUBLET, 0)),
            "n_negatives": int(counts.get(NEGATIVE, 0)),
        }


def demultiplex(counts: pd.DataFrame) -> tuple[Hashing | None, str]:
    """Call the hashtag of each cell.

    HashSolo compares, for the two fullest hashtags of a cell, three hypotheses: both are noise
    (negative), one is signal (singlet), both are (doublet). Noise and signal of each hashtag are
    log-normal, estimated from the cells where it is among the lowest, or the fullest. There is no
    random number in it.

    Parameters
    ----------
    counts
        Counts of the hashtags (columns) in the cells (rows) that passed quality control.

    Returns
    -------
    The calls, or None and why there are none, in words for the verdict.
    """
    if counts.shape[1] < 2:
        return (
            None,
            f"Cells were not told apart by hashtags: there is one only ({counts.columns[0]}).",
        )
    # Scanpy's external tools take seconds to load: only a hashed pool waits for them.
    from scanpy.external.pp import hashsolo

    # HashSolo has names of its own for columns and calls: hashtags go by number.
    numbers = [str(place) for place in range(counts.shape[1])]
    cells = ad.AnnData(obs=counts.set_axis(numbers, axis=1))
    with redirect_stdout(StringIO()), np.errstate(divide="ignore", invalid="ignore"):
        hashsolo(cells, numbers, priors=PRIORS, number_of_noise_barcodes=max(len(numbers) - 2, 1))
    hypotheses = [f"{name}_hypothesis_probability" for name in ("negative", "singlet", "doublet")]
    probabilities = cells.obs[hypotheses].to_numpy(np.float64)
    if not np.isfinite(probabilities).all():
        return (
            None,
            "Cells were not told apart by hashtags: noise and signal of a hashtag do "
            "not vary between cells.",
        )
    names = dict(zip(numbers, counts.columns, strict=True))
    calls = cells.obs["Classification"].astype(str).map(lambda call: names.get(call, call))
    return Hashing(calls, pd.Series(probabilities.max(axis=1), index=counts.index)), ""
