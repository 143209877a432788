"""The training-free consensus over views: many Leiden partitions, their co-association, one cut (ALGORITHM 3b)."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import igraph
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, triu
from sklearn.cluster import KMeans

from ..errors import InputError
from .graph import shared_neighbor_graph
from .views import View

COMPONENTS = (20, 50)
RESOLUTIONS = (0.1, 0.2, 0.3, 0.5, 0.8, 1.3)
GAMMAS = (0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3)
MAX_SIGNATURES = 1000
N_MICRO = 800


@dataclass(frozen=True)
class Consensus:
    """A consensus clustering and the evidence for it.

    Parameters
    ----------
    labels
        Cluster of each cell, int64, 0 .. n_clusters - 1 by falling size.
    n_clusters
        Number of clusters.
    partitions
        The partitions that were asked, int32, cells x partitions.
    graph
        Mean of the views' shared-neighbor graphs, symmetric float32 CSR.
    selection
        Evidence for what was chosen, ready for JSON.
    cell_agreement
        Mean co-association of a cell with the other members of its cluster, float32 in [0, 1].
    cluster_stability
        Per cluster the mean over the partitions of its best Jaccard index with a cluster of theirs.
    """

    labels: NDArray[np.int64]
    n_clusters: int
    partitions: NDArray[np.int32]
    graph: csr_matrix
    selection: dict[str, Any]
    cell_agreement: NDArray[np.float32]
    cluster_stability: dict[int, float] = field(default_factory=dict)


def consensus_clustering(
    views: Sequence[View], *, n_clusters: int | Literal["auto"] = "auto", random_state: int = 0
) -> Consensus:
    raise NotImplementedError


def co_association(
    partitions: NDArray[np.int32], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return, for each pair of cells (rows[i], columns[i]), the share of partitions in which they meet."""
    return (partitions[rows] == partitions[columns]).mean(axis=1, dtype=np.float32)


def leiden(graph: igraph.Graph, *, resolution: float, random_state: int) -> NDArray[np.int32]:
    igraph.set_random_number_generator(random.Random(random_state))
    try:
        found = graph.community_leiden("modularity", weights="weight", resolution=resolution, n_iterations=2)
    finally:
        igraph.set_random_number_generator(random)
    return np.asarray(found.membership, dtype=np.int32)


def as_igraph(graph: csr_matrix) -> igraph.Graph:
    upper = coo_matrix(triu(graph, k=1))
    edges = np.column_stack([upper.row, upper.col])
    return igraph.Graph(n=graph.shape[0], edges=edges, edge_attrs={"weight": upper.data.astype(np.float64)})


def adjusted_rand_index(a: NDArray[Any], b: NDArray[Any], weights: NDArray[np.float64] | None = None) -> float:
    """Return the adjusted Rand index of two labelings by non-negative integers (Hubert & Arabie 1985)."""
    width = int(b.max()) + 1
    table = np.bincount(a.astype(np.int64) * width + b, weights=weights, minlength=(int(a.max()) + 1) * width)
    table = table.reshape(-1, width).astype(np.float64)
    n = table.sum()
    pairs = n * (n - 1)
    both = (table**2).sum() - n
    in_a, in_b = (table.sum(axis=1) ** 2).sum() - n, (table.sum(axis=0) ** 2).sum() - n
    expected = in_a * in_b / pairs
    highest = (in_a + in_b) / 2
    return 1.0 if highest == expected else float((both - expected) / (highest - expected))


def by_size(labels: NDArray[Any]) -> NDArray[np.int64]:
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    rank = np.empty(sizes.size, dtype=np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(sizes.size)
    return rank[codes]


def one_hot(partitions: NDArray[np.int32]) -> csr_matrix:
    n, p = partitions.shape
    offsets = np.concatenate([[0], np.cumsum(partitions.max(axis=0) + 1)])
    columns = (partitions + offsets[:-1]).ravel()
    return csr_matrix((np.ones(n * p, dtype=np.float32), columns, np.arange(0, n * p + 1, p)), shape=(n, int(offsets[-1])))


def micro_clusters(partitions: NDArray[np.int32], random_state: int) -> NDArray[np.int64]:
    signatures, codes, counts = np.unique(partitions, axis=0, return_inverse=True, return_counts=True)
    codes = codes.ravel()
    if len(signatures) <= MAX_SIGNATURES:
        return codes
    found = KMeans(N_MICRO, n_init=1, random_state=random_state, max_iter=10).fit(one_hot(signatures), sample_weight=counts)
    return found.labels_.astype(np.int64)[codes]


def micro_co_association(partitions: NDArray[np.int32], micro: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    m = int(micro.max()) + 1
    sizes = np.bincount(micro, minlength=m).astype(np.float64)
    hot = one_hot(partitions)
    member = csr_matrix((np.ones(micro.size, dtype=np.float32), (micro, np.arange(micro.size))), shape=(m, micro.size))
    profile = np.asarray((member @ hot).todense(), dtype=np.float64) / sizes[:, None]
    return profile @ profile.T / partitions.shape[1], sizes


def linkage(similarity: NDArray[np.float64], sizes: NDArray[np.float64], gamma: float) -> NDArray[np.int64]:
    """Average linkage with cost (1 - co-association) (w_a w_b / (w_a + w_b))^gamma; merges (m - 1, 2) in order."""
    S = similarity.copy()
    w = sizes.copy()
    m = w.size
    cost = _cost(S, w, w, gamma)
    np.fill_diagonal(cost, np.inf)
    nearest = cost.argmin(axis=1)
    best = cost[np.arange(m), nearest]
    merges = np.empty((m - 1, 2), dtype=np.int64)
    for step in range(m - 1):
        a = int(best.argmin())
        b = int(nearest[a])
        a, b = min(a, b), max(a, b)
        merges[step] = a, b
        S[a] = (w[a] * S[a] + w[b] * S[b]) / (w[a] + w[b])
        S[:, a] = S[a]
        w[a] += w[b]
        alive = np.isfinite(cost[a]); alive[a] = False
        cost[b] = np.inf
        cost[:, b] = np.inf
        row = np.where(alive, (1 - S[a]) * (w * w[a] / (w + w[a])) ** gamma, np.inf)
        row[a] = row[b] = np.inf
        cost[a] = row
        cost[:, a] = row
        best[b] = np.inf
        stale = np.flatnonzero((nearest == a) | (nearest == b))
        stale = stale[stale != b]
        nearest[stale] = cost[stale].argmin(axis=1)
        best[stale] = cost[stale, nearest[stale]]
        nearest[a] = row.argmin(); best[a] = row[nearest[a]]
        closer = row < best
        nearest[closer] = a; best[closer] = row[closer]
    return merges


def _cost(S, w, v, gamma):
    return (1 - S) * (w[:, None] * v / (w[:, None] + v)) ** gamma


def cut(merges: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    m = len(merges) + 1
    parent = np.arange(m)
    for a, b in merges[: max(m - k, 0)]:
        parent[b] = a
    for i in range(m):
        r = i
        while parent[r] != r:
            r = parent[r]
        parent[i] = r
    return np.unique(parent, return_inverse=True)[1]
