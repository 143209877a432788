"""Honest, deterministic deep clustering of single-cell RNA counts, and the steps of the pipeline around it."""

from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .clustering import ScSiameseClu

__all__ = ["ScSiameseClu", "__version__"]


def __getattr__(name: str) -> Any:
    # The network needs torch, which the steps before and after it run without.
    if name == "ScSiameseClu":
        from .clustering import ScSiameseClu

        return ScSiameseClu
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
