"""From a sketch to all cells.

Each other cell is placed by its nearest sketch cells and the network.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.preprocessing import normalize as unit_rows

from .consensus.levels import by_falling_size
from .consensus.neighbors import Neighbors
from .network.augment import GraphViews

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        Cluster without the correction of batches, int64; None if it was not made.
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
    views
        Their expression scores over the two augmented graphs.
    met
        Share of partitions in which they meet the cells of each cluster, float32 (n, k).
    assignment
        How the network assigns cells; None if the labels are the consensus's.
    training
        Weights of embedding and consensus.
    """

    assigned: Assigned
    views: GraphViews
    met: NDArray[np.float32]
    assignment: Assignment | None
    training: Training

    def place(self, scores: NDArray[np.float32], near: csr_matrix) -> Assigned:
        """Return the results for other cells.

        Views, and partitions shared with each cluster, are the mean over their nearest sketch
        cells. From these the network, if it gave the labels, assigns them as it did the sketch's. A
        cell's leaf is that of its cluster to which most of these sketch cells belong, else the
        largest.

        Parameters
        ----------
        scores
            Their expression scores, float32 (m, d), on the sketch's scale.
        near
            Shares of the sketch's cells in their vote, (m, n).
        """
        known = self.assigned
        views = GraphViews(*(_mean(near, view) for view in self.views))
        if self.assignment is None:
            embedding, soft = unit_rows(views.diffused), _mean(near, known.soft)
        else:
            met = _mean(near, self.met)
            embedding, soft = self.assignment.place(scores, views, met, self.training)
        labels = soft.argmax(axis=1).astype(np.int64)
        return Assigned(
            labels=labels,
            soft=soft,
            embedding=embedding,
            leaves=self._leaves(near, labels),
            consensus=_votes(near, known.consensus).argmax(axis=1),
            uncorrected=None
            if known.uncorrected is None
            else _votes(near, known.uncorrected).argmax(axis=1),
        )

    def _leaves(self, near: csr_matrix, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        leaves = self.assigned.leaves
        sizes = np.bincount(leaves)
        cluster_of = np.empty(sizes.size, dtype=np.int64)
        cluster_of[leaves] = self.assigned.labels
        votes = _votes(near, leaves) + 1e-9 * sizes / sizes.sum()
        return np.asarray(np.where(cluster_of == labels[:, None], votes, -1.0).argmax(axis=1))


def extended(
    sketched: Sketched,
    cells: NDArray[np.int64],
    scores: NDArray[np.float32],
    components: Sequence[NDArray[np.float32]],
    progress: Callable[[int, int], None] | None = None,
) -> Assigned:
    """Return the results for all cells; those of the sketch are unchanged.

    Only `consensus` and `uncorrected` are numbered anew, by falling size among all cells.

    Parameters
    ----------
    sketched
        The sketch's cells, and what others are placed with.
    cells
        Places of the sketch's cells among all, in rising order.
    scores
        Expression scores of all cells, float32 (n, d), on the sketch's scale.
    components
        Components of all cells in each normalization, in which the nearest cells of the sketch are
        sought by cosine.
    progress
        Called after each block with the blocks done and the blocks in all.
    """
    others = np.setdiff1d(np.arange(len(scores)), cells)
    blocks = np.array_split(others, -(-others.size // BLOCK))
    points = [unit_rows(each) for each in components]
    parts = [sketched.assigned]
    for done, block in enumerate(blocks, start=1):
        near = [Neighbors.of(each[cells], each[block]).shares(len(cells)) for each in points]
        parts.append(sketched.place(scores[block], csr_matrix(sum(near) / len(near))))
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
    for name in ("consensus", "uncorrected"):
        whole[name] = None if whole[name] is None else by_falling_size(whole[name])
    return Assigned(**whole)


def _mean(near: csr_matrix, values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(near @ values, dtype=np.float32)


def _votes(near: csr_matrix, labels: NDArray[np.int64]) -> NDArray[np.float32]:
    return _mean(near, np.eye(int(labels.max()) + 1, dtype=np.float32)[labels])
