"""What the steps on each sample will take of memory, from the headers of its matrix alone: told before they take it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from ..files import write_json
from .formats import matrix_market
from .formats._hdf5 import is_hdf5, is_matrix, items, matrix_shape, opened

# Measured at 700,000 barcodes with 41 million stored counts, 10,000 cells: 630 MB (10x HDF5) or 1,030 MB (MTX) to read,
# 1,050 MB to filter, 3,250 MB to score doublets.
_PYTHON = 2e8
_PER_COUNT = {"reading": 20.0, "filter": 13.0}
_PER_BARCODE = {"reading": 100.0, "filter": 500.0}
_PER_CELL = 3e5
"""Bytes that Scrublet takes for a cell and its two simulated doublets, of 2,000 genes."""
_MANY_BARCODES = 100_000
_FEW_GENES = 200
_GENES_OF_A_CELL = 2000
_DENSE_SHARE = 0.1
"""Share of a dense matrix that is taken to be more than 0."""


@dataclass(frozen=True)
class Size:
    """The size of a matrix by its header: barcodes, genes, and counts that are stored."""

    n_barcodes: int
    n_genes: int
    n_stored: int

    @property
    def n_cells(self) -> int:
        """How many barcodes may be cells: all, or, of many with few genes each, as many as the counts suffice for."""
        if self.n_barcodes > _MANY_BARCODES and self.n_stored < _FEW_GENES * self.n_barcodes:
            return self.n_stored // _GENES_OF_A_CELL
        return self.n_barcodes

    def needs(self) -> dict[str, int]:
        """Return the MB that each step on a sample may take."""
        steps = {
            step: _PYTHON + each * self.n_stored + _PER_BARCODE[step] * self.n_barcodes
            for step, each in _PER_COUNT.items()
        }
        return {
            step: int(need / 1e6) for step, need in (steps | {"doublets": _PYTHON + _PER_CELL * self.n_cells}).items()
        }


def estimate_memory(*, sample_ids: list[str], counts: Path, limit_mb: int | None = None) -> None:
    """Write memory.json: what the matrices' headers say of size and memory, with a warning where it is too much.

    Parameters
    ----------
    sample_ids
        Ids of the samples.
    counts
        Folder with one folder for each of them, named 1, 2, …, that holds its file or folder of raw counts.
    limit_mb
        Memory that a task can get at most. Default: unknown, and nothing is too much.
    """
    samples = []
    for number, sample in enumerate(sample_ids, start=1):
        (path,) = (counts / str(number)).iterdir()
        size = matrix_size(path)
        if size is not None:
            samples.append(_account(sample, size, limit_mb))
    write_json({"limit_mb": limit_mb, "samples": samples}, "memory.json")


def matrix_size(path: Path) -> Size | None:
    """Return the size of a matrix in HDF5 or Matrix Market; None of another or a damaged one, which reading it tells.

    Parameters
    ----------
    path
        File or folder with raw counts.
    """
    try:
        file = matrix_market.find_matrix(path)[0] if path.is_dir() else path
        if is_hdf5(file):
            return _hdf5_size(file)
        return Size(*matrix_market.sizes(file)) if matrix_market.recognizes(file) else None
    except Exception:  # whatever is wrong with it: the step that reads it says so, in words
        return None


def _account(sample: str, size: Size, limit: int | None) -> dict[str, Any]:
    needs = size.needs()
    step = max(needs, key=lambda name: needs[name])
    warning = ""
    if limit is not None and needs[step] > limit:
        warning = (
            f"{sample}: {step} may take about {needs[step] / 1000:.1f} GB for {size.n_barcodes:,} barcodes with "
            f"{size.n_stored:,} counts, of which some {size.n_cells:,} may be cells, but a task gets "
            f"{limit / 1000:.1f} GB at most. Run it on a larger machine (or raise resourceLimits), or split the sample."
        )
    return {"sample": sample, **vars(size), "n_cells": size.n_cells, "needs_mb": needs, "warning": warning}


def _size(shape: tuple[int, int], n_stored: int, *, cells_first: bool) -> Size:
    n_cells, n_genes = shape if cells_first else shape[::-1]
    return Size(n_cells, n_genes, n_stored)


def _hdf5_size(path: Path) -> Size | None:
    """Return the size of the largest matrix; Cell Ranger and loom write genes x cells, all others cells x genes."""
    with opened(path) as file:
        sizes = [
            _size(
                matrix_shape(item),
                _stored(item),
                cells_first="row_attrs" not in file and not (isinstance(item, h5py.Group) and "barcodes" in item),
            )
            for item in _members(file).values()
            if is_matrix(item)
        ]
    return max(sizes, key=lambda size: size.n_stored, default=None)


def _members(file: h5py.File) -> dict[str, Any]:
    """Return what is at the top of a file and one level below."""
    top = items(file)
    below = {
        f"{name}/{inner}": item
        for name, group in top.items()
        if name in ("layers", "raw") and isinstance(group, h5py.Group)
        for inner, item in items(group).items()
    }
    return {**top, **below}


def _stored(item: h5py.Group | h5py.Dataset) -> int:
    if isinstance(item, h5py.Group):
        return int(item["data"].shape[0])
    return int(_DENSE_SHARE * item.shape[0] * item.shape[1])
