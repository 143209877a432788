"""The training-free consensus over views: many Leiden partitions, their co-association, one cut (docs/method.md).

Every view is asked at several resolutions and from several starts; no partition is matched to the number of clusters.
Cells that the partitions treat alike form micro-clusters, which average linkage on the share of partitions in which
they meet (evidence accumulation; Fred & Jain 2005) joins to the clusters.
"""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import igraph
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, triu
from sklearn.cluster import KMeans
from sklearn.preprocessing import normalize as unit_rows

from ..errors import InputError
from .agreement import Agreement, Exchanges, cluster_totals, mean_agreement, one_hot
from .distinct import merge_indistinct
from .graph import shared_neighbor_graph
from .linkage import average_linkage, cut
from .merit import Merit
from .number_of_clusters import Rung, choose_n_clusters

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .views import View

MOST_STARTS, FEWEST_STARTS = 5, 2
"""Random starts from which each view, and the averaged graph, is asked at each resolution."""
CELLS_ASKED = 100_000
"""Cells times starts above which there are fewer starts: with many cells a start costs more and differs less."""
RESOLUTIONS = (0.1, 0.2, 0.3, 0.5, 0.8, 1.3)
"""Resolutions of modularity at which each view is asked."""
FINER, COARSER = 1.6, 0.5
"""Factors of the rungs added where the resolutions do not reach the number of clusters wanted."""
EXTREME_RESOLUTIONS = (1e-3, 100.0)
"""Beyond these no rung is added."""
GAMMAS = (0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3)
"""Exponents of the linkage's size factor; the merit chooses among the cuts."""
EXCHANGE_GAMMAS = (0.0, 0.15, 0.3)
"""Those with which clusters are split when the cut is improved."""
MAX_SIGNATURES = 1000
"""Distinct signatures up to which each is a micro-cluster."""
N_MICRO_CLUSTERS = 800
"""Micro-clusters by k-means where there are more."""
KMEANS_SIGNATURES = 20_000
"""Signatures from which k-means learns its centers; all are assigned."""
EDGES_AT_A_TIME = 500_000
"""Edges added to an igraph at a time."""
JUDGED_CELLS = 20_000
"""Cells on which partitions are compared and clusterings judged; a random sample where there are more."""

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
        ``curve`` (per rung ``resolution``, ``n_clusters``, ``agreement``), ``gammas`` (per candidate ``gamma``,
        ``agreement``, its mean ARI with the partitions, and ``merit``), ``gamma``, ``agreement`` and ``merit`` of the
        one that was taken, ``n_clusters_wanted`` and ``merged`` (pairs of clusters joined for want of marker genes:
        ``sizes``, ``markers``).
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
    views: Sequence[View],
    *,
    counts: csr_matrix | None = None,
    n_clusters: int | Literal["auto"] = "auto",
    random_state: int = 0,
) -> Consensus:
    """Return the consensus of many Leiden partitions of the views.

    Parameters
    ----------
    views
        Normalizations of the same cells with their principal components, from :func:`.views.expression_views`.
    counts
        Raw counts of the cells, by whose likelihood a cut is judged (:mod:`.merit`). Where the number of clusters is
        not given, clusters that no marker genes tell apart are joined (:mod:`.distinct`).
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
    whole = ladder(as_igraph(average), n_clusters, random_state=random_state)
    partitions = view_partitions(graphs, list(whole), random_state=random_state)
    curve = rungs(whole, partitions, _judges(n, random_state))
    wanted, rule = (choose_n_clusters(curve), "auto") if n_clusters == "auto" else (n_clusters, "given")
    labels, evidence = consensus_cut(partitions, wanted, counts=counts, random_state=random_state)
    merged: list[dict[str, Any]] = []
    if rule == "auto" and counts is not None:
        labels, merged = merge_indistinct(counts, labels)
        labels = by_falling_size(labels)
    return Consensus(
        labels=labels,
        n_clusters=int(labels.max()) + 1,
        partitions=partitions,
        graph=average,
        selection={
            "rule": rule,
            "n_clusters_wanted": wanted,
            "resolutions": list(whole),
            "curve": [rung.as_dict() for rung in curve],
            **evidence,
            "merged": merged,
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
    """Return the shared-neighbor graphs of each view, by Euclidean distance and by cosine."""
    return [
        shared_neighbor_graph(points, random_state=random_state)
        for view in views
        for points in (view.scores, unit_rows(view.scores))
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

    igraph's own implementation, many times faster than the leidenalg package. A graph without edges is one
    cluster: nothing there tells cells apart.
    """
    if not graph.ecount():
        return np.zeros(graph.vcount(), dtype=np.int32)
    with seeded(random_state):
        found = graph.community_leiden("modularity", weights="weight", resolution=resolution, n_iterations=2)
    return np.asarray(found.membership, dtype=np.int32)


def ladder(
    network: igraph.Graph, n_clusters: int | Literal["auto"], *, random_state: int = 0
) -> dict[float, NDArray[np.int32]]:
    """Return the averaged graph's partitions, cells x starts, at each resolution to ask; resolutions ascend.

    Finer rungs are added while the finest partitions have fewer than two thirds of the clusters wanted, coarser ones
    while the coarsest have more.
    """

    def ask(resolution: float) -> NDArray[np.int32]:
        return from_starts(network, [resolution], random_state=random_state)

    found = {resolution: ask(resolution) for resolution in RESOLUTIONS}
    if n_clusters != "auto":
        (low, high), (lowest, highest) = (RESOLUTIONS[0], RESOLUTIONS[-1]), EXTREME_RESOLUTIONS
        while high < highest and found[high].max() + 1 < 2 * n_clusters / 3:
            high *= FINER
            found[high] = ask(high)
        while low > lowest and found[low].max(axis=0).min() + 1 > n_clusters:
            low *= COARSER
            found[low] = ask(low)
    return dict(sorted(found.items()))


