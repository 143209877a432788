"""Stability of clusters: the consensus on resampled cells against the reported labels."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ..threads import in_parallel
from .consensus.levels import consensus_clustering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .estimator import Expression


def resampling_stability(
    expression: Expression,
    labels: NDArray[np.int64],
    *,
    n_resamples: int = 3,
    share: float = 0.8,
    max_cells: int = 2000,
    random_state: int = 0,
    batches: NDArray[np.int64] | None = None,
) -> float | None:
    """Return the mean ARI of `labels` with clusterings of random subsets of the cells.

    Sources: Hennig 2007; Lange et al. 2004.

    Each subset, drawn without replacement, is normalized, reduced and clustered afresh by the
    consensus at the same number of clusters, and compared with `labels` on its cells. No gold
    standard is involved. The size of the subsets is bounded, so that the cost does not grow with
    the cells.

    Parameters
    ----------
    expression
        Counts and highly variable genes of the n cells.
    labels
        Clusters, shape (n,).
    n_resamples
        Number of subsets; 0 returns None.
    share, max_cells
        A subset has ``min(share * n, max_cells)`` cells.
    random_state
        Seed of the subsets and of their clusterings.
    batches
        Batch of each cell, to be corrected in each subset. Default: none.

    Returns
    -------
    The mean ARI, or None if there is one cluster, or subsets would have fewer than two cells a
    cluster.
    """
    n, k = len(labels), len(np.unique(labels))
    size = min(int(share * n), max_cells)
    if n_resamples < 1 or k < 2 or size < 2 * k:
        return None
    rng = np.random.default_rng(random_state)
    subsets = [np.sort(rng.choice(n, size=size, replace=False)) for _ in range(n_resamples)]
    calls = [
        partial(
            consensus_labels,
            csr_matrix(expression.counts[cells]),
            highly_variable=expression.highly_variable,
            n_clusters=k,
            random_state=random_state + number,
            batches=None if batches is None else batches[cells],
        )
        for number, cells in enumerate(subsets)
    ]
    # As in ScSiameseClu.fit: sums that threads share are rounded by their number.
    with threadpool_limits(1):
        found = in_parallel(calls)
    return float(
        np.mean(
            [
                adjusted_rand_score(labels[cells], own)
                for cells, own in zip(subsets, found, strict=True)
            ]
        )
    )


def consensus_labels(counts: csr_matrix, **options: Any) -> NDArray[np.int64]:
    """Return the labels of :func:`.consensus.levels.consensus_clustering`."""
    return consensus_clustering(counts, **options).labels
