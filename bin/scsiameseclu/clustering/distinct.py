"""Joins clusters that no marker genes tell apart: what ``auto`` does after its cut (docs/method.md).

Two clusters are distinct if each has marker genes against the other. Markers on one side only are what doublets, dying
cells and cells of low depth have.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.stats import ttest_ind_from_stats

from .agreement import membership
from .views import TARGET_SUM, log_normalize, row_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_MARKERS = 3
"""Marker genes that each of two distinct clusters has against the other."""
MIN_DIFFERENCE = 0.5
"""Least difference of a marker's mean log2(1 + counts per 10,000)."""
MIN_SHARE, MIN_SHARE_DIFFERENCE = 0.25, 0.2
"""Least share of the cluster's cells in which a marker is found, and least lead over the other cluster's share."""
ALPHA = 0.01
"""Level of Student's t-test, Bonferroni-corrected for the genes."""
VARIANCE_FLOOR = 0.01
"""Added to a gene's variance, so that a gene that hardly varies is no marker by rounding."""


@dataclass(frozen=True)
class Profile:
    """What is known of the expression in a cluster; sums over its cells, each float64 of shape (n_genes,).

    Parameters
    ----------
    n
        Cells.
    total, squares
        Sums of log2(1 + counts per 10,000) and of its square.
    detected
        Cells in which the gene is found.
    """

    n: float
    total: NDArray[np.float64]
    squares: NDArray[np.float64]
    detected: NDArray[np.float64]

    def __add__(self, other: Profile) -> Profile:
        return Profile(
            self.n + other.n,
            self.total + other.total,
            self.squares + other.squares,
            self.detected + other.detected,
        )

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of the log expression."""
        return self.total / self.n

    @property
    def deviation(self) -> NDArray[np.float64]:
        """Standard deviation of the log expression."""
        return np.sqrt(np.maximum(self.squares / self.n - self.mean**2, 0.0) + VARIANCE_FLOOR)

    @property
    def share(self) -> NDArray[np.float64]:
        """Share of the cells in which the gene is found."""
        return self.detected / self.n


def merge_indistinct(counts: csr_matrix, labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[dict[str, Any]]]:
    """Join, the least distinct pair first, clusters until each has markers against each other one.

    Parameters
    ----------
    counts
        Raw counts, cells x genes.
    labels
        Clusters of the cells, 0 .. k - 1, shape (n,).

    Returns
    -------
    labels, merges
        The labels, renumbered from 0 in their old order, and per merge ``sizes`` (cells of the two) and
        ``markers`` (numbers of marker genes of the one and the other), ready for JSON.
    """
    profiles = dict(enumerate(cluster_profiles(counts, labels)))
    names = np.arange(len(profiles))
    markers = {pair: n_markers(*(profiles[cluster] for cluster in pair)) for pair in combinations(profiles, 2)}
    merges: list[dict[str, Any]] = []
    while markers:
        (kept, gone), found = min(markers.items(), key=lambda item: (min(item[1]), sum(item[1])))
        if min(found) >= MIN_MARKERS:
            break
        merges.append({"sizes": [int(profiles[kept].n), int(profiles[gone].n)], "markers": list(found)})
        profiles[kept] = profiles[kept] + profiles.pop(gone)
        names[names == gone] = kept
        markers = {pair: count for pair, count in markers.items() if gone not in pair}
        markers |= {pair: n_markers(*(profiles[c] for c in pair)) for pair in markers if kept in pair}
    return np.unique(names[labels], return_inverse=True)[1].astype(np.int64), merges


def cluster_profiles(counts: csr_matrix, labels: NDArray[np.int64]) -> Sequence[Profile]:
    """Return the profile of each cluster 0 .. k - 1, in one pass over the counts."""
    depths = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    sizes = np.bincount(labels)
    sums = np.zeros((3, sizes.size, counts.shape[1]))
    for rows in row_blocks(labels.size):
        logs = log_normalize(counts[rows], depths[rows], target=TARGET_SUM) / np.float32(np.log(2))
        members = membership(labels[rows], sizes.size)
        sums += [(members @ matrix).toarray() for matrix in (logs, logs.power(2), logs.sign())]
    return [Profile(*cluster) for cluster in zip(sizes.astype(np.float64).tolist(), *sums, strict=True)]


def n_markers(first: Profile, second: Profile) -> tuple[int, int]:
    """Return how many marker genes the first cluster has against the second, and the second against the first."""
    difference = first.mean - second.mean
    lead = first.share - second.share
    if first.n + second.n <= 2:
        return 0, 0
    p = ttest_ind_from_stats(first.mean, first.deviation, first.n, second.mean, second.deviation, second.n).pvalue
    significant = p * difference.size < ALPHA
    up = (difference >= MIN_DIFFERENCE) & (lead >= MIN_SHARE_DIFFERENCE) & (first.share >= MIN_SHARE)
    down = (difference <= -MIN_DIFFERENCE) & (lead <= -MIN_SHARE_DIFFERENCE) & (second.share >= MIN_SHARE)
    return int((significant & up).sum()), int((significant & down).sum())
