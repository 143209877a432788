"""Dual augmentation: two noisy views of the expression, two views of the cell graph.

The paper perturbs the expression with Gaussian noise and the graph by dropping its weakest edges and by personalised
PageRank diffusion. Both graphs are applied to the expression scores once, before training, so that the graph branch
trains on rows, in pure minibatches, and no n x n matrix is ever formed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from .graph import diffuse, drop_weakest_edges, transition_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix


class GraphViews(NamedTuple):
    """The expression scores seen through the two augmented graphs, float32, shape (n, d) each."""

    perturbed: NDArray[np.float32]
    diffused: NDArray[np.float32]


def noisy_view(scores: torch.Tensor, *, scale: float, generator: torch.Generator) -> torch.Tensor:
    """Return `scores` times Gaussian noise of mean 1 and standard deviation `scale`, drawn anew at each call.

    Parameters
    ----------
    scores
        Expression scores, shape (b, d), on any device.
    scale
        Standard deviation of the noise; 0 returns the scores as they are.
    generator
        A CPU generator: the same noise is drawn whatever the device.
    """
    if scale == 0:
        return scores
    noise = torch.randn(scores.shape, generator=generator)
    return scores * (1 + scale * noise).to(scores.device)


def graph_views(
    graph: csr_matrix, scores: NDArray[np.float32], *, edge_dropping: bool = True, diffusion: bool = True
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
        Diffuse by personalised PageRank for the second view. False: propagate one step, as in the first view.
    """
    one_step = _propagate(graph, scores)
    return GraphViews(
        perturbed=_propagate(drop_weakest_edges(graph), scores) if edge_dropping else one_step,
        diffused=np.asarray(diffuse(graph, scores), dtype=np.float32) if diffusion else one_step,
    )


def _propagate(graph: csr_matrix, scores: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(transition_matrix(graph) @ scores, dtype=np.float32)
