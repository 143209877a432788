"""Which scores of cells a group's figures show."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..contracts import DISSOCIATION, PHASE, PHASE_SCORES
from .palette import SAFEST, UNKNOWN

PHASES = {"G1": UNKNOWN, "S": SAFEST[1], "G2M": SAFEST[0]}
"""Colours of the phases of the cell cycle."""
_MOST_SETS = 12


def has_phases(obs: pd.DataFrame) -> bool:
    """Return whether ``obs['phase']`` is the cell cycle's, not a column of the samplesheet."""
    return {PHASE, *PHASE_SCORES} <= set(obs)


def score_columns(obs: pd.DataFrame) -> dict[str, str]:
    """Return the columns of ``obs`` that are drawn -> the words beside their colours."""
    scores = [
        name for name in obs if str(name).startswith("score_") and obs[name].dtype == np.float32
    ]
    named = {str(name): str(name) for name in scores[:_MOST_SETS]}
    return ({DISSOCIATION: "Dissociation stress (%)"} if DISSOCIATION in obs else {}) | named
