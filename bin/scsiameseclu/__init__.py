"""scSiameseClu, deep clustering of single-cell RNA counts, and the steps of its pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

from ._version import __version__

if TYPE_CHECKING:
    from .clustering.estimator import ScSiameseClu

__all__ = ["ScSiameseClu", "__version__"]

# On demand: the network needs torch, which the steps before and after it run without.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__, submod_attrs={"clustering.estimator": ["ScSiameseClu"]}
)
