"""Formats that only other programs can read: the message says how to convert them."""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable
from pathlib import Path

from ...errors import InputError
from ..counts import Counts
from ._bytes import head
from ._hdf5 import members

NAME = "another program's format"
_R_REMEDY = (
    "Convert it in R: zellkonverter::writeH5AD(Seurat::as.SingleCellExperiment(x), 'x.h5ad', X_name = 'counts'), "
    "or DropletUtils::write10xCounts('x', Seurat::GetAssayData(x, layer = 'counts'), version = '3')."
)
_R_STARTS = (b"X\n\0\0\0", b"A\n2\n", b"A\n3\n", b"B\n\x02\0", b"B\n\x03\0", b"RDX2\n", b"RDX3\n", b"RDA2\n", b"RDA3\n")
_UNPACK: dict[bytes, Callable[[bytes], bytes]] = {
    b"BZh": lambda packed: bz2.BZ2Decompressor().decompress(packed, 16),
    b"\xfd7zXZ": lambda packed: lzma.LZMADecompressor().decompress(packed, 16),
}


def recognizes(path: Path) -> bool:
    """Return whether there is a remedy to tell for `path`."""
    return path.is_file() and _remedy(path) is not None


def read(path: Path) -> Counts:
    """Refuse the file with the way to convert it."""
    what, remedy = _remedy(path) or ("", "")
    raise InputError.of(what=what, where=path, remedy=remedy)


def _remedy(path: Path) -> tuple[str, str] | None:
    start = head(path)
    for magic, unpack in _UNPACK.items():
        if start.startswith(magic):
            start = _start(unpack, start)
            if not start.startswith(_R_STARTS):
                return "The file is packed with bzip2 or xz.", "Unpack it (bunzip2, unxz) and give the file inside."
    if start.startswith(_R_STARTS):
        return "The file holds R objects (.rds or .RData), which only R can read.", _R_REMEDY
    if {"assays", "cell.names"} <= set(members(path)):
        return "The file is h5Seurat, which only R can read.", _R_REMEDY
    if start.startswith(b"BAM\1") or (start.startswith(b"@") and b"\n+" in start):
        return "The file holds reads, not counts.", "Count them first (Cell Ranger, STARsolo, kb, alevin-fry)."
    if path.name == "quants_tier_mat.gz":
        return "The file holds alevin's tiers, not counts.", "Give the folder, or quants_mat.gz beside it."
    return None


def _start(unpack: Callable[[bytes], bytes], packed: bytes) -> bytes:
    try:
        return unpack(packed)
    except (OSError, EOFError, lzma.LZMAError):
        return b""
