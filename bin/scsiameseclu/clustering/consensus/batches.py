"""Batch correction of components: each batch is moved as a whole, then Harmony (docs/method.md).

Harmony alone (Korsunsky et al. 2019) does nothing if batches lie fully apart: each of its
clusters then holds one batch. Moved by their mutual nearest neighbors (Haghverdi et al. 2018)
first, they meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize as unit_rows

from .normalizations import Normalization
from .sketch import sketch

ROUNDS = 3
"""Times that each batch is moved."""
N_MUTUAL = 20
"""Nearest neighbors among which two cells of different batches must be mutually."""
MOVED_BY = 1_000
"""Cells of a batch from which its move is found; a random sample if there are more."""
CELLS_PER_CLUSTER, MOST_CLUSTERS = 30, 100
"""Cells per cluster of Harmony, and the largest number of clusters."""
FITTED_CELLS = 4_000
"""Cells on which the correction is found, so that its time stays a small share of the
clustering's."""
BLOCK = 20_000
"""Cells corrected at a time."""
APPLIED = 3
"""Times that cells on which it was not found are assigned and corrected."""
DIVERSITY, WIDTH, RIDGE = 2.0, 0.1, 1.0
"""Harmony's theta, sigma and lambda: its defaults."""
CORRECTIONS, ASSIGNMENTS, BLOCKS = 10, 4, 20
"""Corrections, assignments before each, and the blocks of cells that an assignment takes one by
one."""

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.integer[Any]]


def without_batches(
    found: Sequence[Normalization], batches: Integers, *, random_state: int = 0
) -> list[Normalization]:
    """Return normalizations with corrected components."""
    return [
        replace(one, components=corrected(one.components, batches, random_state=random_state))
        for one in found
    ]


def corrected(
    components: NDArray[np.float32], batches: Integers, *, random_state: int = 0
) -> NDArray[np.float32]:
    """Return components without the differences between batches.

    Found on a sketch of at most 4,000 cells, and applied to all.

    Parameters
    ----------
    components
        Cells x components.
    batches
        Batch of each cell.
    random_state
        Seed. The same seed gives the same bytes.
    """
    if not components.any():
        return components
    rng = np.random.default_rng(random_state)
    batches = np.unique(batches, return_inverse=True)[1]
    cells = sketch(batches, FITTED_CELLS, random_state=random_state)
    points, own = components[cells].astype(np.float64), batches[cells]
    moved = shifted(points, own, rng)
    result, found = harmony(moved, own, rng)
    if len(cells) == len(components):
        return result.astype(np.float32)
    first = np.unique(own, return_index=True)[1]
    shifts = moved[first] - points[first]
    rows = [slice(start, start + BLOCK) for start in range(0, len(components), BLOCK)]
    return np.concatenate(
        [found.applied(components[i] + shifts[batches[i]], batches[i]) for i in rows]
    )


def shifted(points: Floats, batches: Integers, rng: np.random.Generator) -> Floats:
    """Move each batch but the largest by the median displacement of its mutual nearest neighbors.

    The larger move first; neighbors are sought among the batches that are larger, from the second
    round on among all others.
    """
    points = points.copy()
    sizes = np.bincount(batches)
    order = np.argsort(-sizes, kind="stable")
    sample = np.concatenate(
        [_at_most(MOVED_BY, np.flatnonzero(batches == batch), rng) for batch in order]
    )
    rank = np.argsort(order)[batches[sample]]
    for step in range(ROUNDS):
        for place in range(1, len(order)):
            own, others = (
                sample[rank == place],
                sample[(rank < place) | ((rank > place) & (step > 0))],
            )
            here, there = _mutual_neighbors(unit_rows(points[own]), unit_rows(points[others]))
            if here.size:
                points[batches == order[place]] += np.median(
                    points[others[there]] - points[own[here]], axis=0
                )
    return points


def _at_most(n: int, cells: Integers, rng: np.random.Generator) -> Integers:
    return cells if cells.size <= n else np.sort(rng.choice(cells, n, replace=False))


def _mutual_neighbors(first: Floats, second: Floats) -> tuple[Integers, Integers]:
    """Return the pairs of rows that are among each other's nearest."""
    there, back = _nearest(first, second), _nearest(second, first)
    ours, theirs = np.repeat(np.arange(len(first)), there.shape[1]), there.ravel()
    mutual = (back[theirs] == ours[:, None]).any(axis=1)
    return ours[mutual], theirs[mutual]


def _nearest(points: Floats, among: Floats) -> Integers:
    search = NearestNeighbors(n_neighbors=min(N_MUTUAL, len(among)), algorithm="brute").fit(among)
    return np.asarray(search.kneighbors(points, return_distance=False))


