"""Which cuts of the dendrogram are reported: one default, one coarser, one finer, all nested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from .batches import without_batches
from .linkage import Dendrogram, dendrogram
from .normalizations import Normalization, normalizations
from .partitions import Partitions, cell_co_association, co_association, micro_clusters, partitions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

COARSEST, FINEST = 0.2, 0.5
"""Mean co-association at which details 0 and 1 cut; those between lie evenly between."""
DETAIL = 0.5
"""Default detail."""
NOISE = 0.5
"""Agreement of the normalizations below which there is one cluster."""

NClusters = int | Literal["auto"]


@dataclass(frozen=True)
class Consensus:
    """A consensus clustering and its sources.

    Parameters
    ----------
    partitions
        The partitions that voted.
    dendrogram
        Nested clusters of the cells; of one leaf where the partitions agree on nothing.
    labels
        Cluster of each cell, int64, 0 .. k - 1 by falling size: the default cut.
    """

    partitions: Partitions
    dendrogram: Dendrogram
    labels: NDArray[np.int64]

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return int(self.labels.max()) + 1

    def moved(self, labels: NDArray[np.int64]) -> Dendrogram:
        """Return the dendrogram after cells have changed from `self.labels` to `labels`.

        A cell goes to the leaf, of those within its new cluster, whose cells it meets most.
        """
        leaves = self.dendrogram.leaves.copy()
        cells = np.flatnonzero(labels != self.labels)
        if cells.size:
            cluster_of = np.empty(self.dendrogram.n_leaves, dtype=np.int64)
            cluster_of[leaves] = self.labels
            met = cell_co_association(leaves, self.partitions.labels)[cells]
            leaves[cells] = np.where(cluster_of == labels[cells, None], met, -1.0).argmax(axis=1)
        return self.dendrogram.with_leaves(leaves)


def consensus_clustering(
    counts: csr_matrix,
    *,
    highly_variable: NDArray[np.bool_],
    n_clusters: NClusters = "auto",
    detail: float = DETAIL,
    random_state: int = 0,
    batches: NDArray[np.int64] | None = None,
) -> Consensus:
    """Return the consensus of many partitions of the cells.

    Parameters
    ----------
    counts
        Raw counts, float32, cells x genes.
    highly_variable
        Mask over the genes.
    n_clusters
        Number of clusters, or ``"auto"``. Fewer if there are fewer distinct cells.
    detail
        Where ``"auto"`` cuts, from 0 (coarse) to 1 (fine).
    random_state
        Seed of everything random. The same seed gives the same bytes.
    batches
        Batch of each cell, to be corrected. Default: none.
    """
    found = normalizations(counts, highly_variable=highly_variable, random_state=random_state)
    if batches is not None:
        found = without_batches(found, batches, random_state=random_state)
    return consensus_of(found, n_clusters=n_clusters, detail=detail, random_state=random_state)


def consensus_of(
    found: Sequence[Normalization],
    *,
    n_clusters: NClusters = "auto",
    detail: float = DETAIL,
    random_state: int = 0,
) -> Consensus:
    """Return the consensus of partitions, see :func:`consensus_clustering`."""
    voted = partitions(found, random_state=random_state)
    tree = dendrogram_of(voted, n_clusters=n_clusters, random_state=random_state)
    cut = levels(tree, n_clusters=n_clusters, detail=detail)[1]
    return Consensus(partitions=voted, dendrogram=tree, labels=by_falling_size(cut))


def dendrogram_of(voted: Partitions, *, n_clusters: NClusters, random_state: int = 0) -> Dendrogram:
    """Return the dendrogram of the partitions; a single leaf for noise, if no number is given."""
    if n_clusters == "auto" and voted.agreement < NOISE:
        return Dendrogram(np.empty((0, 4)), np.zeros(len(voted.labels), dtype=np.int64))
    micro = micro_clusters(voted.labels, random_state=random_state)
    wanted = 1 if n_clusters == "auto" else n_clusters
    return dendrogram(co_association(micro, voted.labels), micro, n_clusters=wanted)


def levels(
    tree: Dendrogram, *, n_clusters: NClusters = "auto", detail: float = DETAIL
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the coarse, the default and the fine node of each cell.

    The default is cut into `n_clusters`, or at the co-association of `detail`. The coarse level is
    cut at detail 0 and the fine one at detail 1, each as far as it nests with the default.
    """
    cut = tree.at(co_association_of(detail)) if n_clusters == "auto" else tree.into(n_clusters)
    # A node has a higher number than those below it, so the higher of two nested nodes is the
    # larger.
    coarse = np.maximum(cut, tree.at(COARSEST))
    fine = np.minimum(cut, tree.at(FINEST))
    return coarse, cut, fine


def co_association_of(detail: float) -> float:
    """Return the co-association at which a detail, 0 to 1, cuts the dendrogram."""
    return COARSEST + (FINEST - COARSEST) * detail


def by_falling_size(labels: NDArray[np.int64] | NDArray[np.int32]) -> NDArray[np.int64]:
    """Return labels renumbered 0, 1, ... by falling size; ties keep the lower label first."""
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    rank = np.empty(sizes.size, dtype=np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(sizes.size)
    return rank[codes]
