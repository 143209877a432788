"""Another cut of a fitted model's tree, as a model of its own, without clustering or training."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.metrics.cluster import contingency_matrix
from sklearn.utils.validation import check_is_fitted

from ..errors import InputError
from .consensus.guard import agreement
from .consensus.levels import by_falling_size, levels

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from .estimator import ScSiameseClu

    Integers = NDArray[np.int64]


def recut(
    model: ScSiameseClu, *, n_clusters: int | None = None, detail: float | None = None
) -> ScSiameseClu:
    """Return a copy of a fitted model whose labels are another cut of its tree.

    Cells that the network moved to another cluster stay where it moved them. A cell's probability
    of a cluster that contains several of the model's is their sum. Where one of the model's
    clusters is divided, the cell's probability of it goes to the part that the cell is in, or, of
    cells outside of it, to the parts by their size: so ``confidence_`` says nothing on how sure a
    division is.

    Parameters
    ----------
    model
        Fitted.
    n_clusters
        Number of clusters, at most the leaves of the tree.
    detail
        Or how fine the cut is, from 0 (coarse) to 1 (fine).

    Raises
    ------
    InputError
        Not exactly one of the two is given, or it is out of its range.
    """
    check_is_fitted(model)
    tree = model.dendrogram_
    if n_clusters is not None and detail is None and n_clusters > tree.n_leaves:
        raise _too_many(n_clusters, tree.n_leaves)
    model.cut(n_clusters=n_clusters, detail=detail)  # checks the request
    asked: dict[str, Any] = {"n_clusters": "auto", "detail": detail}
    if n_clusters is not None:
        asked = {"n_clusters": n_clusters, "detail": model.detail}
    coarse, nodes, fine = levels(tree, **asked)
    found = copy.copy(model)
    found.set_params(**asked)
    found.coarse_labels_, found.labels_, found.fine_labels_ = map(
        by_falling_size, (coarse, nodes, fine)
    )
    first = np.unique(found.labels_, return_index=True)[1]
    found.n_clusters_ = len(first)
    found.cluster_stability_ = dict(enumerate(model.stability_[nodes[first]].tolist()))
    found.soft_assignments_ = _soft(model.soft_assignments_, model.labels_, found.labels_)
    found.confidence_ = found.soft_assignments_[np.arange(len(nodes)), found.labels_]
    found.centroids_ = (
        pd.DataFrame(model.embedding_).groupby(found.labels_).mean().to_numpy(np.float32)
    )
    found.batch_agreement_ = {}
    return found


def batch_agreement(model: ScSiameseClu, counts: csr_matrix, batches: Integers) -> dict[int, float]:
    """Return the agreement of each cluster between batches; empty if batches were not corrected.

    Parameters
    ----------
    model
        Fitted or cut anew.
    counts
        Raw counts, cells x genes.
    batches
        Batch of each cell.
    """
    corrected = model.uncorrected_labels_ is not None
    return agreement(counts, model.labels_, batches).clusters if corrected else {}


def n_moved(model: ScSiameseClu) -> int:
    """Return the cells that the network moved to another cluster than the consensus's.

    Each cluster contains some of the consensus's or is part of one, except for these cells.
    """
    table = contingency_matrix(model.labels_, model.consensus_labels_)
    return int(table.sum() - max(table.max(axis=axis).sum() for axis in (0, 1)))


def _soft(soft: NDArray[np.float32], old: Integers, new: Integers) -> NDArray[np.float32]:
    """Return the probabilities of clusters that each contain old ones or are part of one."""
    cells = np.arange(len(old))
    sizes = contingency_matrix(old, new).astype(np.float64)
    parts = (sizes / sizes.sum(axis=1, keepdims=True)).astype(np.float32)
    found: NDArray[np.float32] = soft @ parts
    own = soft[cells, old]
    found -= own[:, None] * parts[old]
    np.maximum(found, 0, out=found)
    found[cells, new] += own
    return found


def _too_many(n_clusters: int, most: int) -> InputError:
    return InputError.of(
        what=f"{n_clusters} clusters were asked for, and the tree has {most} leaves.",
        where="--n_clusters",
        remedy=f"Ask for at most {most}, or start a new run with --n_clusters {n_clusters}.",
    )
