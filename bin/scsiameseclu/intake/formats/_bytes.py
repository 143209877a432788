"""Files recognised by their first bytes, and unpacked if they are packed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from ...errors import InputError, quoted

HEAD = 65536
RATIO = 200
"""No matrix of counts packs more densely than this: what does was made to fill a disk."""
ROOM = 2**28
"""Bytes that may always be unpacked, however few they are packed."""
_BROKEN = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)
_MEMORY = 2**28
_DEEP = 32
"""Blocks read at most for the first unpacked bytes: bzip2 gives 900 kB at once."""


@dataclass(frozen=True)
class Packing:
    """A way of packing: its name, its first bytes, how it is undone in part and as a whole."""

    name: str
    magic: bytes
    decompressor: Callable[[], Any]
    open: Callable[[Path], Any]


PACKINGS = (
    Packing("gzip", b"\x1f\x8b", lambda: zlib.decompressobj(wbits=31), gzip.open),
    Packing("bzip2", b"BZh", bz2.BZ2Decompressor, bz2.open),
    Packing("xz", b"\xfd7zXZ\0", lambda: lzma.LZMADecompressor(memlimit=_MEMORY), lzma.open),
)


def packing(start: bytes) -> Packing | None:
    """Return how a file is packed that begins with `start`; None: it is not."""
    return next((known for known in PACKINGS if start.startswith(known.magic)), None)


def unpacked_limit(packed: int) -> int:
    """Return the largest plausible size of a count matrix packed into this many bytes."""
    return max(RATIO * packed, ROOM)


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading; packed files are unpacked, regardless of their name."""
    with path.open("rb") as file:
        packed = packing(file.read(8))
    if packed is None:
        return path.open("rb")
    return cast("BinaryIO", io.BufferedReader(_Unpacked(path, packed.open(path)), HEAD))


def open_text(path: Path) -> TextIO:
    """Open a file, packed or not, as UTF-8 text, with a byte order mark or without."""
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig")


def head(path: Path) -> bytes:
    """Return the first bytes of a file, unpacked as far as they can be; packed if they cannot."""
    with path.open("rb") as file:
        start = file.read(HEAD)
        packed = packing(start)
        if packed is None:
            return start
        try:
            return _first_unpacked(packed.decompressor(), start, file)
        except _BROKEN:
            return start


def _first_unpacked(unpack: Any, block: bytes, file: BinaryIO) -> bytes:
    found = b""
    for _ in range(_DEEP):
        found += unpack.decompress(block, HEAD)
        block = b"" if found or unpack.eof else file.read(HEAD)
        if not block:
            break
    return found


def is_tar(path: Path) -> bool:
    """Return whether a file, unpacked, begins with the header of a tar archive."""
    try:
        tarfile.TarInfo.frombuf(head(path)[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return False
    return True


class _Unpacked(io.RawIOBase):
    """The bytes of a packed file, but no more than a matrix of counts has."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self._path, self._stream = path, stream
        self._left = unpacked_limit(path.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            block = self._stream.read(len(buffer))
        except (zlib.error, lzma.LZMAError) as error:
            raise OSError(str(error)) from error
        self._left -= len(block)
        if self._left < 0:
            raise too_large(self._path)
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._stream.close()
        super().close()


def lines(path: Path) -> list[str]:
    """Return the lines of a small text file without their ends, without blank lines at its end."""
    try:
        with open_text(path) as file:
            found = [line.rstrip("\n") for line in file]
    except (OSError, EOFError, ValueError) as error:
        raise damaged(path, error) from error
    while found and not found[-1].strip():
        found.pop()
    return found


PASSED_ON = (InputError, MemoryError, NameError, ImportError)
"""Errors not due to damaged bytes; the last two are bugs of ours."""


def damaged(path: Path, error: Exception | str) -> InputError:
    """Return the error for a file that ends early or does not unpack."""
    return incomplete(f"The file is damaged or incomplete: {quoted(error, length=200)}.", path)


def unreadable(path: Path, error: Exception) -> InputError:
    """Return the error for an input on which a library failed in a way of its own."""
    why = f"{type(error).__name__}: {quoted(error, length=200)}"
    return incomplete(f"The input is damaged or incomplete: {why}.", path)


def incomplete(what: str, where: object) -> InputError:
    """Return the error for a damaged file, to be replaced by a copy of the original."""
    remedy = "Copy or download it again and compare sizes and checksums with the original's."
    return InputError.of(what=what, where=where, remedy=remedy)


def too_large(path: Path) -> InputError:
    """Return the error for a packed file that unpacks to more than a matrix of counts can have."""
    size = path.stat().st_size
    return InputError.of(
        what=f"The {size:,} bytes of the file unpack to more than {unpacked_limit(size):,}: no "
        f"count matrix compresses to less than a {RATIO}th.",
        where=path,
        remedy="Get the file from its source again; if it is right, unpack it yourself and "
        "give the file inside.",
    )


def no_cells(path: Path) -> InputError:
    """Return the error for the output of a program that called no cell."""
    return InputError.of(
        what="The matrix holds 0 cells: none were called when it was made.",
        where=path,
        remedy="Give the unfiltered matrix (raw_feature_bc_matrix), or take the sample "
        "out of the samplesheet.",
    )
