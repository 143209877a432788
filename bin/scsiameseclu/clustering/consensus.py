"""The training-free consensus over views: many Leiden partitions, their co-association, one cut (docs/method.md).

Every view is asked with its first 20 and its first 50 components and at several resolutions; no partition is matched to
the number of clusters. Cells that the partitions treat alike form micro-clusters, which average linkage on the share of
partitions in which they meet (evidence accumulation; Fred & Jain 2005) joins to the clusters.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import igraph
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, triu
from sklearn.cluster import KMeans

from ..errors import InputError
from .graph import shared_neighbor_graph
from .number_of_clusters import Rung, choose_n_clusters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .views import View

COMPONENTS = (20, 50)
"""Leading principal components with which each view is asked."""
RESOLUTIONS = (0.1, 0.2, 0.3, 0.5, 0.8, 1.3)
"""Resolutions of modularity at which each view is asked."""
FINER, COARSER = 1.6, 0.5
"""Factors of the rungs added where the resolutions do not reach the number of clusters wanted."""
EXTREME_RESOLUTIONS = (1e-3, 100.0)
"""Beyond these no rung is added."""
GAMMAS = (0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3)
"""Exponents of the linkage's size factor among which the partitions' agreement chooses."""
MAX_SIGNATURES = 1000
"""Distinct signatures up to which each is a micro-cluster."""
N_MICRO_CLUSTERS = 800
"""Micro-clusters by k-means where there are more."""
KMEANS_SIGNATURES = 20_000
"""Signatures from which k-means learns its centers; all are assigned."""
JUDGED_CELLS = 50_000
"""Cells on which partitions are compared; a random sample where there are more."""

Integers = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]


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
        The partitions that were asked, int32 of shape (n_cells, n_partitions).
    graph
        Mean of the views' shared-neighbor graphs, symmetric float32 CSR.
    selection
        What was chosen and why, ready for JSON: ``rule`` (how the number of clusters came about), ``resolutions``,
        ``curve`` (per rung ``resolution``, ``n_clusters``, ``agreement``), ``gamma``, ``gammas`` (per candidate its
        mean ARI with the partitions), ``agreement`` (that of the candidate chosen) and ``n_clusters_wanted``.
    cell_agreement
        Mean share of partitions in which a cell meets the other members of its cluster, float32 in [0, 1]: a confidence
        that no label entered. 1 for a cell alone.
    cluster_stability
        Per cluster the mean over the partitions of its Jaccard index with the most similar cluster there (Hennig 2007).
    """

    labels: NDArray[np.int64]
    n_clusters: int
    partitions: NDArray[np.int32]
    graph: csr_matrix
    selection: dict[str, Any]
    cell_agreement: NDArray[np.float32]
    cluster_stability: dict[int, float]


def consensus_clustering(
    views: Sequence[View], *, n_clusters: int | Literal["auto"] = "auto", random_state: int = 0
) -> Consensus:
    """Return the consensus of many Leiden partitions of the views.

    Parameters
    ----------
    views
        Normalizations of the same cells with their principal components, from :func:`.views.expression_views`.
    n_clusters
        Number of clusters, or ``"auto"`` for the rule of :mod:`.number_of_clusters`. Where fewer distinct cells exist
        than clusters wanted, as with duplicates, the clusters are as many as the distinct signatures.
    random_state
        Seed of everything random. The same seed gives the same bytes.

    Raises
    ------
    InputError
        If `n_clusters` is less than 1 or more than the number of cells.
    """
    n = views[0].scores.shape[0]
    _check_n_clusters(n_clusters, n)
    graphs = view_graphs(views, random_state=random_state)
    average = average_graph(graphs)
    networks, network = [as_igraph(graph) for graph in graphs], as_igraph(average)
    resolutions = resolution_ladder(network, n_clusters, random_state=random_state)
    partitions = view_partitions(networks, resolutions, random_state=random_state)
    judges = _judges(n, random_state)
    curve = rungs(network, partitions[judges], resolutions, judges, random_state=random_state)
    wanted, rule = (choose_n_clusters(curve), "auto") if n_clusters == "auto" else (n_clusters, "given")
    labels, evidence = consensus_cut(partitions, wanted, random_state=random_state)
    return Consensus(
        labels=labels,
        n_clusters=int(labels.max()) + 1,
        partitions=partitions,
        graph=average,
        selection={
            "rule": rule,
            "n_clusters_wanted": wanted,
            "resolutions": resolutions,
            "curve": [rung.as_dict() for rung in curve],
            **evidence,
        },
        cell_agreement=_cell_agreement(labels, partitions),
        cluster_stability=cluster_stability(labels, partitions),
    )


