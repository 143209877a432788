"""Clustering: a training-free consensus over views, refined by the siamese network and optimal transport."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from .consensus import Consensus, consensus_clustering
    from .estimator import ScSiameseClu
    from .graph import diffuse, drop_weakest_edges, knn_indices, shared_neighbor_graph, transition_matrix
    from .train import Components, Training
    from .views import View, expression_views

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

# On demand: a step is a process of its own and pays for every import.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "consensus": ["Consensus", "consensus_clustering"],
        "estimator": ["ScSiameseClu"],
        "graph": ["diffuse", "drop_weakest_edges", "knn_indices", "shared_neighbor_graph", "transition_matrix"],
        "train": ["Components", "Training"],
        "views": ["View", "expression_views"],
    },
)
