"""Partitions of the cells by Leiden and k-means, and how often cells meet in them (docs/method.md).

No partition is matched to the number of clusters wanted. Evidence accumulation: Fred & Jain 2005.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import igraph
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, triu
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import normalize as unit_rows

from ...threads import in_parallel
from .neighbors import shared_neighbor_graph
from .normalizations import Normalization, row_blocks

RESOLUTIONS = (0.1, 0.2, 0.3, 0.5, 0.8, 1.3)
"""Resolutions of modularity at which each graph is partitioned by Leiden."""
KMEANS_CLUSTERS = (4, 6, 9, 13, 20)
"""Numbers of clusters of the k-means partitions of each normalization."""
FEWEST_STARTS, MOST_STARTS = 2, 10
"""Random starts of each Leiden and each k-means partition."""
STARTED_CELLS = 15_000
"""Cells times starts: of few cells more starts are affordable, and needed for steady results."""
MAX_SIGNATURES = 1000
"""Number of distinct signatures up to which each is a micro-cluster; as many are drawn if there are
more."""
LEAF = 0.8
"""Mean co-association of the cells of a leaf of the dendrogram, at least."""
EDGES_AT_A_TIME = 500_000
"""Edges added to an igraph at a time."""
IN_PARALLEL = 5_000
"""Cells above which a further process is worthwhile."""
JUDGED_CELLS = 5_000
"""Cells on which partitions are compared; a random sample if there are more."""

Integers = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Partitions:
    """Many clusterings of the same cells.

    Parameters
    ----------
    labels
        int32 of shape (n_cells, n_partitions), each column from 0.
    graph
        Mean of the normalizations' shared-neighbor graphs, symmetric float32 CSR.
    agreement
        How well the normalizations agree, see :func:`agreement_of`.
    """

    labels: NDArray[np.int32]
    graph: csr_matrix
    agreement: float


def partitions(found: Sequence[Normalization], *, random_state: int = 0) -> Partitions:
    """Partition the cells by Leiden and by k-means on each normalization.

    Points are the components at unit length, so that distances are those of the cosine.

    Parameters
    ----------
    found
        Normalizations of the same cells.
    random_state
        Seed of everything random. The same seed gives the same bytes.
    """
    points = [unit_rows(normalization.components) for normalization in found]
    calls: list[partial[Any]] = [partial(_on_graph, each, random_state) for each in points]
    calls += [partial(kmeans_partitions, each, random_state=random_state) for each in points]
    made = in_parallel(calls) if len(points[0]) >= IN_PARALLEL else [call() for call in calls]
    graphs, by_leiden = zip(*made[: len(found)], strict=True)
    mean = csr_matrix(
        sum(graphs, csr_matrix(graphs[0].shape, dtype=np.float32)) * np.float32(1 / len(found))
    )
    mean.sort_indices()
    return Partitions(
        labels=np.hstack([*by_leiden, *made[len(found) :]]),
        graph=mean,
        agreement=agreement_of(by_leiden, random_state=random_state),
    )


def _on_graph(
    points: NDArray[np.float32], random_state: int
) -> tuple[csr_matrix, NDArray[np.int32]]:
    graph = shared_neighbor_graph(points)
    return graph, leiden_partitions(graph, random_state=random_state)


def leiden_partitions(graph: csr_matrix, *, random_state: int = 0) -> NDArray[np.int32]:
    """Return the Leiden partitions of the graph from each start at each of `RESOLUTIONS`.

    int32 of shape (n_cells, starts x resolutions); the resolutions change fastest.
    """
    network = as_igraph(graph)
    return np.column_stack(
        [
            leiden(network, resolution=r, random_state=seed)
            for seed in starts(graph.shape[0], random_state)
            for r in RESOLUTIONS
        ]
    )


def kmeans_partitions(points: NDArray[np.float32], *, random_state: int = 0) -> NDArray[np.int32]:
    """Return the k-means partitions of the points from each start for each of `KMEANS_CLUSTERS`.

    int32 of shape (n_cells, starts x numbers); fewer clusters where fewer points are distinct.
    """
    n = len(points)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct points than clusters
        return np.column_stack(
            [
                KMeans(min(k, n), n_init=1, random_state=seed).fit_predict(points)
                for seed in starts(n, random_state)
                for k in KMEANS_CLUSTERS
            ]
        ).astype(np.int32)


def starts(n_cells: int, random_state: int) -> list[int]:
    """Return the seeds of the starts."""
    n_starts = int(np.clip(STARTED_CELLS // max(n_cells, 1), FEWEST_STARTS, MOST_STARTS))
    return [int(seed) for seed in np.random.SeedSequence(random_state).generate_state(n_starts)]


def agreement_of(by_graph: Sequence[NDArray[np.int32]], *, random_state: int = 0) -> float:
    """Return the best mean ARI, over the resolutions, of the graphs' partitions with each other.

    Structure that is real is found in every normalization; structure of noise anew in each. A
    resolution at which a graph is one cluster gives no evidence and counts as 0.

    Parameters
    ----------
    by_graph
        For each graph its partitions, cells x resolutions.
    random_state
        Seed of the sample of cells that is compared if there are many.
    """
    n = len(by_graph[0])
    cells = np.arange(n)
    if n > JUDGED_CELLS:
        cells = np.random.default_rng(random_state).choice(n, JUDGED_CELLS, replace=False)
    return max(
        _mean_ari([labels[cells, resolution] for labels in by_graph])
        for resolution in range(by_graph[0].shape[1])
    )


def _mean_ari(labelings: Sequence[Integers]) -> float:
    if any(not np.ptp(labels) for labels in labelings):
        return 0.0
    return float(
        np.mean(
            [adjusted_rand_score(first, second) for first, second in combinations(labelings, 2)]
        )
    )


def as_igraph(graph: csr_matrix) -> igraph.Graph:
    """Return a symmetric weight matrix as an undirected graph with edge attribute ``weight``."""
    upper = coo_matrix(triu(graph, k=1))
    edges = np.column_stack([upper.row, upper.col])
    network = igraph.Graph(n=graph.shape[0])
    # Adding edges takes several times their memory for a while: a part at a time.
    for start in range(0, len(edges), EDGES_AT_A_TIME):
        network.add_edges(edges[start : start + EDGES_AT_A_TIME])
    network.es["weight"] = upper.data.astype(np.float64).tolist()
    return network


@contextmanager
def seeded(random_state: int) -> Iterator[None]:
    """Give igraph, which knows one generator for all, one of this seed for a while."""
    igraph.set_random_number_generator(random.Random(random_state))
    try:
        yield
    finally:
        igraph.set_random_number_generator(random)


def leiden(graph: igraph.Graph, *, resolution: float, random_state: int = 0) -> NDArray[np.int32]:
    """Return the Leiden partition (modularity, 2 iterations; Traag, Waltman & van Eck 2019).

    igraph's own implementation, many times faster than the leidenalg package. A graph without
    edges is one cluster: nothing there distinguishes cells.
    """
    if not graph.ecount():
        return np.zeros(graph.vcount(), dtype=np.int32)
    with seeded(random_state):
        found = graph.community_leiden(
            "modularity", weights="weight", resolution=resolution, n_iterations=2
        )
    return np.asarray(found.membership, dtype=np.int32)


def one_hot(labels: NDArray[np.int32]) -> csr_matrix:
    """Return partitions as an indicator matrix, float32 CSR, (n_cells, clusters of all)."""
    n, n_partitions = labels.shape
    columns = (labels + first_columns(labels)).ravel()
    starts = np.arange(0, n * n_partitions + 1, n_partitions)
    width = int(labels.max(axis=0).sum()) + n_partitions
    return csr_matrix((np.ones(columns.size, dtype=np.float32), columns, starts), shape=(n, width))


def first_columns(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the column in :func:`one_hot` of the first cluster of each partition."""
    return np.concatenate([[0], np.cumsum(labels.max(axis=0).astype(np.int64) + 1)[:-1]])


