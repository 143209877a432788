"""From a sketch to all cells.

Each other cell is placed by its nearest sketch cells and the network.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.preprocessing import normalize as unit_rows

from .consensus.neighbors import Neighbors
from .network.augment import GraphViews

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .network.train import Assignment, Training

BLOCK = 20_000
"""Cells placed at a time."""


@dataclass(frozen=True)
class Assigned:
    """What is known of each cell; k clusters.

    Parameters
    ----------
    labels
        Cluster, numbered as the consensus's, int64.
    soft
        Probabilities of the clusters, float32 (n, k).
    embedding
        Rows of length 1, float32 (n, d).
    leaves
        Leaf of the dendrogram, int64.
    consensus
        Cluster of the training-free start, int64.
    uncorrected
        Cluster without the correction of batches, int64; None where it was not made.
    """

    labels: NDArray[np.int64]
    soft: NDArray[np.float32]
    embedding: NDArray[np.float32]
    leaves: NDArray[np.int64]
    consensus: NDArray[np.int64]
    uncorrected: NDArray[np.int64] | None


@dataclass(frozen=True)
class Sketched:
    """What cells are placed with.

    Parameters
    ----------
    assigned
        What is known of the sketch's cells.
    scores
        Their expression scores, float32 (n, d).
    views
        Those over the two augmented graphs.
    met
        Share of partitions in which they meet the cells of each cluster, float32 (n, k).
    assignment
        How the network assigns cells; None where the labels are the consensus's.
    training
        Weights of embedding and consensus.
    """

    assigned: Assigned
    scores: NDArray[np.float32]
    views: GraphViews
    met: NDArray[np.float32]
    assignment: Assignment | None
    training: Training

    def place(self, scores: NDArray[np.float32]) -> Assigned:
        """Return what is to be said of other cells with these scores.

        Views, and partitions shared with each cluster, are the mean over their nearest sketch cells
        by cosine. From these the network, if it gave the labels, assigns them as it did the
        sketch's. A cell's leaf is that of its cluster to which most of these sketch cells belong,
        else the largest.
        """
        near, known = Neighbors.of(unit_rows(self.scores), unit_rows(scores)), self.assigned
        views = GraphViews(*(near.mean(view).astype(np.float32) for view in self.views))
        if self.assignment is None:
            embedding, soft = unit_rows(views.diffused), near.mean(known.soft).astype(np.float32)
        else:
            met = near.mean(self.met).astype(np.float32)
            embedding, soft = self.assignment.place(scores, views, met, self.training)
        labels = soft.argmax(axis=1).astype(np.int64)
        return Assigned(
            labels=labels,
            soft=soft,
            embedding=embedding,
            leaves=self._leaves(near, labels),
            consensus=near.vote(known.consensus)[0],
            uncorrected=None if known.uncorrected is None else near.vote(known.uncorrected)[0],
        )

    def _leaves(self, near: Neighbors, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        leaves = self.assigned.leaves
        sizes = np.bincount(leaves)
        cluster_of = np.empty(sizes.size, dtype=np.int64)
        cluster_of[leaves] = self.assigned.labels
        votes = near.mean(np.eye(sizes.size, dtype=np.float32)[leaves]) + 1e-9 * sizes / sizes.sum()
        return np.asarray(np.where(cluster_of == labels[:, None], votes, -1.0).argmax(axis=1))


def extended(
    sketched: Sketched,
    cells: NDArray[np.int64],
    scores: NDArray[np.float32],
    progress: Callable[[int, int], None] | None = None,
) -> Assigned:
    """Return what is known of all cells; that of the sketch's stays as it is.

    Parameters
    ----------
    sketched
        The sketch's cells, and what others are placed with.
    cells
        Places of the sketch's cells among all, in rising order.
    scores
        Expression scores of all cells, float32 (n, d), on the sketch's scale.
    progress
        Called after each block with the blocks done and the blocks in all.
    """
    others = np.setdiff1d(np.arange(len(scores)), cells)
    blocks = np.array_split(others, -(-others.size // BLOCK))
    parts = [sketched.assigned]
    for done, block in enumerate(blocks, start=1):
        parts.append(sketched.place(scores[block]))
        if progress is not None:
            progress(done, len(blocks))
    back = np.argsort(np.concatenate([cells, others]))
    joined = {
        field.name: [getattr(part, field.name) for part in parts] for field in fields(Assigned)
    }
    whole: dict[str, Any] = {
        name: None if values[0] is None else np.concatenate(values)[back]
        for name, values in joined.items()
    }
    return Assigned(**whole)
