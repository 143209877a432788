"""Intake: check the samplesheet, read raw counts of any known format."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

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

# On demand: a step is a process of its own and pays for every import.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "counts": ["Counts", "check_counts", "to_adata"],
        "formats": ["READERS", "read_matrix"],
        "labels": ["gold_labels"],
        "read_counts": ["read_sample"],
        "samplesheet": ["read_samplesheet"],
    },
)