def cluster_totals(clusters: Integers, labels: NDArray[np.int32]) -> Floats:
    """Return cells of each cluster in each partition's clusters.

    Shape: clusters x columns of :func:`one_hot`.
    """
    n, k = clusters.size, int(clusters.max()) + 1
    members = csr_matrix((np.ones(n), (clusters, np.arange(n))), shape=(k, n))
    return np.asarray((members @ one_hot(labels)).toarray(), dtype=np.float64)


def micro_clusters(labels: NDArray[np.int32], *, random_state: int = 0) -> NDArray[np.int64]:
    """Return each cell's micro-cluster: cells with equal, or most similar, signatures.

    A signature is a cell's clusters in all partitions. Where there are more than `MAX_SIGNATURES`,
    as many are drawn, and each other joins the one with which it shares most partitions; but stays
    alone if it shares fewer than cells of one leaf do, so that no rare type is lost.
    """
    signatures, codes = np.unique(labels, axis=0, return_inverse=True)
    codes = codes.ravel().astype(np.int64)
    if len(signatures) <= MAX_SIGNATURES:
        return codes
    drawn = np.random.default_rng(random_state).choice(
        len(signatures), MAX_SIGNATURES, replace=False
    )
    members = one_hot(signatures)
    landmarks = np.ascontiguousarray(members[np.sort(drawn)].toarray().T)
    nearest = np.empty(len(signatures), dtype=np.int64)
    for block in row_blocks(len(signatures)):
        shared = members[block] @ landmarks
        alone = shared.max(axis=1) < LEAF * labels.shape[1]
        nearest[block] = np.where(
            alone, MAX_SIGNATURES + np.arange(len(signatures))[block], shared.argmax(axis=1)
        )
    return np.unique(nearest, return_inverse=True)[1][codes].astype(np.int64)


def co_association(clusters: Integers, labels: NDArray[np.int32]) -> Floats:
    """Return the mean share of partitions in which cells of two clusters meet, k x k."""
    totals = cluster_totals(clusters, labels)
    profiles = totals / np.bincount(clusters)[:, None]
    return np.asarray(profiles @ profiles.T / labels.shape[1])


def cell_co_association(clusters: Integers, labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the mean share of partitions in which each cell meets the cells of each cluster.

    Parameters
    ----------
    clusters
        Cluster of each cell, 0 .. k - 1, shape (n,).
    labels
        Partitions of the same cells, (n, p).

    Returns
    -------
    float32 of shape (n, k), in [0, 1].
    """
    shares = cluster_totals(clusters, labels).T / np.bincount(clusters)
    met = np.zeros((len(labels), shares.shape[1]))
    for first, column in zip(first_columns(labels), labels.T, strict=True):
        met += shares[first + column]
    return np.asarray(met / labels.shape[1], dtype=np.float32)
