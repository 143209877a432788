"""Mixing of batches and separation of cell types among neighbors: LISI.

Source: Korsunsky et al. 2019.

LISI is the effective number of labels in a neighborhood, whose cells are weighted by their
distance. As in scIB (Luecken et al. 2022) it is scaled to 0 .. 1 with 1 best: iLISI of the batches,
1 if all are found everywhere; cLISI of the cell types, 1 if neighbors are of one type.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import anndata as ad
import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from ..blocks import evenly
from ..contracts import BATCH, CORRECTED_PCA, MixingSummary

SPACES = {"before": "X_pca", "after": CORRECTED_PCA}
"""Keys of ``obsm`` in which neighbors are sought; the second is there where batches were
corrected."""
NEIGHBORS, PERPLEXITY = 90, 30.0
"""The defaults of LISI; of fewer cells all are neighbors, and the perplexity is a third of them."""
MOST_CELLS, MOST_OF_TYPE = 5_000, 2_000
"""Cells that are examined, in total and per cell type: evenly spaced ones if there are more."""
FEWEST_CELLS = 10
"""Fewest cells of a batch in a cell type for it to count there."""
_HALVINGS = 40

Floats: TypeAlias = NDArray[np.floating[Any]]
Integers: TypeAlias = NDArray[np.integer[Any]]
Names: TypeAlias = NDArray[np.object_]


class Neighborhood(NamedTuple):
    """The neighbors of each cell and their weights, which add up to 1; both cells x neighbors."""

    cells: Integers
    weights: Floats


def mixing(adata: ad.AnnData, types: Names) -> MixingSummary:
    """Return how well batches mix and cell types stay apart, before and after the correction.

    Parameters
    ----------
    adata
        ``obs['batch']`` and `SPACES`.
    types
        Cell type of each cell.

    Returns
    -------
    ``n_batches``, ``all`` and ``cell_types``, a record of each with ``cell_type``, ``n_cells``,
    ``n_batches`` (those that count) and, each ``_before`` and ``_after``, ``ilisi``, ``clisi`` and
    ``over_expected`` (the share of neighbors from other batches, over its expectation). In
    ``cell_types``, iLISI and this share are of the neighbors within the type; in ``all``, iLISI is
    of all neighbors, and the share is the mean over the types by their cells. None if there is
    nothing to measure: one type, one batch, no correction.
    """
    batches = adata.obs[BATCH].astype(str).to_numpy(dtype=object)
    names, sizes = np.unique(types, return_counts=True)
    whole: Any = {"n_cells": adata.n_obs, "n_batches": len(np.unique(batches))}
    rows: list[Any] = [
        {
            "cell_type": str(name),
            "n_cells": int(size),
            "n_batches": len(_counting(types == name, batches)[1]),
        }
        for name, size in zip(names, sizes, strict=True)
    ]
    for moment, key in SPACES.items():
        points = adata.obsm.get(key)
        found, of_types = (
            _in_space(points, batches, types) if points is not None else ({}, [{} for _ in rows])
        )
        for record, measured in zip((whole, *rows), (found, *of_types), strict=True):
            record |= {
                f"{name}_{moment}": measured.get(name)
                for name in ("ilisi", "clisi", "over_expected")
            }
    return {"n_batches": whole["n_batches"], "all": whole, "cell_types": rows}


def _in_space(
    points: Floats, batches: Names, types: Names
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the figures of all cells, and those of each type in the order of their names."""
    # By type and batch, so that each is thinned in its share.
    cells = evenly(np.lexsort((batches.astype(str), types.astype(str))), MOST_CELLS)
    near = neighborhood(points[cells])
    names, sizes = np.unique(types, return_counts=True)
    # Of a single type there is nothing to tell.
    around, others = lisi(types[cells], near), len(names) - 1
    separation = (len(names) - around) / others if others else np.full(len(cells), np.nan)
    rows = [
        {"clisi": _median(separation[types[cells] == name])}
        | _within_type(points, types == name, batches)
        for name in names
    ]
    shares = np.array([row.get("over_expected", np.nan) for row in rows])
    known = ~np.isnan(shares)
    whole = {
        "ilisi": _mixed(lisi(batches[cells], near), len(np.unique(batches))),
        "clisi": _median(separation),
        "over_expected": _rounded(np.average(shares[known], weights=sizes[known]))
        if known.any()
        else None,
    }
    return whole, rows


