"""The terms of the objective, each a function of tensors that returns a scalar.

Siamese fusion: :func:`cell_correlation` (CRR), :func:`latent_correlation` (LRR),
:func:`propagation` (PR) and :func:`edge_reconstruction` (with the mean squared error, REC). Counts:
:func:`zinb`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from .model import Zinb

TINY = 1e-8


def cell_correlation(
    a: torch.Tensor, b: torch.Tensor, memberships: torch.Tensor | None = None
) -> torch.Tensor:
    r"""Return the cell-related correlation refinement (CRR) without its n x n matrix.

    With rows of length 1, S = A B' is the cell-by-cell correlation of the two views, and the loss
    is mean_i (s_ii - 1)^2 + sum_{i != j} (s_ij - t_ij)^2 / (n (n - 1)). The target T is the
    identity, as in the paper, or the cells' co-association H H', where H holds the cells'
    `memberships`. Since ||A B'||^2 = <A'A, B'B>, <A B', H H'> = <H'A, H'B> and ||H H'||^2 =
    ||H'H||^2 the cost is linear in n.

    Parameters
    ----------
    a, b
        The two views of the same n cells, shape (n, d).
    memberships
        H, rows of length 1, shape (n, c): one-hot partitions side by side, divided by the root of
        their number. Default: none, the identity is the target.
    """
    a, b = functional.normalize(a, dim=1), functional.normalize(b, dim=1)
    n = len(a)
    own = (a * b).sum(1)
    others = ((a.T @ a) * (b.T @ b)).sum() - (own**2).sum()
    if memberships is not None:
        meeting = ((memberships.T @ a) * (memberships.T @ b)).sum() - own.sum()
        gram = (
            memberships @ memberships.T if n < memberships.shape[1] else memberships.T @ memberships
        )
        others = others - 2 * meeting + gram.square().sum() - n
    return (own - 1).square().mean() + others / max(n * (n - 1), 1)


def latent_correlation(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the latent-related correlation refinement (LRR).

    It pulls the d x d cross-correlation to the identity.

    The loss is mean_i (c_ii - 1)^2 + mean_{i != j} c_ij^2, where c_ij correlates, over the n cells,
    dimension i of `a` with dimension j of `b`; both have shape (n, d).
    """
    correlation = _standardize(a).T @ _standardize(b) / len(a)
    d = len(correlation)
    own = torch.diagonal(correlation)
    return (own - 1).square().mean() + (correlation.square().sum() - own.square().sum()) / max(
        d * (d - 1), 1
    )


def propagation(
    z: torch.Tensor, propagated: torch.Tensor, *, temperature: float = 0.1
) -> torch.Tensor:
    """Return the propagation regularisation (PR).

    It is the Jensen-Shannon divergence of z and its neighbourhood's mean.

    Both, of shape (n, d), become distributions by a softmax over the latent dimensions at
    `temperature`.
    """
    p, q = torch.softmax(z / temperature, dim=1), torch.softmax(propagated / temperature, dim=1)
    return jensen_shannon(p, q).mean()


def jensen_shannon(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """Return the Jensen-Shannon divergence of the rows of `p` and `q`, shape (n,).

    It is in nats, at most log 2.
    """
    middle = (p + q) / 2
    return (_kl(p, middle) + _kl(q, middle)) / 2


def edge_reconstruction(
    z: torch.Tensor, neighbors: torch.Tensor, strangers: torch.Tensor, *, temperature: float = 0.1
) -> torch.Tensor:
    """Return the adjacency's reconstruction on sampled edges.

    Neighbours must resemble each other, strangers must not.

    The cross-entropy of the inner-product decoder: the logit of an edge is the cosine of z_i and
    z_j less one half, over `temperature`.

    Parameters
    ----------
    z, neighbors, strangers
        Rows of length 1, shape (n, d): cells, one sampled neighbour of each, and one random other
        cell of each.
    """
    present = ((z * neighbors).sum(1) - 0.5) / temperature
    absent = ((z * strangers).sum(1) - 0.5) / temperature
    return (functional.softplus(-present) + functional.softplus(absent)).mean() / 2


def zinb(counts: torch.Tensor, parameters: Zinb) -> torch.Tensor:
    """Return the mean ZINB negative log-likelihood of raw `counts` (n, g).

    Gradients reach the mean, the gene-wise dispersion and the dropout alike.
    """
    mean, dispersion, logit = parameters
    log_total = torch.log(dispersion + mean)
    log_nb_zero = dispersion * (torch.log(dispersion) - log_total)
    log_nb = (
        torch.lgamma(counts + dispersion)
        - torch.lgamma(dispersion)
        - torch.lgamma(counts + 1)
        + log_nb_zero
        + counts * (torch.log(mean + TINY) - log_total)
    )
    log_kept = functional.logsigmoid(-logit)
    zero = torch.logaddexp(functional.logsigmoid(logit), log_kept + log_nb_zero)
    return -torch.where(counts > 0, log_kept + log_nb, zero).mean()


def _kl(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(1)


def _standardize(x: torch.Tensor) -> torch.Tensor:
    centered = x - x.mean(0)
    return centered / torch.sqrt(centered.square().mean(0) + TINY)
