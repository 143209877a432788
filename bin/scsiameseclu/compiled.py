"""What numba compiles of umap-learn and pynndescent is kept on disk, as Python's bytecode is."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any


@cache
def keep_compiled() -> None:
    """Import umap-learn such that numba keeps what it compiles; once, before the first use.

    Neither package asks for it, and each task would compile for 8 s what the last one did. Numba
    keeps the code beside the packages, by processor and version, and tasks may write it at the same
    time. In an image it lies in the task's own folder (command.py) and is compiled by each task.
    """
    import numba

    njit = numba.njit

    def kept(*function: Any, **options: Any) -> Any:
        # With signatures; what takes other functions would be kept anew by each process.
        has_signatures = bool(function) and not callable(function[0])
        return njit(*function, **{"cache": has_signatures} | options)

    numba.njit = kept
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImportWarning)  # that there is no Tensorflow
            from umap.umap_ import compute_membership_strengths, smooth_knn_dist
    finally:
        numba.njit = njit
    smooth_knn_dist.enable_caching()
    compute_membership_strengths.enable_caching()