def _check_n_clusters(n_clusters: int | str, n: int) -> None:
    if n_clusters == "auto":
        return
    if int(n_clusters) < 1:
        raise InputError.of(
            what=f"{n_clusters} clusters were asked for",
            where="n_clusters",
            remedy="ask for at least 1, or for 'auto'",
        )
    if int(n_clusters) > n:
        raise InputError.of(
            what=f"{n_clusters} clusters were asked for, but only {n} cells are left",
            where="n_clusters",
            remedy=f"ask for at most {n} clusters, or for 'auto'",
        )


def view_graphs(views: Sequence[View], *, random_state: int = 0) -> list[csr_matrix]:
    """Return the shared-neighbor graph of each view with its first 20 and its first 50 components."""
    return [
        shared_neighbor_graph(view.scores[:, :n_components], random_state=random_state)
        for view in views
        for n_components in COMPONENTS
    ]


def average_graph(graphs: Sequence[csr_matrix]) -> csr_matrix:
    """Return the mean of the graphs, float32."""
    total = graphs[0].copy()
    for graph in graphs[1:]:
        total = total + graph
    mean = csr_matrix(total * np.float32(1 / len(graphs)), dtype=np.float32)
    mean.sort_indices()
    return mean


def as_igraph(graph: csr_matrix) -> igraph.Graph:
    """Return a symmetric matrix of weights as an undirected graph with the edge attribute ``weight``."""
    upper = coo_matrix(triu(graph, k=1))
    edges = np.column_stack([upper.row, upper.col])
    return igraph.Graph(n=graph.shape[0], edges=edges, edge_attrs={"weight": upper.data.astype(np.float64)})


def leiden(graph: igraph.Graph, *, resolution: float, random_state: int = 0) -> NDArray[np.int32]:
    """Return the Leiden partition (modularity, 2 iterations; Traag, Waltman & van Eck 2019).

    igraph's own implementation, many times faster than the leidenalg package. A graph without edges is one
    cluster: nothing there tells cells apart.
    """
    if not graph.ecount():
        return np.zeros(graph.vcount(), dtype=np.int32)
    igraph.set_random_number_generator(random.Random(random_state))
    try:
        found = graph.community_leiden("modularity", weights="weight", resolution=resolution, n_iterations=2)
    finally:
        igraph.set_random_number_generator(random)
    return np.asarray(found.membership, dtype=np.int32)


def resolution_ladder(
    network: igraph.Graph, n_clusters: int | Literal["auto"], *, random_state: int = 0
) -> list[float]:
    """Return the resolutions to ask, extended until they reach round the number of clusters wanted.

    Finer rungs are added while the averaged graph's finest partition has fewer than two thirds of the clusters wanted,
    coarser ones while its coarsest has more.
    """
    ladder = list(RESOLUTIONS)
    if n_clusters == "auto":
        return ladder

    def found(resolution: float) -> int:
        return int(leiden(network, resolution=resolution, random_state=random_state).max()) + 1

    lowest, highest = EXTREME_RESOLUTIONS
    while ladder[-1] < highest and found(ladder[-1]) < 2 * n_clusters / 3:
        ladder.append(ladder[-1] * FINER)
    while ladder[0] > lowest and found(ladder[0]) > n_clusters:
        ladder.insert(0, ladder[0] * COARSER)
    return ladder


def view_partitions(
    networks: Sequence[igraph.Graph], resolutions: Sequence[float], *, random_state: int = 0
) -> NDArray[np.int32]:
    """Return the partition of each graph at each resolution, cells x (graphs x resolutions), graph by graph."""
    return np.column_stack(
        [
            leiden(network, resolution=resolution, random_state=random_state)
            for network in networks
            for resolution in resolutions
        ]
    )


