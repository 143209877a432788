"""Intake: check the samplesheet, read raw counts of any known format.

The functions are loaded when they are asked for: the check of the samplesheet must start fast and needs no anndata.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .counts import Counts, check_counts, to_adata
    from .formats import READERS, read_matrix
    from .labels import gold_labels
    from .read_counts import read_sample
    from .samplesheet import read_samplesheet

__all__ = [
    "READERS",
    "Counts",
    "check_counts",
    "gold_labels",
    "read_matrix",
    "read_sample",
    "read_samplesheet",
    "to_adata",
]

_HOMES = {
    "READERS": "formats",
    "Counts": "counts",
    "check_counts": "counts",
    "gold_labels": "labels",
    "read_matrix": "formats",
    "read_sample": "read_counts",
    "read_samplesheet": "samplesheet",
    "to_adata": "counts",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
