"""Optimal-transport clustering.

Student's t similarity to centroids, a Sinkhorn target of given cluster sizes, and KL.
"""

from __future__ import annotations

import math

import torch


def log_student_t(
    z: torch.Tensor, centroids: torch.Tensor, *, scale: torch.Tensor | float = 1.0
) -> torch.Tensor:
    """Return log Q, the soft assignments: q_ij proportional to 1 / (1 + ||z_i - mu_j||^2 / scale).

    Parameters
    ----------
    z
        Embedding, shape (n, d).
    centroids
        Shape (k, d).
    scale
        The squared distance at which similarity is halved.
    """
    squared = torch.cdist(z, centroids, compute_mode="donot_use_mm_for_euclid_dist").square()
    return torch.log_softmax(-torch.log1p(squared / scale), dim=1)


@torch.no_grad()
def sinkhorn(
    scores: torch.Tensor, sizes: torch.Tensor, *, epsilon: float = 1.0, n_iterations: int = 50
) -> torch.Tensor:
    """Return the assignment nearest to `scores` with given cluster sizes, by entropic transport.

    Sinkhorn-Knopp in the log domain: P = diag(u) exp(scores / epsilon) diag(v), where each cell has
    mass 1 and cluster j has n sizes_j. The last step fits the rows, which are thus exact. No
    gradient: the result is a target.

    Parameters
    ----------
    scores
        Log-similarities (negative costs), shape (n, k).
    sizes
        Shares of the clusters, positive, shape (k,); made to sum to 1.
    epsilon
        Strength of the entropic regularisation.
    n_iterations
        Sweeps over columns and rows.

    Returns
    -------
    Target probabilities, rows sum to 1, shape (n, k).
    """
    potentials = cluster_potentials(scores, sizes, epsilon=epsilon, n_iterations=n_iterations)
    return torch.softmax(scores / epsilon + potentials, dim=1)


@torch.no_grad()
def cluster_potentials(
    scores: torch.Tensor, sizes: torch.Tensor, *, epsilon: float = 1.0, n_iterations: int = 50
) -> torch.Tensor:
    """Return log v of :func:`sinkhorn`, shape (k,), which is added to the clusters' scores."""
    kernel = scores / epsilon
    log_mass = torch.log(sizes / sizes.sum()) + math.log(len(scores))
    columns = torch.zeros_like(log_mass)
    for _ in range(n_iterations):
        rows = -torch.logsumexp(kernel + columns, dim=1, keepdim=True)
        columns = log_mass - torch.logsumexp(kernel + rows, dim=0)
    return columns


def clustering_divergence(target: torch.Tensor, log_q: torch.Tensor) -> torch.Tensor:
    """Return KL(target || Q), the mean over cells; `target` and `log_q` have shape (n, k)."""
    return (torch.xlogy(target, target) - target * log_q).sum(1).mean()
