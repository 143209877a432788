"""The consensus of a group's cells, with batches corrected where needed (docs/method.md)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from sklearn.preprocessing import normalize as unit_rows

from .consensus.batches import without_batches
from .consensus.guard import Judgement, judged
from .consensus.levels import DETAIL, Consensus, NClusters, by_falling_size, consensus_of
from .consensus.neighbors import Neighbors
from .consensus.normalizations import Normalization, normalizations
from .consensus.sketch import sketch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .estimator import Expression

BatchCorrection: TypeAlias = Literal["auto", "none", "always"]
JUDGED_CELLS = 4_000
"""Cells that are clustered with and without the correction to judge it; a sketch of more."""


@dataclass(frozen=True)
class Clustered:
    """A consensus, and the decision on batches.

    Parameters
    ----------
    consensus
        The clustering that was taken.
    judgement
        Decision on batches; None if there is only one.
    uncorrected
        Clusters without the correction, if it was made: of a sketch if there are many cells,
        by which the others are placed.
    """

    consensus: Consensus
    judgement: Judgement | None = None
    uncorrected: NDArray[np.int64] | None = None

    @property
    def corrected(self) -> bool:
        """Whether batches were corrected."""
        return self.uncorrected is not None


def cluster_batches(
    expression: Expression,
    batches: NDArray[np.int64],
    conditions: NDArray[np.int64],
    *,
    correction: BatchCorrection = "auto",
    n_clusters: NClusters = "auto",
    detail: float = DETAIL,
    random_state: int = 0,
) -> Clustered:
    """Return the consensus of the cells, with batches corrected as `correction` requires.

    Parameters
    ----------
    expression
        Counts, highly variable genes and principal components.
    batches, conditions
        Batch and condition of each cell, 0, 1 ...
    correction
        ``"auto"``: as :func:`.consensus.guard.judged` finds, and not where the batches are the
        conditions.
    n_clusters, detail, random_state
        See :func:`.consensus.levels.consensus_clustering`.
    """
    n_batches = int(batches.max()) + 1
    cluster = partial(consensus_of, n_clusters=n_clusters, detail=detail, random_state=random_state)
    found = normalizations(
        expression.counts, highly_variable=expression.highly_variable, random_state=random_state
    )
    if n_batches == 1:
        return Clustered(cluster(found))
    if refusal := _refusal(correction, batches, conditions):
        return Clustered(cluster(found), Judgement(False, refusal, n_batches))
    moved = without_batches(found, batches, random_state=random_state)
    cells = sketch(batches, JUDGED_CELLS, random_state=random_state)
    before, after = (cluster(_of(ones, cells)) for ones in (found, moved))
    judgement = judged(
        before.partitions.graph,
        expression.counts,
        _placed(after.labels, cells, moved),
        batches,
        cells=cells,
        always=correction == "always",
    )
    ones, taken = (moved, after) if judgement.corrected else (found, before)
    if len(cells) < len(batches):
        taken = cluster(ones)
    if not judgement.corrected:
        return Clustered(taken, judgement)
    return Clustered(taken, judgement, _placed(before.labels, cells, found))


def _refusal(
    correction: BatchCorrection, batches: NDArray[np.int64], conditions: NDArray[np.int64]
) -> str:
    """Return a general reason not to correct batches; empty if there is none."""
    if correction == "none":
        return "it was switched off"
    if correction == "auto" and _same(batches, conditions):
        return (
            "each condition is one batch, so that what a batch does cannot be told from what the "
            "condition does"
        )
    return ""


def _of(found: list[Normalization], cells: NDArray[np.int64]) -> list[Normalization]:
    return [replace(one, components=one.components[cells]) for one in found]


def _placed(
    labels: NDArray[np.int64], cells: NDArray[np.int64], found: list[Normalization]
) -> NDArray[np.int64]:
    """Return the labels of `cells`, and those of the nearest of these for all others."""
    points = np.hstack([unit_rows(one.components) for one in found])
    return by_falling_size(Neighbors.spread(labels, cells, points))


def _same(first: NDArray[np.int64], second: NDArray[np.int64]) -> bool:
    """Return whether two groupings of the cells are the same one."""
    pairs = np.unique(np.column_stack([first, second]), axis=0)
    return len(pairs) == len(np.unique(first)) == len(np.unique(second))
