"""A random sketch that represents all cells (docs/method.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_CELLS = 20_000
"""Cells of a sketch: default."""
OF_EACH_BATCH = 4
"""One in this many cells of a sketch is divided evenly among the batches before the others are
drawn."""


def sketch(
    batches: NDArray[np.integer[Any]], max_cells: int, *, random_state: int = 0
) -> NDArray[np.int64]:
    """Return the cells of a sketch, in their order; all if there are at most `max_cells`.

    Cells are drawn without replacement, with equal probability except for the share of each batch.

    Parameters
    ----------
    batches
        Batch of each cell, 0 .. b - 1. Each batch is represented.
    max_cells
        Cells of the sketch.
    random_state
        Seed of the draw.
    """
    n = len(batches)
    if n <= max_cells:
        return np.arange(n)
    place = np.random.default_rng(random_state).random(n)
    order = np.lexsort((place, batches))
    sizes = np.bincount(batches)
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    later = rank >= max(max_cells // (OF_EACH_BATCH * sizes.size), 1)
    return np.sort(np.lexsort((place, later))[:max_cells])
