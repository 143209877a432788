"""One module per family of formats.

A new format is one new module with ``NAME``, ``recognizes`` and ``read``. Modules whose names begin
with ``_`` are what several formats share.
"""

from __future__ import annotations

import errno
import os
import stat
import warnings
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Protocol, cast

from ...errors import InputError, quoted
from ..counts import Counts, add_up_probes
from ._bytes import PASSED_ON, damaged, head, packing, unreadable


class Reader(Protocol):
    """What a format's module offers."""

    NAME: str

    def recognizes(self, path: Path) -> bool:
        """Return whether the content of `path` is of this format, regardless of its name."""
        ...

    def read(self, path: Path) -> Counts:
        """Read the counts unchanged, or raise :class:`InputError`."""
        ...


ASKED = ("first", "specific", "general", "last")
"""Values of a module's ``ASKED``, in the order in which readers are asked: a general format, such
as a folder, may hold a specific one, and nearly anything can be text. Default: specific."""


def _readers() -> tuple[Reader, ...]:
    names = sorted(module.name for module in iter_modules(__path__) if module.name[0] != "_")
    modules = [import_module(f"{__name__}.{name}") for name in names]
    modules.sort(key=lambda module: ASKED.index(getattr(module, "ASKED", "specific")))
    return tuple(cast("Reader", module) for module in modules)


READERS = _readers()
"""All readers, in the order in which they are asked."""
ENDINGS = frozenset(ending for reader in READERS for ending in getattr(reader, "ENDINGS", ()))
"""Endings of files that say nothing of the sample, from the modules' ``ENDINGS``. Default: none."""


def reader_of(path: Path) -> Reader | None:
    """Return the first reader that recognizes a file or folder."""
    return next((reader for reader in READERS if reader.recognizes(path)), None)


def read_matrix(path: Path) -> Counts:
    """Read a count matrix of any format.

    Parameters
    ----------
    path
        File or folder.

    Returns
    -------
    The counts as in the input, not yet checked
    (:func:`~scsiameseclu.intake.check_counts`).

    Raises
    ------
    InputError
        If `path` cannot be read, is of no known format, or is damaged.
    """
    _check_access(path)
    try:
        # Old versions of formats are read, too: the user need not do anything.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _check_packing(path)
            reader = reader_of(path)
            if reader is None:
                raise _unknown(path)
            counts = reader.read(path)
            add_up_probes(counts)
            _note_presence(counts)
            return counts
    except PASSED_ON:
        raise
    # On a user's bytes libraries fail in any way they like; all of them mean the same.
    except Exception as error:
        # No room to unpack it.
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise unreadable(path, error) from error


def _check_access(path: Path) -> None:
    try:
        status = path.stat()
        # Opening a pipe would wait for ever.
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise InputError.of(
                what="The input is neither a file nor a folder.",
                where=path,
                remedy="Give a file or folder.",
            )
        with os.scandir(path) if path.is_dir() else path.open("rb"):
            pass
    except (OSError, ValueError) as error:
        raise _no_access(path, error) from error
    if path.is_file() and status.st_size == 0:
        raise InputError.of(
            what="The file is empty (0 bytes).", where=path, remedy="Copy or download it again."
        )


def _no_access(path: Path, error: OSError | ValueError) -> InputError:
    code = error.errno if isinstance(error, OSError) else None
    reasons = {
        errno.ENOENT: "There is no such file or folder, or a link to it leads to nothing.",
        errno.ELOOP: "The link leads back to itself.",
        errno.EACCES: "You have no permission to read it.",
        errno.EPERM: "You have no permission to read it.",
        errno.ENAMETOOLONG: "No file can have a name of this length.",
    }
    remedies = {
        errno.EACCES: "Give read permission (chmod -R u+rX) to the user who runs the pipeline."
    }
    return InputError.of(
        what=reasons.get(code or 0, f"The input cannot be opened: {quoted(error, length=200)}."),
        where=quoted(path, length=300),
        remedy=remedies.get(
            code or 0, "Correct the path in the samplesheet; relative paths start from its folder."
        ),
    )


def _check_packing(path: Path) -> None:
    """Reject a packed file whose first bytes cannot be unpacked, or that is packed twice."""
    if path.is_dir():
        return
    with path.open("rb") as file:
        packed = packing(file.read(8))
    if packed is None:
        return
    start = head(path)
    with path.open("rb") as file:
        if file.read(len(start)) == start:
            raise damaged(path, f"{packed.name} that does not unpack")
    again = packing(start)
    if again is not None:
        raise InputError.of(
            what=f"The file is packed twice, with {packed.name} around {again.name}.",
            where=path,
            remedy="Unpack it once and give the file inside.",
        )


def _note_presence(counts: Counts) -> None:
    """Note that a matrix holds 0 and 1 only: boolean values and patterns are counts of 1."""
    data = counts.matrix.data
    if len(data) and data.max() == 1 and (data.dtype.kind == "b" or data.min() in (0, 1)):
        counts.notes.append(
            "No count is larger than 1: if the matrix only says whether a gene was "
            "detected, give the counts instead."
        )


def _unknown(path: Path) -> InputError:
    return InputError.of(
        what="The format of the file is not recognised.",
        where=path,
        remedy="Give 10x HDF5, a folder of 10x, STARsolo, kb or alevin, .h5ad, .loom, HDF5 "
        "with X, or a csv or tsv.",
    )
