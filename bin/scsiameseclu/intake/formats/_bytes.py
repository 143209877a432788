"""Files looked at by their first bytes, unpacked on the way where they are gzipped."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from ...errors import InputError, quoted

GZIP = b"\x1f\x8b"
HEAD = 65536


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading its bytes; those of a gzipped file, whatever its name, are unpacked."""
    with path.open("rb") as file:
        zipped = file.read(2) == GZIP
    return cast("BinaryIO", gzip.open(path, "rb")) if zipped else path.open("rb")


def open_text(path: Path) -> TextIO:
    """Open a file, gzipped or not, as UTF-8 text with or without a byte order mark and any kind of line ends."""
    return io.TextIOWrapper(io.BufferedReader(cast("io.RawIOBase", open_bytes(path)), HEAD), encoding="utf-8-sig")


def head(path: Path) -> bytes:
    """Return the first bytes of a file, unpacked as far as they can be; packed if they cannot."""
    with path.open("rb") as file:
        start = file.read(HEAD)
    if not start.startswith(GZIP):
        return start
    try:
        return zlib.decompressobj(wbits=31).decompress(start, HEAD)
    except zlib.error:
        return start


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


def damaged(path: Path, error: Exception | str) -> InputError:
    """Return the error for a file that ends early or does not unpack."""
    return InputError.of(
        what=f"The file is damaged or incomplete: {quoted(error, length=200)}.",
        where=path,
        remedy="Copy or download it again and compare sizes and checksums with the original's.",
    )
