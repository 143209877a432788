"""What numba compiles of umap-learn and pynndescent is kept on disk, as Python's bytecode is."""

from __future__ import annotations

import pickle
import warnings
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
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


@cache
def trust_no_kept_code() -> None:
    """Have numba compile anew what it kept of any package and cannot read, or cannot keep.

    By itself it would end the task, and each one after it. Machine code that was changed would
    crash Python or compute something else; so would that of another processor, where two tasks kept
    a function at the same time and the index is of one, the code of the other. So the code ends
    with a checksum of itself and of what it was compiled for, which numba by itself does not read.
    """
    from numba.core.caching import Cache, IndexDataCacheFile

    load_index, dump = IndexDataCacheFile._load_index, IndexDataCacheFile._dump
    save = IndexDataCacheFile.save

    def index(self: Any) -> Any:
        with suppress(Exception):
            return load_index(self)
        return {}  # written anew

    def load(self: Any, key: object) -> Any:
        content = Path(self._data_path(index(self)[key])).read_bytes()
        code, end = content[:-32], content[-32:]
        return pickle.loads(code) if end == checksum(self, key, code) else None

    def checked_save(self: Any, key: object, data: object) -> None:
        def checked_dump(value: object) -> bytes:
            code: bytes = dump(self, value)
            return code + checksum(self, key, code)

        self._dump = checked_dump
        save(self, key, data)

    def checksum(self: Any, key: object, code: bytes) -> bytes:
        return sha256(code + repr((key, self._source_stamp)).encode()).digest()

    IndexDataCacheFile._load_index = index
    IndexDataCacheFile.load = load
    IndexDataCacheFile.save = checked_save
    Cache._guard_against_spurious_io_errors = lambda _: suppress(Exception)