def _within_type(points: Floats, of_type: NDArray[np.bool_], batches: Names) -> dict[str, Any]:
    """Return iLISI and ``over_expected`` within a type; empty if fewer than two batches count."""
    cells, counting = _counting(of_type, batches)
    if len(counting) < 2:
        return {}
    near, own = neighborhood(points[cells]), batches[cells]
    return {
        "ilisi": _mixed(lisi(own, near), len(counting)),
        "over_expected": over_expected(own, near),
    }


def _counting(of_type: NDArray[np.bool_], batches: Names) -> tuple[Integers, Names]:
    """Return the cells of a type that are examined, and the batches that count."""
    cells: Integers = np.flatnonzero(of_type)
    cells = evenly(cells[np.argsort(batches[cells].astype(str), kind="stable")], MOST_OF_TYPE)
    names, sizes = np.unique(batches[cells], return_counts=True)
    counting = names[sizes >= FEWEST_CELLS]
    return cells[np.isin(batches[cells], counting)], counting


def neighborhood(points: Floats) -> Neighborhood:
    """Return the nearest neighbors of each point, without itself, weighted as in LISI.

    Parameters
    ----------
    points
        At least 2 points x dimensions.
    """
    n_neighbors = min(NEIGHBORS, len(points) - 1)
    distances, cells = NearestNeighbors(n_neighbors=n_neighbors).fit(points).kneighbors()
    return Neighborhood(cells, _weights(distances, PERPLEXITY * n_neighbors / NEIGHBORS))


def _weights(distances: Floats, perplexity: float) -> Floats:
    """Return exp(-distance x beta), normalized by row; each row's beta gives it the perplexity."""
    beyond = distances - distances[:, :1]
    beyond = beyond / np.maximum(beyond.mean(axis=1, keepdims=True), np.finfo(float).tiny)
    low, high = np.full((len(beyond), 1), -10.0), np.full((len(beyond), 1), 20.0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        beta = np.exp(middle)
        weights = np.exp(-beyond * beta)
        total = weights.sum(axis=1, keepdims=True)
        weights /= total
        entropy = np.log(total) + beta * (weights * beyond).sum(axis=1, keepdims=True)
        low, high = np.where(entropy > np.log(perplexity), (middle, high), (low, middle))
    return np.asarray(weights)


def lisi(labels: Names, near: Neighborhood) -> Floats:
    """Return the effective number of labels in each neighborhood; 1 if all are alike.

    It is the inverse Simpson's index.
    """
    return np.asarray(1 / (_shares(labels, near)[1] ** 2).sum(axis=1))


def over_expected(batches: Names, near: Neighborhood) -> float:
    """Return the weight of neighbors from other batches, over its expectation at random."""
    codes, shares = _shares(batches, near)
    n = len(codes)
    others = 1 - shares[np.arange(n), codes]
    expected = (n - np.bincount(codes)[codes]) / (n - 1)
    return _rounded(others.sum() / expected.sum())


def _shares(labels: Names, near: Neighborhood) -> tuple[Integers, Floats]:
    """Return the labels as numbers, and the share of each in each neighborhood."""
    names, codes = np.unique(labels, return_inverse=True)
    around = codes[near.cells]
    return codes, np.stack(
        [(near.weights * (around == code)).sum(axis=1) for code in range(len(names))], axis=1
    )


def _mixed(values: Floats, n_labels: int) -> float | None:
    return _median((values - 1) / (n_labels - 1)) if n_labels > 1 else None


def _median(values: Floats) -> float | None:
    """Return the median, as scIB sums cells up; None without any value."""
    known = values[~np.isnan(values)]
    return _rounded(np.median(known)) if len(known) else None


def _rounded(value: Any) -> float:
    return round(float(value), 4)
