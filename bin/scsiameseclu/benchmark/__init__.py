"""The benchmark behind docs/benchmarks.md: labelled data sets x methods x seeds, one command for all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from .datasets import Dataset, labelled_datasets, simulated_dataset
    from .run import benchmark

__all__ = ["Dataset", "benchmark", "labelled_datasets", "simulated_dataset"]

# On demand: each fit is a process of its own, and its memory is measured.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "datasets": ["Dataset", "labelled_datasets", "simulated_dataset"],
        "run": ["benchmark"],
    },
)
