"""Whether batches should be corrected, judged without labels: is it needed, and do clusters stay the same types.

Every correction also joins types that only one batch has. So a corrected clustering is taken only
where, in the graph as it was, cells of its clusters lie beside their own batch, and where, in the raw
counts, its clusters differ from each other in one batch as they do in another.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix

MIXED = 0.9
"""Neighbors from other batches, over their expectation, from which on there is nothing to correct."""
VALID = 0.7
"""Agreement between batches from which on the corrected clusters are types."""
DOUBTFUL = 0.65
"""Agreement below which a single cluster is doubtful."""
FEWEST_CELLS = 10
"""Cells from which on a batch counts in a cluster."""
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
        See :func:`mixing`; None where it was not looked at, or no cluster has two batches.
    validity
        See :func:`agreement`; None where it was not looked at or cannot be judged.
    """

    corrected: bool
    reason: str
    n_batches: int
    need: float | None = None
    validity: float | None = None


def judged(
    graph: csr_matrix, counts: csr_matrix, labels: Integers, batches: Integers, *, always: bool = False
) -> Judgement:
    """Return whether the corrected clustering `labels` is to be taken.

    Parameters
    ----------
    graph
        Neighbors of the cells before the correction.
    counts
        Raw counts, cells x genes.
    labels
        Clusters after the correction, 0 .. k - 1.
    batches
        Batch of each cell, 0 .. b - 1.
    always
        Take it in any case.
    """
    need, (validity, _) = mixing(graph, labels, batches), agreement(counts, labels, batches)
    if always:
        corrected, reason = True, "it was asked for"
    elif need is not None and need >= MIXED:
        corrected, reason = False, "the batches mix as they are"
    elif validity is None:
        corrected, reason = False, "batches have fewer than two clusters in common, by which it could be judged"
    elif validity < VALID:
        corrected, reason = False, "it would join cells that differ: clusters do not agree between batches"
    else:
        corrected, reason = True, "cells lie beside their own batch, and the clusters agree between batches"
    return Judgement(corrected, reason, int(batches.max()) + 1, need, validity)


def mixing(graph: csr_matrix, labels: Integers, batches: Integers) -> float | None:
    """Return the share of neighbors from other batches within clusters, over its expectation; 1 is well mixed."""
    edges = coo_matrix(graph)
    inside = labels[edges.row] == labels[edges.col]
    first, second = edges.row[inside], edges.col[inside]
    sizes = np.zeros((int(labels.max()) + 1, int(batches.max()) + 1))
    np.add.at(sizes, (labels, batches), 1)
    total = sizes.sum(axis=1, keepdims=True)
    expected = (total - sizes) / np.maximum(total - 1, 1)
    chance = expected[labels[first], batches[first]].sum()
    return float((batches[first] != batches[second]).sum() / chance) if chance else None


def agreement(counts: csr_matrix, labels: Integers, batches: Integers) -> tuple[float | None, dict[int, float]]:
    """Return how well clusters agree between batches: the mean of pairs of batches, and of each cluster.

    For two batches with at least two clusters in common, of at least 10 cells in each: the
    correlation of the clusters' summed expression (log1p, centred over these clusters) between
    the batches. Noise, told by the two halves of each sum, is taken out. None where no two batches
    can be compared.
    """
    profiles, sizes = _profiles(counts, labels, batches)
    of_pairs, products = [], np.zeros((sizes.shape[1], 3))
    for first, second in combinations(range(len(sizes)), 2):
        common = np.flatnonzero((sizes[first] >= FEWEST_CELLS) & (sizes[second] >= FEWEST_CELLS))
        if common.size >= 2:
            found = _products(profiles[first, :, common], profiles[second, :, common])
            of_pairs.append(_correlation(found.sum(axis=0)))
            products[common] += found
    of_clusters = {int(c): _correlation(products[c]) for c in np.flatnonzero(products.any(axis=1))}
    return (float(np.mean(of_pairs)) if of_pairs else None), of_clusters


def _profiles(counts: csr_matrix, labels: Integers, batches: Integers) -> tuple[Floats, Integers]:
    """Return the summed expression of (batch, half, cluster, gene), and the cells of (batch, cluster)."""
    n, k, b = len(labels), int(labels.max()) + 1, int(batches.max()) + 1
    sizes = np.bincount(batches * k + labels, minlength=b * k).reshape(b, k)
    # Every second cell of a batch's cluster is of the other half.
    order = np.lexsort((labels, batches))
    half = np.empty(n, dtype=np.int64)
    half[order] = (np.arange(n) - np.repeat(np.cumsum(sizes.ravel()) - sizes.ravel(), sizes.ravel())) % 2
    member = csr_matrix((np.ones(n), ((batches * 2 + half) * k + labels, np.arange(n))), shape=(b * 2 * k, n))
    sums = np.asarray((member @ counts).toarray(), dtype=np.float64)
    scaled = np.log1p(sums * (DEPTH / np.maximum(sums.sum(axis=1, keepdims=True), 1)))
    return scaled.reshape(b, 2, k, -1), sizes


def _products(first: Floats, second: Floats) -> Floats:
    """Return for each cluster the covariance between batches, and that between halves of the first and of the second.

    Both of shape (clusters, halves, genes).
    """
    a, b = first - first.mean(axis=0), second - second.mean(axis=0)
    between = (a.mean(axis=1) * b.mean(axis=1)).sum(axis=1)
    return np.column_stack([between, (a[:, 0] * a[:, 1]).sum(axis=1), (b[:, 0] * b[:, 1]).sum(axis=1)])


def _correlation(products: Floats) -> float:
    """Return the correlation without noise; 0 where halves of a batch do not agree either."""
    between, first, second = products
    return float(np.clip(between / np.sqrt(first * second), -1, 1)) if min(first, second) > 0 else 0.0
