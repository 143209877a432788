"""Expression of a group: its samples joined, normalized, with variable genes and principal components."""

from .merge import merge
from .normalize import normalize

__all__ = ["merge", "normalize"]