def rungs(
    network: igraph.Graph,
    partitions: NDArray[np.int32],
    resolutions: Sequence[float],
    judges: NDArray[np.int64],
    *,
    random_state: int = 0,
) -> list[Rung]:
    """Return, per resolution, how the averaged graph's partition agrees with the single views'.

    `partitions` are those of :func:`view_partitions`, of the cells `judges` only.
    """
    curve = []
    for rung, resolution in enumerate(resolutions):
        whole = leiden(network, resolution=resolution, random_state=random_state)
        agreement = mean_agreement(whole[judges], partitions[:, rung :: len(resolutions)])
        curve.append(Rung(resolution=resolution, sizes=tuple(np.bincount(whole).tolist()), agreement=agreement))
    return curve


def consensus_cut(
    partitions: NDArray[np.int32], n_clusters: int, *, random_state: int = 0
) -> tuple[NDArray[np.int64], dict[str, Any]]:
    """Return the cut of the co-association into `n_clusters`, and the evidence for its gamma.

    Of the linkages for all `GAMMAS` it is the cut with the highest mean ARI with the partitions, the smallest gamma
    where several are equal.

    Returns
    -------
    labels, evidence
        Labels by falling size; ``gamma``, ``gammas`` and ``agreement`` of :class:`Consensus`'s selection.
    """
    micro = micro_clusters(partitions, at_least=n_clusters, random_state=random_state)
    similarity, sizes = micro_co_association(partitions, micro)
    judges = _judges(micro.size, random_state)
    candidates = [cut(average_linkage(similarity, sizes, gamma=gamma), n_clusters)[micro] for gamma in GAMMAS]
    agreements = [mean_agreement(candidate[judges], partitions[judges]) for candidate in candidates]
    best = int(np.argmax(agreements))
    evidence = {
        "gamma": GAMMAS[best],
        "gammas": [
            {"gamma": gamma, "agreement": agreement} for gamma, agreement in zip(GAMMAS, agreements, strict=True)
        ],
        "agreement": agreements[best],
    }
    return by_falling_size(candidates[best]), evidence


def _judges(n: int, random_state: int) -> NDArray[np.int64]:
    if n <= JUDGED_CELLS:
        return np.arange(n)
    return np.sort(np.random.default_rng(random_state).choice(n, JUDGED_CELLS, replace=False))


def co_association(partitions: Integers, rows: Integers, columns: Integers) -> NDArray[np.float32]:
    """Return, for each pair of cells (rows[i], columns[i]), the share of partitions in which they meet, float32."""
    return np.asarray((partitions[rows] == partitions[columns]).mean(axis=1, dtype=np.float32))


def micro_clusters(partitions: NDArray[np.int32], *, at_least: int = 1, random_state: int = 0) -> NDArray[np.int64]:
    """Return the micro-cluster of each cell: cells with equal signatures, or k-means of the signatures.

    A signature is a cell's clusters in all partitions; k-means sees it one-hot, weighted by the cells that share it.
    There are no fewer than `at_least`, as far as there are as many signatures.
    """
    signatures, codes, counts = np.unique(partitions, axis=0, return_inverse=True, return_counts=True)
    codes = codes.ravel().astype(np.int64)
    if len(signatures) <= max(MAX_SIGNATURES, at_least):
        return codes
    points = one_hot(signatures)
    sample = np.arange(len(signatures))
    if sample.size > KMEANS_SIGNATURES:
        drawn = np.random.default_rng(random_state).choice(sample, KMEANS_SIGNATURES, replace=False)
        sample = np.sort(drawn)
    kmeans = KMeans(max(N_MICRO_CLUSTERS, at_least), n_init=1, max_iter=10, random_state=random_state)
    kmeans.fit(points[sample], sample_weight=counts[sample].astype(np.float32))
    nearest = kmeans.predict(points)[codes]
    return np.unique(nearest, return_inverse=True)[1].astype(np.int64)