def from_starts(network: igraph.Graph, resolutions: Sequence[float], *, random_state: int = 0) -> NDArray[np.int32]:
    """Return the graph's Leiden partitions from each start at each resolution, cells x (starts x resolutions).

    The resolutions change fastest.
    """
    n_starts = int(np.clip(CELLS_ASKED // max(network.vcount(), 1), FEWEST_STARTS, MOST_STARTS))
    seeds = np.random.SeedSequence(random_state).generate_state(n_starts)
    return np.column_stack(
        [leiden(network, resolution=resolution, random_state=int(seed)) for seed in seeds for resolution in resolutions]
    )


def view_partitions(
    graphs: Sequence[csr_matrix], resolutions: Sequence[float], *, random_state: int = 0
) -> NDArray[np.int32]:
    """Return the partitions of each graph at each resolution, cells x (graphs x starts x resolutions).

    The resolutions change fastest.
    """
    # An igraph takes several times the matrix's memory: there is one at a time.
    return np.hstack([from_starts(as_igraph(graph), resolutions, random_state=random_state) for graph in graphs])


def rungs(
    whole: Mapping[float, NDArray[np.int32]], partitions: NDArray[np.int32], judges: NDArray[np.int64]
) -> list[Rung]:
    """Return, per resolution, how the averaged graph's partitions agree on the cells `judges` with the single views'.

    `whole` are the partitions of :func:`ladder`, `partitions` those of :func:`view_partitions`. A rung's sizes are
    those of the partition whose number of clusters is in the middle.
    """
    curve = []
    for place, (resolution, from_each) in enumerate(whole.items()):
        single = partitions[judges, place :: len(whole)]
        agreement = float(np.mean([mean_agreement(partition[judges], single) for partition in from_each.T]))
        found = [
            Rung(resolution=resolution, sizes=tuple(np.bincount(partition).tolist()), agreement=agreement)
            for partition in from_each.T
        ]
        curve.append(sorted(found, key=lambda rung: rung.n_clusters)[len(found) // 2])
    return curve


def consensus_cut(
    partitions: NDArray[np.int32], n_clusters: int, *, counts: csr_matrix | None = None, random_state: int = 0
) -> tuple[NDArray[np.int64], dict[str, Any]]:
    """Return the cut of the co-association into `n_clusters`, and the evidence for its gamma.

    The cut of each linkage, for all `GAMMAS`, is improved by exchanges (:class:`.agreement.Exchanges`). The one with
    the highest merit (:class:`.merit.Merit`) is taken, that of the smallest gamma where several are equal.

    Returns
    -------
    labels, evidence
        Labels by falling size; ``gamma``, ``gammas``, ``agreement`` and ``merit`` of :class:`Consensus`'s selection.
    """
    micro = micro_clusters(partitions, at_least=n_clusters, random_state=random_state)
    agreement, similarity = Agreement(partitions, micro), micro_co_association(partitions, micro)
    judges = _judges(micro.size, random_state)
    judged = counts if counts is None or judges.size == micro.size else counts[judges]
    merit = Merit(agreement, micro[judges], judged)
    exchanges = Exchanges(agreement, similarity, gammas=EXCHANGE_GAMMAS, merit=merit.of)
    candidates = [
        exchanges.improve(cut(average_linkage(similarity, agreement.sizes, gamma=gamma), n_clusters))
        for gamma in GAMMAS
    ]
    found = [
        {"gamma": gamma, "agreement": agreement.of(candidate), "merit": merit.of(candidate)}
        for gamma, candidate in zip(GAMMAS, candidates, strict=True)
    ]
    best = int(np.argmax([evidence["merit"] for evidence in found]))
    return by_falling_size(candidates[best][micro]), {**found[best], "gammas": found}


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
    # Centers from k-means++ cost more than all else here and change no clustering for the better.
    kmeans = KMeans(max(N_MICRO_CLUSTERS, at_least), init="random", n_init=1, max_iter=5, random_state=random_state)
    kmeans.fit(points[sample], sample_weight=counts[sample].astype(np.float32))
    nearest = kmeans.predict(points)[codes]
    return np.unique(nearest, return_inverse=True)[1].astype(np.int64)


def micro_co_association(partitions: NDArray[np.int32], micro: NDArray[np.int64]) -> Floats:
    """Return the mean co-association between the micro-clusters' cells."""
    sizes = np.bincount(micro).astype(np.float64)
    profiles = cluster_totals(micro, sizes.size, partitions) / sizes[:, None]
    return np.asarray(profiles @ profiles.T / partitions.shape[1])


def by_falling_size(labels: Integers) -> NDArray[np.int64]:
    """Return the labels renumbered 0, 1, .. by falling size; of equal sizes the lower label stays first."""
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    rank = np.empty(sizes.size, dtype=np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(sizes.size)
    return rank[codes]


def _cell_agreement(labels: NDArray[np.int64], partitions: NDArray[np.int32]) -> NDArray[np.float32]:
    k = int(labels.max()) + 1
    totals = cluster_totals(labels, k, partitions)
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
    totals = cluster_totals(labels, k, partitions)
    own, their = np.bincount(labels, minlength=k).astype(np.float64), totals.sum(axis=0)
    jaccard = totals / np.maximum(own[:, None] + their - totals, 1.0)
    starts = np.concatenate([[0], np.cumsum(partitions.max(axis=0) + 1)[:-1]])
    best = np.maximum.reduceat(jaccard, starts, axis=1).mean(axis=1)
    return {cluster: float(value) for cluster, value in enumerate(best)}
