"""Clustering: a training-free consensus over views, refined by the siamese network and optimal transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .consensus import Consensus, consensus_clustering
from .graph import diffuse, drop_weakest_edges, knn_indices, shared_neighbor_graph, transition_matrix
from .views import View, expression_views

if TYPE_CHECKING:
    from .estimator import ScSiameseClu
    from .train import Components, Training

__all__ = [
    "Components",
    "Consensus",
    "ScSiameseClu",
    "Training",
    "View",
    "consensus_clustering",
    "diffuse",
    "drop_weakest_edges",
    "expression_views",
    "knn_indices",
    "shared_neighbor_graph",
    "transition_matrix",
]


def __getattr__(name: str) -> Any:
    # These need torch, which the comparison with other methods runs without.
    if name == "ScSiameseClu":
        from .estimator import ScSiameseClu

        return ScSiameseClu
    if name in ("Components", "Training"):
        from . import train

        return getattr(train, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
