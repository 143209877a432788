"""What numba compiles of umap-learn and pynndescent is kept on disk, as Python's bytecode is."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any


@cache
def keep_compiled() -> None:
    """Import umap-learn with numba's cache enabled; once, before the first use.

    The packages do not enable it, and each task would compile the same code for 8 s.
    Numba keeps the code next to the packages, by processor and version; tasks may write it at the
    same time. In an image, it is in the folder of the task (command.py), which compiles it again.
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