@dataclass(frozen=True, eq=False)
class Harmony:
    """What Harmony found on some cells; k soft clusters, b batches, d components.

    Parameters
    ----------
    centers
        Of length 1, (k, d).
    wanted
        Factor of each cluster for cells of each batch, (b, k): below 1 where it has too many of
        them.
    effects
        Of each batch in each cluster, (b, k, d).
    """

    centers: Floats
    wanted: Floats
    effects: Floats

    def applied(self, points: Floats, batches: Integers) -> NDArray[np.float32]:
        """Return other cells corrected alike."""
        moved = points
        for _ in range(APPLIED):
            shares = _normalized(_likeness(unit_rows(moved), self.centers) * self.wanted[batches])
            moved = points - _of_cells(self.effects, shares, batches)
        return moved.astype(np.float32)


def harmony(points: Floats, batches: Integers, rng: np.random.Generator) -> tuple[Floats, Harmony]:
    """Return points corrected by Harmony, and how.

    Soft clusters that are to hold each batch in its share; then each batch's mean in a cluster is
    taken to the cluster's, by ridge regression. Both are repeated a fixed number of times.
    """
    n = len(points)
    n_clusters = int(np.clip(round(n / CELLS_PER_CLUSTER), 1, MOST_CLUSTERS))
    kmeans = KMeans(n_clusters, n_init=1, random_state=int(rng.integers(2**31))).fit(
        unit_rows(points)
    )
    shares = _normalized(_likeness(unit_rows(points), unit_rows(kmeans.cluster_centers_)))
    one_hot = np.eye(int(batches.max()) + 1)[batches]
    moved = points
    for _ in range(CORRECTIONS):
        unit = unit_rows(moved)
        for _ in range(ASSIGNMENTS):
            centers = unit_rows(shares.T @ unit)
            _assign(shares, _likeness(unit, centers), one_hot, rng)
        effects = _batch_effects(points, shares, batches)
        moved = points - _of_cells(effects, shares, batches)
    wanted = _wanted(one_hot.mean(axis=0), shares.sum(axis=0), one_hot.T @ shares)
    return moved, Harmony(centers, wanted, effects)


def _likeness(points: Floats, centers: Floats) -> Floats:
    return np.asarray(np.exp((points @ centers.T - 1) * (2 / WIDTH)))


def _normalized(shares: Floats) -> Floats:
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _assign(shares: Floats, likeness: Floats, one_hot: Floats, rng: np.random.Generator) -> None:
    """Assign the cells anew, block by block, in place; clusters repel batches in excess."""
    total = shares.sum(axis=0)
    held, part = one_hot.T @ shares, one_hot.mean(axis=0)
    for block in np.array_split(rng.permutation(len(shares)), min(BLOCKS, len(shares))):
        total -= shares[block].sum(axis=0)
        held -= one_hot[block].T @ shares[block]
        shares[block] = _normalized(likeness[block] * (one_hot[block] @ _wanted(part, total, held)))
        total += shares[block].sum(axis=0)
        held += one_hot[block].T @ shares[block]


def _wanted(part: Floats, total: Floats, held: Floats) -> Floats:
    """Return the factor of each cluster for cells of each batch.

    It follows from the batch's share and the cells that the cluster holds.
    """
    return np.asarray(((np.outer(part, total) + 1) / (held + 1)) ** DIVERSITY)


def _batch_effects(points: Floats, shares: Floats, batches: Integers) -> Floats:
    """Return the effect of each batch in each cluster, (batches, clusters, components).

    In each cluster: points ~ mean + effect of the batch, with a ridge penalty on the effects.
    """
    cells = [np.flatnonzero(batches == batch) for batch in range(int(batches.max()) + 1)]
    sums = np.stack([shares[own].T @ points[own] for own in cells])
    sizes = np.stack([shares[own].sum(axis=0) for own in cells])[:, :, None]
    weights = RIDGE / (sizes + RIDGE)
    mean = (weights * sums).sum(axis=0) / np.maximum(
        (weights * sizes).sum(axis=0), np.finfo(np.float64).tiny
    )
    return np.asarray((sums - sizes * mean) / (sizes + RIDGE))


def _of_cells(effects: Floats, shares: Floats, batches: Integers) -> Floats:
    """Return for each cell its batch's effect in its clusters."""
    result = np.empty((len(shares), effects.shape[2]))
    for batch, of_batch in enumerate(effects):
        own = np.flatnonzero(batches == batch)
        result[own] = shares[own] @ of_batch
    return result
