"""A sketch of the cells that stand for all, chosen so that rare types stay (docs/method.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_CELLS = 20_000
"""Cells of a sketch: default."""
OF_EACH_BATCH = 4
"""One in so many cells of a sketch is shared out evenly among the batches before the others are
drawn."""


def sketch(
    components: NDArray[np.float32],
    batches: NDArray[np.integer[Any]],
    max_cells: int,
    *,
    random_state: int = 0,
) -> NDArray[np.int64]:
    """Return the cells of a sketch, in their order; all if there are at most `max_cells`.

    Cells are drawn without replacement with their leverage as weight, as in Seurat 5 (Hao et al.
    2024): those of a rare type that has a direction of its own are more likely to be drawn, the
    rarer it is.

    Parameters
    ----------
    components
        Principal components, cells x components.
    batches
        Batch of each cell, 0 .. b - 1. Each batch is represented.
    max_cells
        Cells of the sketch.
    random_state
        Seed of the draw.
    """
    n = len(components)
    if n <= max_cells:
        return np.arange(n)
    # The smallest of exponential times over weights: a weighted draw without replacement
    # (Efraimidis & Spirakis 2006).
    times = np.random.default_rng(random_state).exponential(size=n) / leverage(components)
    order = np.lexsort((times, batches))
    sizes = np.bincount(batches)
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    later = rank >= max(max_cells // (OF_EACH_BATCH * sizes.size), 1)
    return np.sort(np.lexsort((times, later))[:max_cells])


def leverage(components: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return each cell's leverage in a regression on the components.

    It is the squared length, each component scaled to variance 1.
    """
    points = components - components.mean(axis=0, dtype=np.float64)
    inverse = np.linalg.pinv(points.T @ points, hermitian=True)
    return np.asarray(np.einsum("ij,ij->i", points @ inverse, points) + 1 / len(points))
