"""How far the clusters survive a change of cells: the consensus on resamples against the reported labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

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
    """Return the mean ARI of `labels` with clusterings of random subsets of the cells (Hennig 2007; Lange et al. 2004).

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
    The mean ARI, or None where there is one cluster, or subsets would have fewer than two cells a cluster.
    """
    n, k = len(labels), len(np.unique(labels))
    size = min(int(share * n), max_cells)
    if n_resamples < 1 or k < 2 or size < 2 * k:
        return None
    rng = np.random.default_rng(random_state)
    scores = []
    for seed in range(random_state, random_state + n_resamples):
        cells = np.sort(rng.choice(n, size=size, replace=False))
        with threadpool_limits(1):  # as in ScSiameseClu.fit: sums that threads share are rounded by their number
            found = consensus_clustering(
                expression.counts[cells],
                highly_variable=expression.highly_variable,
                n_clusters=k,
                random_state=seed,
                batches=None if batches is None else batches[cells],
            )
        scores.append(adjusted_rand_score(labels[cells], found.labels))
    return float(np.mean(scores))
