"""Whether batches should be corrected, judged without labels.

It must be needed, and clusters must stay the same types.

Every correction also joins types that only one batch has. So a corrected clustering is taken only
if cells of its clusters lay beside their own batch before, and if the raw counts show that its
clusters are the same types in all batches: they differ from each other in one batch as in another,
and batches differ in one cluster as in another.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix

MIXED = 0.9
"""Neighbors from other batches, over their expectation, at or above which there is nothing to
correct."""
VALID = 0.75
"""Agreement between batches at or above which the corrected clusters are types."""
SHARED = 0.4
"""Share of the differences between batches at or above which they are effects of the batch, not of
types."""
DOUBTFUL = 0.65
"""Agreement below which a single cluster is doubtful."""
FEWEST_CELLS = 10
"""Fewest cells of a batch in a cluster for it to count there."""
IN_COMMON = 0.5
"""Share of each batch's cells that clusters in common hold at least: of a few cells noise
decides."""
DEPTH = 1e4
"""Counts to which summed expression is scaled."""

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Judgement:
    """Whether batches were corrected, and why.

    Parameters
    ----------
    corrected
        Whether the corrected clustering was taken.
    reason
        Why, as a clause.
    n_batches
        Number of batches.
    need
        See :func:`mixing`; None if it was not computed, or no cluster has two batches.
    validity, shared
        See :class:`Agreement`; None if it was not computed or cannot be judged.
    """

    corrected: bool
    reason: str
    n_batches: int
    need: float | None = None
    validity: float | None = None
    shared: float | None = None


@dataclass(frozen=True)
class Agreement:
    """How well clusters agree between batches; None if no two batches can be compared.

    Parameters
    ----------
    validity
        Mean over the pairs of batches of the correlation of what distinguishes the clusters in the
        one and in the other; 1 is best.
    shared
        How much of the difference between two batches is the same in all clusters, over the pairs;
        1 is all of it. Types that are mistaken for each other differ in each cluster by other
        genes.
    clusters
        `validity` of each cluster that can be compared.
    """

    validity: float | None
    shared: float | None
    clusters: dict[int, float]


def judged(
    graph: csr_matrix,
    counts: csr_matrix,
    labels: Integers,
    batches: Integers,
    *,
    cells: Integers | slice = slice(None),
    always: bool = False,
) -> Judgement:
    """Return whether the corrected clustering `labels` is to be taken.

    Parameters
    ----------
    graph
        Neighbors of `cells` before the correction.
    counts
        Raw counts, cells x genes.
    labels
        Clusters after the correction, 0 .. k - 1.
    batches
        Batch of each cell, 0 .. b - 1.
    cells
        Those of the graph. Default: all.
    always
        Take it in any case.
    """
    need = mixing(graph, labels[cells], batches[cells])
    found = agreement(counts, labels, batches)
    corrected, reason = (
        (True, "it was asked for") if always else _decision(need, found.validity, found.shared)
    )
    return Judgement(corrected, reason, int(batches.max()) + 1, need, found.validity, found.shared)


def _decision(need: float | None, validity: float | None, shared: float | None) -> tuple[bool, str]:
    """Return whether to correct, and why, from what :class:`Judgement` holds."""
    if need is not None and need >= MIXED:
        return False, "the batches mix as they are"
    if validity is None or shared is None:
        return False, "batches have too few cells in clusters in common to judge it by"
    if validity < VALID:
        return False, "it would join cells that differ: clusters do not agree between batches"
    if shared < SHARED:
        return (
            False,
            "it would join cells that differ: batches differ by other genes in each cluster",
        )
    return True, "cells lie beside their own batch, and the clusters agree between batches"


def mixing(graph: csr_matrix, labels: Integers, batches: Integers) -> float | None:
    """Return the share of neighbors from other batches within clusters, over its expectation.

    1 is well mixed.
    """
    edges = coo_matrix(graph)
    inside = labels[edges.row] == labels[edges.col]
    first, second = edges.row[inside], edges.col[inside]
    sizes = np.zeros((int(labels.max()) + 1, int(batches.max()) + 1))
    np.add.at(sizes, (labels, batches), 1)
    total = sizes.sum(axis=1, keepdims=True)
    expected = (total - sizes) / np.maximum(total - 1, 1)
    chance = expected[labels[first], batches[first]].sum()
    return float((batches[first] != batches[second]).sum() / chance) if chance else None


def agreement(counts: csr_matrix, labels: Integers, batches: Integers) -> Agreement:
    """Return how well clusters agree between batches.

    Two batches are compared in the clusters that have at least 10 cells of each, if they are two or
    more and hold half of the cells of each batch: by the clusters' summed expression (log1p).
    Noise, known from the two halves of each sum, is
    taken out.
    """
    profiles, place, sizes = _profiles(counts, labels, batches)
    of_pairs, products, differences = [], np.zeros((sizes.shape[1], 3)), np.zeros(2)
    for first, second in combinations(range(len(sizes)), 2):
        common = np.flatnonzero((sizes[first] >= FEWEST_CELLS) & (sizes[second] >= FEWEST_CELLS))
        of_both = sizes[[first, second]]
        held = of_both[:, common].sum(axis=1) / of_both.sum(axis=1)
        if common.size >= 2 and held.min() >= IN_COMMON:
            a, b = (profiles[:, place[batch, common]] for batch in (first, second))
            found = _products(a, b)
            of_pairs.append(_correlation(found.sum(axis=0)))
            products[common] += found
            differences += _differences(a - b)
    if not of_pairs:
        return Agreement(None, None, {})
    shared = float(differences[0] / differences[1]) if differences[1] > 0 else 0.0
    of_clusters = {int(c): _correlation(products[c]) for c in np.flatnonzero(products.any(axis=1))}
    return Agreement(float(np.mean(of_pairs)), float(np.clip(shared, 0, 1)), of_clusters)


def _profiles(
    counts: csr_matrix, labels: Integers, batches: Integers
) -> tuple[Floats, Integers, Integers]:
    """Return summed expression of batches' clusters of enough cells: all of them may be too many.

    Returns
    -------
    profiles
        By (half, place, gene).
    place
        By (batch, cluster), -1 where there are too few cells.
    sizes
        Cells by (batch, cluster).
    """
    n, k, b = len(labels), int(labels.max()) + 1, int(batches.max()) + 1
    sizes = np.bincount(batches * k + labels, minlength=b * k).reshape(b, k)
    # Every second cell of a batch's cluster is of the other half.
    order = np.lexsort((labels, batches))
    half = np.empty(n, dtype=np.int64)
    half[order] = (
        np.arange(n) - np.repeat(np.cumsum(sizes.ravel()) - sizes.ravel(), sizes.ravel())
    ) % 2
    enough = sizes >= FEWEST_CELLS
    place = np.where(enough, np.cumsum(enough).reshape(b, k) - 1, -1)
    n_places, own = int(enough.sum()), place[batches, labels]
    cells = np.flatnonzero(own >= 0)
    member = csr_matrix(
        (np.ones(cells.size), (half[cells] * n_places + own[cells], cells)),
        shape=(2 * n_places, n),
    )
    sums = np.asarray((member @ counts).toarray(), dtype=np.float64)
    sums *= DEPTH / np.maximum(sums.sum(axis=1, keepdims=True), 1)
    np.log1p(sums, out=sums)
    return sums.reshape(2, n_places, counts.shape[1]), place, sizes


def _products(first: Floats, second: Floats) -> Floats:
    """Return, per cluster, the covariance between batches and those between halves of each batch.

    Both of shape (halves, clusters, genes).
    """
    a, b = (profiles - profiles.mean(axis=1, keepdims=True) for profiles in (first, second))
    between = (a.mean(axis=0) * b.mean(axis=0)).sum(axis=1)
    return np.column_stack([between, (a[0] * a[1]).sum(axis=1), (b[0] * b[1]).sum(axis=1)])


def _differences(between: Floats) -> Floats:
    """Return the mean products of differences between batches, of two clusters and of one.

    Shape (halves, clusters, genes); without noise, which no two clusters and no two halves share.
    """
    n = between.shape[1]
    mean = between.mean(axis=0)
    total = mean.sum(axis=0)
    return np.array(
        [(total @ total - (mean**2).sum()) / (n * (n - 1)), (between[0] * between[1]).sum() / n]
    )


def _correlation(products: Floats) -> float:
    """Return the correlation without noise; 0 where halves of a batch do not agree either."""
    between, first, second = products
    return (
        float(np.clip(between / np.sqrt(first * second), -1, 1)) if min(first, second) > 0 else 0.0
    )
