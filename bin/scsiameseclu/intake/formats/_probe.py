"""Damaged HDF5 can make its library crash or run for ever: whether it does is tried out in a process of its own."""

from __future__ import annotations

import resource
import signal
from contextlib import suppress
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import h5py

SECONDS = 10
"""Processor time that the look through a file may take, and one second more for each :data:`BYTES_A_SECOND`."""
BYTES_A_SECOND = 20_000_000
LARGEST = 2**31
"""Bytes of names that are read at most."""


def survives(path: Path) -> bool:
    """Return whether HDF5's library gets through the structure of a file, its attributes and its text.

    Raises
    ------
    MemoryError
        If the system stopped the attempt for want of memory.
    """
    status = path.stat()
    return _survives(str(path.resolve()), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _survives(path: str, size: int, _changed: int) -> bool:
    process = get_context("fork").Process(target=_walk, args=(path, SECONDS + size // BYTES_A_SECOND))
    process.start()
    process.join()
    if process.exitcode == -signal.SIGKILL:
        raise MemoryError
    return process.exitcode == 0


def _walk(path: str, seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    with suppress(Exception), h5py.File(path, "r") as file:  # what the library tells is told when the file is read
        _touch("", file)
        file.visititems(_touch)


def _touch(_name: str, item: h5py.Group | h5py.Dataset) -> None:
    with suppress(Exception):
        dict(item.attrs)
    with suppress(Exception):
        if isinstance(item, h5py.Dataset) and item.size and item.nbytes < LARGEST:
            _ = item[()] if item.dtype.kind in "OSV" else item[(0,) * item.ndim]
