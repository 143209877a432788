"""Expression of a group: its samples joined, normalized, with variable genes and principal components."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from .merge import merge
    from .normalize import normalize

__all__ = [
    "merge",
    "normalize",
]

# On demand: a step is a process of its own and pays for every import.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "merge": ["merge"],
        "normalize": ["normalize"],
    },
)
