"""Which scores of cells a group's figures show."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .palette import SAFEST, UNKNOWN

PHASES = {"G1": UNKNOWN, "S": SAFEST[1], "G2M": SAFEST[0]}
"""Colours of the phases of the cell cycle."""
_MOST_SETS = 12
_STRESS = "pct_counts_dissociation"


def has_phases(obs: pd.DataFrame) -> bool:
    """Return whether ``obs['phase']`` is the cell cycle's, not a column of the samplesheet."""
    return {"phase", "S_score"} <= set(obs)


def score_columns(obs: pd.DataFrame) -> dict[str, str]:
    """Return the columns of ``obs`` that are drawn -> the words beside their colours."""
    scores = [
        name for name in obs if str(name).startswith("score_") and obs[name].dtype == np.float32
    ]
    named = {str(name): str(name) for name in scores[:_MOST_SETS]}
    return ({_STRESS: "Dissociation stress (%)"} if _STRESS in obs else {}) | named
