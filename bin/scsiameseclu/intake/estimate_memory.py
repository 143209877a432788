"""The memory that steps on samples and groups will request, from matrices' headers."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from ..contracts import GroupMemory, MemoryEstimate, SampleMemory
from ..files import unwrapped, write_json
from ..steps import Step
from .formats import matrix_market
from .formats._hdf5 import is_hdf5, is_matrix, items, matrix_shape, opened

OF_A_SAMPLE = {"reading": "reading", "filter": "the filter", "doublets": "the search for doublets"}
"""Steps on a sample, and how a warning calls them."""
OF_A_GROUP = {
    "group": "each step from the merging of samples to the cell types",
    "clustering": "the clustering",
}
"""The same of a group."""
_OF_BARCODES = frozenset(("reading", "filter"))
_MANY_BARCODES = 100_000
_FEW_GENES = 200
_GENES_OF_A_CELL = 2000
_DENSE_SHARE = 0.1
"""Share of a dense matrix that is taken to be more than 0."""
_MEGABYTE = 2**20
"""As Nextflow, which asks for it, reckons."""
_REMEDY = "Run it on a larger machine (or raise resourceLimits)"

Rates = Mapping[str, Mapping[str, float]]
"""Step -> bytes that it asks for: ``fixed``, and for each of ``n_bytes`` (of the file),
``n_cells``, ``n_values``."""

_KILOBYTE = 2**10
_GIGABYTE = 2**30
RATES: Rates = {
    "reading": {"fixed": 2 * _GIGABYTE, "n_bytes": 12},
    "filter": {"fixed": 2 * _GIGABYTE, "n_cells": _KILOBYTE, "n_values": 50},
    "doublets": {"fixed": 2 * _GIGABYTE, "n_cells": 20 * _KILOBYTE, "n_values": 80},
    "group": {"fixed": 2 * _GIGABYTE, "n_cells": 10 * _KILOBYTE, "n_values": 20},
    "clustering": {"fixed": 3 * _GIGABYTE, "n_cells": 10 * _KILOBYTE, "n_values": 20},
}
"""The rates of conf/base.config; a test compares them."""


@dataclass(frozen=True)
class Size:
    """The size of a matrix by its header: barcodes, genes, and counts that are stored."""

    n_barcodes: int
    n_genes: int
    n_stored: int

    @property
    def is_unfiltered(self) -> bool:
        """Whether there are so many barcodes with so few genes that most must be empty."""
        return self.n_barcodes > _MANY_BARCODES and self.n_stored < _FEW_GENES * self.n_barcodes

    @property
    def n_cells(self) -> int:
        """How many barcodes may be cells: all, or, if unfiltered, as many as the counts allow."""
        return self.n_stored // _GENES_OF_A_CELL if self.is_unfiltered else self.n_barcodes

    def needs(self, rates: Rates, *, n_bytes: int = 0) -> dict[str, int]:
        """Return the MB that each step on the sample requests at most, for a file of `n_bytes`."""
        return {
            step: _megabytes(
                rates[step],
                n_bytes=n_bytes,
                n_cells=self.n_barcodes if step in _OF_BARCODES else self.n_cells,
                n_values=self.n_stored,
            )
            for step in OF_A_SAMPLE
        }


def estimate_memory(*, counts: Path, limit_mb: int | None = None) -> None:
    """Write memory.json: sizes and memory by the matrices' headers, with warnings.

    JSON comes on stdin: a list of the samples, of each its ``id``, ``group`` and ``n_bytes`` (of
    the file of counts).

    Parameters
    ----------
    counts
        Folder with the samples' files or folders of raw counts, named 1, 2, … in their order; none
        where these lie elsewhere.
    limit_mb
        Memory that a task can get at most. Default: unknown, and nothing is too much.
    """
    sizes: dict[str, list[Size | None]] = {}
    rows = []
    for number, sample in enumerate(json.load(sys.stdin), start=1):
        size = matrix_size(unwrapped(counts / str(number)))
        sizes.setdefault(sample["group"], []).append(size)
        if size is not None:
            rows.append(_sample(sample, size, limit_mb))
    groups = [_group(name, found, limit_mb) for name, found in sizes.items() if all(found)]
    estimate: MemoryEstimate = {"limit_mb": limit_mb, "samples": rows, "groups": groups}
    write_json(estimate, "memory.json")


def matrix_size(path: Path) -> Size | None:
    """Return the size of an HDF5 or Matrix Market matrix.

    None for other or damaged files, which the reader reports.

    Parameters
    ----------
    path
        File or folder with raw counts.
    """
    if not (path.is_file() or path.is_dir()):  # to open a pipe would be to wait for ever
        return None
    try:
        (file, *parts) = matrix_market.find_matrices(path)[0] if path.is_dir() else [path]
        if is_hdf5(file):
            return _hdf5_size(file)
        if not matrix_market.recognizes(file):
            return None
        n_barcodes, n_genes, n_stored = matrix_market.sizes(file)
        return Size(
            n_barcodes, n_genes, n_stored + sum(matrix_market.sizes(part)[2] for part in parts)
        )
    except Exception:  # any problem: the step that reads the file reports it
        return None


def _megabytes(rates: Mapping[str, float], **sizes: int) -> int:
    return round(sum(each * sizes.get(what, 1) for what, each in rates.items()) / _MEGABYTE)


def _sample(sample: Mapping[str, Any], size: Size, limit: int | None) -> SampleMemory:
    needs = size.needs(RATES, n_bytes=sample["n_bytes"])
    # What is asked for once cells are called is not known before.
    known = {
        step: need for step, need in needs.items() if step in _OF_BARCODES or not size.is_unfiltered
    }
    step = max(known, key=known.__getitem__)
    warning = ""
    if limit is not None and known[step] > limit:
        warning = (
            f"{sample['id']}: {OF_A_SAMPLE[step]} asks for {_at_most(needs[step], limit)}; by its "
            f"header it has {size.n_barcodes:,} barcodes with {size.n_stored:,} counts. {_REMEDY}, "
            "or split the sample."
        )
    note = f"Cells are not known before they are called; {size.n_cells:,} are assumed."
    return {
        "sample": sample["id"],
        "group": sample["group"],
        "n_barcodes": size.n_barcodes,
        "n_genes": size.n_genes,
        "n_stored": size.n_stored,
        "n_cells": size.n_cells,
        "needs_mb": needs,
        "warning": warning,
        "note": note if size.is_unfiltered else "",
    }


def _group(name: str, members: list[Size | None], limit: int | None) -> GroupMemory:
    sizes = [size for size in members if size is not None]
    n_cells, n_values = sum(size.n_cells for size in sizes), sum(size.n_stored for size in sizes)
    together = {"n_cells": n_cells, "n_values": n_values}
    needs = {step: _megabytes(RATES[step], **together) for step in OF_A_GROUP}
    step = max(needs, key=needs.__getitem__)
    warning = ""
    if limit is not None and needs[step] > limit and not any(size.is_unfiltered for size in sizes):
        warning = (
            f"Group {name}: {OF_A_GROUP[step]} asks for {_at_most(needs[step], limit)}, if all "
            f"{n_cells:,} barcodes with {n_values:,} counts are kept; the filter leaves fewer. "
            f"{_REMEDY}, or make the group smaller."
        )
    return {
        "group": name,
        "n_cells": n_cells,
        "n_values": n_values,
        "needs_mb": needs,
        "warning": warning,
    }


def _at_most(need: int, limit: int) -> str:
    return f"up to {need / 1024:.1f} GB, but a task gets {limit / 1024:.1f} GB at most"


def _hdf5_size(path: Path) -> Size | None:
    """Return the size of the largest matrix, at the top of a file or one level below."""
    with opened(path) as file:
        top = items(file)
        below = [
            items(top[name]) for name in ("layers", "raw") if isinstance(top.get(name), h5py.Group)
        ]
        found = [item for group in (top, *below) for item in group.values() if is_matrix(item)]
        sizes = [_size(item, is_loom="row_attrs" in file) for item in found]
    return max(sizes, key=lambda size: size.n_stored, default=None)


def _size(item: h5py.Group | h5py.Dataset, *, is_loom: bool) -> Size:
    """Return the size of a matrix: Cell Ranger and loom store genes x cells."""
    shape = matrix_shape(item)
    is_sparse = isinstance(item, h5py.Group)
    stored = item["data"].shape[0] if is_sparse else _DENSE_SHARE * shape[0] * shape[1]
    genes_first = is_loom or (is_sparse and "barcodes" in item)
    n_cells, n_genes = shape[::-1] if genes_first else shape
    return Size(n_cells, n_genes, int(stored))


STEP = Step(estimate_memory)
