"""The consensus of a group's cells, with batches corrected where needed (docs/method.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from .consensus.batches import without_batches
from .consensus.guard import Judgement, judged
from .consensus.levels import DETAIL, Consensus, NClusters, consensus_of
from .consensus.normalizations import normalizations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .estimator import Expression

BatchCorrection: TypeAlias = Literal["auto", "none", "always"]


@dataclass(frozen=True)
class Clustered:
    """A consensus, and what was done about batches.

    Parameters
    ----------
    consensus
        The clustering that was taken.
    judgement
        What was decided about batches; None where there is one.
    uncorrected
        Clusters without the correction, where it was made.
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
    """Return the consensus of the cells, with batches corrected where `correction` says so.

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
    counts, n_batches = expression.counts, int(batches.max()) + 1
    found = normalizations(
        counts, highly_variable=expression.highly_variable, random_state=random_state
    )
    plain = consensus_of(found, n_clusters=n_clusters, detail=detail, random_state=random_state)
    if n_batches == 1:
        return Clustered(plain)
    if correction == "none":
        return Clustered(plain, Judgement(False, "it was switched off", n_batches))
    if correction == "auto" and _same(batches, conditions):
        reason = (
            "each condition is one batch, so that what a batch does cannot be told from "
            "what the condition does"
        )
        return Clustered(plain, Judgement(False, reason, n_batches))
    found = without_batches(found, batches, random_state=random_state)
    moved = consensus_of(found, n_clusters=n_clusters, detail=detail, random_state=random_state)
    judgement = judged(
        plain.partitions.graph, counts, moved.labels, batches, always=correction == "always"
    )
    if not judgement.corrected:
        return Clustered(plain, judgement)
    return Clustered(moved, judgement, plain.labels)


def _same(first: NDArray[np.int64], second: NDArray[np.int64]) -> bool:
    """Return whether two groupings of the cells are the same one."""
    pairs = np.unique(np.column_stack([first, second]), axis=0)
    return len(pairs) == len(np.unique(first)) == len(np.unique(second))
