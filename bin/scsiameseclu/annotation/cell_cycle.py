"""Scores of the phases of the cell cycle.

After Tirosh et al., Science 352, 189 (2016), as in scanpy's ``score_genes_cell_cycle``: the
mean expression of a phase's genes less that of control genes of like expression. Written anew, for
scanpy needs all of the expression in memory, several times.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..blocks import Matrix, row_blocks
from ..contracts import PHASE, PHASE_SCORES

Floats = NDArray[np.float64]


PHASES = ("G1", "S", "G2M")
PHASE_COLUMNS = (*PHASE_SCORES, PHASE)
_BINS = 25


def cell_cycle(
    expression: Matrix, s_genes: Sequence[int], g2m_genes: Sequence[int], *, seed: int = 0
) -> pd.DataFrame | None:
    """Return ``S_score``, ``G2M_score`` and ``phase`` of each cell.

    Parameters
    ----------
    expression
        Log-normalised, cells x genes, in memory or on disk.
    s_genes, g2m_genes
        Columns of the genes of the two phases.
    seed
        Seed by which control genes are drawn.

    Returns
    -------
    Scores (float64) and one of `PHASES`: the higher score's, G1 where both are negative. None
    where a phase has no genes of like expression to compare with.
    """
    means = _means(expression)
    size = min(len(s_genes), len(g2m_genes))
    weights = np.zeros((expression.shape[1], 2))
    for column, genes in enumerate((s_genes, g2m_genes)):
        controls = control_genes(means, genes, size=size, seed=seed)
        if not len(controls):
            return None
        weights[list(genes), column] = 1 / len(genes)
        weights[controls, column] = -1 / len(controls)
    scores = np.concatenate([rows @ weights for _, rows in row_blocks(expression)])
    phase = np.where(scores[:, 1] > scores[:, 0], "G2M", "S").astype(object)
    phase[(scores < 0).all(axis=1)] = "G1"
    columns = (scores[:, 0], scores[:, 1], pd.Categorical(phase, categories=PHASES))
    return pd.DataFrame(dict(zip(PHASE_COLUMNS, columns, strict=True)))


def control_genes(
    means: Floats, genes: Sequence[int], *, size: int, seed: int = 0
) -> NDArray[np.int64]:
    """Return genes whose mean expression lies in the same bins as that of `genes`.

    Parameters
    ----------
    means
        Mean expression of every gene.
    genes
        Columns of the genes that are scored; none of them is a control.
    size
        Genes drawn from a bin at most.
    seed
        Seed of the draw. It is scanpy's, so that the genes are the same.
    """
    ranks = pd.Series(means).rank(method="min")
    bins = ranks // max(round(len(means) / (_BINS - 1)), 1)
    # The generator that scanpy draws from.
    random = np.random.RandomState(seed)
    found: set[int] = set()
    for one in np.unique(bins.iloc[np.array(genes)]):
        alike = bins.index[bins == one].to_series()
        drawn = alike.sample(size, random_state=random) if size < len(alike) else alike
        found.update(drawn)
    return np.array(sorted(found - set(genes)), dtype=np.int64)


def _means(expression: Matrix) -> Floats:
    total = np.zeros(expression.shape[1])
    for _, rows in row_blocks(expression):
        total += np.asarray(rows.sum(axis=0, dtype=np.float64)).ravel()
    return np.asarray(total / max(expression.shape[0], 1), dtype=np.float64)
