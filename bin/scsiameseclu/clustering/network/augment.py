"""Dual augmentation: two noisy views of the expression, two views of the cell graph.

The paper perturbs the expression with Gaussian noise and the graph by dropping its weakest edges
and by personalised PageRank diffusion. Both graphs are applied to the expression scores once,
before training, so that the graph branch trains on rows, in pure minibatches, and no n x n matrix
is ever formed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy.sparse import coo_matrix, csr_matrix, diags_array, identity

if TYPE_CHECKING:
    from numpy.typing import NDArray


class GraphViews(NamedTuple):
    """The expression scores seen through the two augmented graphs, float32, shape (n, d) each."""

    perturbed: NDArray[np.float32]
    diffused: NDArray[np.float32]


def noisy_view(scores: torch.Tensor, *, scale: float, generator: torch.Generator) -> torch.Tensor:
    """Return `scores` times Gaussian noise of mean 1 and deviation `scale`, drawn at each call.

    Parameters
    ----------
    scores
        Expression scores, shape (b, d), on any device.
    scale
        Standard deviation of the noise; 0 returns the scores as they are.
    generator
        A CPU generator: the same noise is drawn on every device.
    """
    if scale == 0:
        return scores
    noise = torch.randn(scores.shape, generator=generator)
    return scores * (1 + scale * noise).to(scores.device)


def graph_views(
    graph: csr_matrix,
    scores: NDArray[np.float32],
    *,
    edge_dropping: bool = True,
    diffusion: bool = True,
) -> GraphViews:
    """Return the scores propagated over the two augmented graphs.

    Parameters
    ----------
    graph
        Symmetric weighted cell graph, shape (n, n).
    scores
        Expression scores, shape (n, d).
    edge_dropping
        Remove the least similar edges for the first view. False: propagate over the graph as it is.
    diffusion
        Diffuse by personalised PageRank for the second view. False: propagate one step, as in the
        first view.
    """
    one_step = _propagate(graph, scores)
    return GraphViews(
        perturbed=_propagate(drop_weakest_edges(graph), scores) if edge_dropping else one_step,
        diffused=np.asarray(diffuse(graph, scores), dtype=np.float32) if diffusion else one_step,
    )


def _propagate(graph: csr_matrix, scores: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(transition_matrix(graph) @ scores, dtype=np.float32)


def drop_weakest_edges(graph: csr_matrix, *, fraction: float = 0.1) -> csr_matrix:
    """Return the graph without a fraction of its weakest edges (the paper's edge perturbation).

    Edges are pairs of cells, so the result is symmetric. Of equally weak edges those of lower row
    and column go first.
    """
    upper = coo_matrix(graph)
    above = upper.row < upper.col
    rows, columns, weights = upper.row[above], upper.col[above], upper.data[above]
    order = np.lexsort((columns, rows, weights))[int(fraction * weights.size) :]
    kept = coo_matrix((weights[order], (rows[order], columns[order])), shape=graph.shape)
    result = csr_matrix(kept + kept.T)
    result.sort_indices()
    return result


def transition_matrix(graph: csr_matrix) -> csr_matrix:
    """Return the random walk's matrix P: the rows of W + I max W divided by their sums.

    Without any edge P is the identity.
    """
    strongest = float(graph.max()) if graph.nnz else 0.0
    looped = csr_matrix(
        graph + identity(graph.shape[0], dtype=np.float32) * np.float32(strongest or 1.0)
    )
    sums = np.asarray(looped.sum(axis=1), dtype=np.float64).ravel()
    return csr_matrix(diags_array((1.0 / sums).astype(np.float32)) @ looped)


def diffuse(
    graph: csr_matrix, scores: NDArray[np.float32], *, steps: int = 8, restart: float = 0.35
) -> NDArray[np.float32]:
    """Return scores smoothed by truncated personalized PageRank.

    Y <- (1 - restart) P Y + restart X from Y = X.

    With many steps this is restart (I - (1 - restart) P)^-1 X, the paper's graph diffusion, without
    the inverse.

    Parameters
    ----------
    graph
        Weights, see :func:`transition_matrix`.
    scores
        X, cells x components.
    steps
        Applications of P.
    restart
        Probability with which the walk returns to its start.
    """
    walk = transition_matrix(graph)
    smoothed = start = np.asarray(scores, dtype=np.float32)
    for _ in range(steps):
        smoothed = np.float32(1 - restart) * (walk @ smoothed) + np.float32(restart) * start
    return smoothed
