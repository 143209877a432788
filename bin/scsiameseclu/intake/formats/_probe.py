"""Probe damaged HDF5, which can crash its library or hang it, in a process of its own."""

from __future__ import annotations

import math
import resource
import signal
from contextlib import suppress
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import h5py

from ._bytes import unpacked_limit

SECONDS = 10
"""Processor time allowed for the check of a file, and one second more for each
:data:`BYTES_A_SECOND`."""
BYTES_A_SECOND = 20_000_000


def survives(path: Path) -> bool:
    """Return whether HDF5's library survives a file's structure, attributes and text.

    Raises
    ------
    MemoryError
        If the system stopped the attempt for want of memory.
    """
    status = path.stat()
    return _survives(str(path.resolve()), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _survives(path: str, size: int, _changed: int) -> bool:
    process = get_context("fork").Process(
        target=_walk, args=(path, SECONDS + size // BYTES_A_SECOND)
    )
    process.start()
    process.join()
    if process.exitcode == -signal.SIGKILL:
        raise MemoryError
    return process.exitcode == 0


def _walk(path: str, seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    # Errors of the library are reported when the file is read; the content of other files is not
    # checked.
    with suppress(Exception), h5py.File(path, "r") as file:
        if not other_files(file):
            _touch("", file)
            file.visititems(_touch)


def other_files(file: h5py.File) -> list[str]:
    """Return a file's references to others: external links, datasets stored elsewhere."""
    found: list[str] = []
    file.visititems_links(
        lambda name, link: found.append(name) if isinstance(link, h5py.ExternalLink) else None
    )
    file.visititems(lambda name, item: found.append(name) if _is_elsewhere(item) else None)
    return found


def _is_elsewhere(item: h5py.Group | h5py.Dataset) -> bool:
    if not isinstance(item, h5py.Dataset):
        return False
    layout = item.id.get_create_plist()
    return bool(layout.get_layout() == h5py.h5d.VIRTUAL or layout.get_external_count() > 0)


def _touch(_name: str, item: h5py.Group | h5py.Dataset) -> None:
    with suppress(Exception):
        dict(item.attrs)
    with suppress(Exception):
        if not isinstance(item, h5py.Dataset) or not item.size:
            return
        limit = unpacked_limit(item.id.get_storage_size())
        if not missing_filter(item) and limit > max(
            item.nbytes, math.prod(item.chunks or (0,)) * item.dtype.itemsize
        ):
            _ = item[()] if item.dtype.kind in "OSV" else item[(0,) * item.ndim]


def missing_filter(dataset: h5py.Dataset) -> str:
    """Return a dataset's filter that neither HDF5 nor hdf5plugin has, or empty."""
    packed = dataset.id.get_create_plist()
    for number, _, _, name in (packed.get_filter(place) for place in range(packed.get_nfilters())):
        if not h5py.h5z.filter_avail(number):
            with suppress(ImportError):
                import hdf5plugin  # noqa: F401  # its filters are known to HDF5 from here on
        if not h5py.h5z.filter_avail(number):
            return f"{name.decode(errors='replace') or 'unnamed'} ({number})"
    return ""