def one_hot(partitions: NDArray[np.int32]) -> csr_matrix:
    """Return the partitions as an indicator matrix, float32 CSR of shape (n_cells, clusters of all partitions)."""
    n, n_partitions = partitions.shape
    offsets = np.concatenate([[0], np.cumsum(partitions.max(axis=0).astype(np.int64) + 1)])
    columns = (partitions + offsets[:-1]).ravel()
    starts = np.arange(0, n * n_partitions + 1, n_partitions)
    return csr_matrix((np.ones(columns.size, dtype=np.float32), columns, starts), shape=(n, int(offsets[-1])))


def micro_co_association(partitions: NDArray[np.int32], micro: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the mean co-association between the micro-clusters' cells, and the micro-clusters' sizes."""
    sizes = np.bincount(micro).astype(np.float64)
    profiles = _totals(micro, sizes.size, partitions) / sizes[:, None]
    return profiles @ profiles.T / partitions.shape[1], sizes


def _totals(labels: NDArray[np.int64], n_labels: int, partitions: NDArray[np.int32]) -> Floats:
    """Cells of each label in each cluster of each partition: labels x clusters of all partitions."""
    n = labels.size
    membership = csr_matrix((np.ones(n, dtype=np.float64), (labels, np.arange(n))), shape=(n_labels, n))
    return np.asarray((membership @ one_hot(partitions)).toarray(), dtype=np.float64)


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


def by_falling_size(labels: Integers) -> NDArray[np.int64]:
    """Return the labels renumbered 0, 1, .. by falling size; of equal sizes the lower label stays first."""
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    rank = np.empty(sizes.size, dtype=np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(sizes.size)
    return rank[codes]


def mean_agreement(labels: Integers, partitions: NDArray[np.int32]) -> float:
    """Return the mean adjusted Rand index of the labels with each column of `partitions`."""
    return float(np.mean([adjusted_rand_index(labels, partition) for partition in partitions.T]))


def adjusted_rand_index(first: Integers, second: Integers) -> float:
    """Return the adjusted Rand index (Hubert & Arabie 1985) of two labelings by integers from 0.

    scikit-learn's sorts the labels each time; this one, called hundreds of times, only counts. 1 where both are one
    cluster.
    """
    width = int(second.max()) + 1
    table = np.bincount(first.astype(np.int64) * width + second, minlength=(int(first.max()) + 1) * width)
    counts = table.reshape(-1, width).astype(np.float64)
    n = float(first.size)
    together = (counts**2).sum() - n
    in_first, in_second = (counts.sum(axis=1) ** 2).sum() - n, (counts.sum(axis=0) ** 2).sum() - n
    expected = in_first * in_second / max(n * (n - 1), 1.0)
    highest = (in_first + in_second) / 2
    return 1.0 if highest == expected else float((together - expected) / (highest - expected))


def _cell_agreement(labels: NDArray[np.int64], partitions: NDArray[np.int32]) -> NDArray[np.float32]:
    k = int(labels.max()) + 1
    totals = _totals(labels, k, partitions)
    others = np.bincount(labels)[labels] - 1
    met = np.zeros(labels.size)
    start = 0
    for partition in partitions.T:
        met += totals[labels, start + partition] - 1
        start += int(partition.max()) + 1
    share = np.divide(met / partitions.shape[1], others, out=np.ones(labels.size), where=others > 0)
    return np.asarray(share, dtype=np.float32)


def cluster_stability(labels: NDArray[np.int64], partitions: NDArray[np.int32]) -> dict[int, float]:
    """Return for each cluster the mean, over the partitions, of its best Jaccard index with one of theirs.

    Parameters
    ----------
    labels
        Clusters of the cells, 0 .. k - 1, shape (n,).
    partitions
        Clusterings of the same cells, shape (n, p).
    """
    k = int(labels.max()) + 1
    totals = _totals(labels, k, partitions)
    own, their = np.bincount(labels, minlength=k).astype(np.float64), totals.sum(axis=0)
    jaccard = totals / np.maximum(own[:, None] + their - totals, 1.0)
    starts = np.concatenate([[0], np.cumsum(partitions.max(axis=0) + 1)[:-1]])
    best = np.maximum.reduceat(jaccard, starts, axis=1).mean(axis=1)
    return {cluster: float(value) for cluster, value in enumerate(best)}
