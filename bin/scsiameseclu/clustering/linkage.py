"""Average linkage whose cost grows with the clusters' sizes, and its cuts (docs/method.md)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def average_linkage(similarity: Floats, sizes: Floats, *, gamma: float) -> NDArray[np.int64]:
    """Return the merges of an average linkage with the cost (1 - s) (w_a w_b / (w_a + w_b))^gamma.

    s is the mean similarity of the two clusters' cells, w their numbers of cells. gamma = 0 is plain average linkage;
    a larger gamma joins small clusters earlier. Each cluster remembers its cheapest partner, so the time grows with
    about the square of the number of clusters.

    Returns
    -------
    Of shape (m - 1, 2): at each step the second cluster is merged into the first, which keeps its number.
    """
    s, w = similarity.copy(), sizes.copy()
    m = w.size
    cost = (1 - s) * (w[:, None] * w / (w[:, None] + w)) ** gamma
    np.fill_diagonal(cost, np.inf)
    partner = cost.argmin(axis=1)
    cheapest = cost[np.arange(m), partner]
    alive = np.ones(m, dtype=bool)
    merges = np.empty((m - 1, 2), dtype=np.int64)
    for step in range(m - 1):
        first = int(cheapest.argmin())
        a, b = sorted((first, int(partner[first])))
        merges[step] = a, b
        s[a] = s[:, a] = (w[a] * s[a] + w[b] * s[b]) / (w[a] + w[b])
        w[a] += w[b]
        alive[b] = False
        row = np.where(alive, (1 - s[a]) * (w * w[a] / (w + w[a])) ** gamma, np.inf)
        row[a] = np.inf
        cost[a] = cost[:, a] = row
        cost[b] = cost[:, b] = cheapest[b] = np.inf
        stale = np.flatnonzero(alive & ((partner == a) | (partner == b)))
        partner[stale] = cost[stale].argmin(axis=1)
        cheapest[stale] = cost[stale, partner[stale]]
        partner[a], cheapest[a] = row.argmin(), row.min()
        closer = row < cheapest
        partner[closer], cheapest[closer] = a, row[closer]
    return merges


def cut(merges: NDArray[np.int64], n_clusters: int) -> NDArray[np.int64]:
    """Return the cluster of each leaf after all merges but the last `n_clusters` - 1; each leaf alone where too few."""
    m = len(merges) + 1
    clusters = np.arange(m)
    for a, b in merges[: max(m - n_clusters, 0)]:
        clusters[clusters == b] = a
    return np.unique(clusters, return_inverse=True)[1].astype(np.int64)
