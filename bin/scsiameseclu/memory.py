"""How much memory this process took."""

from __future__ import annotations

import resource
import sys


def peak_memory_mb() -> float:
    """Return the largest resident memory so far, in MiB, as the system counts it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        2**20 if sys.platform == "darwin" else 2**10
    )
