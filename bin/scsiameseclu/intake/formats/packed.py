"""HDF5 that is packed with gzip, bzip2 or xz; text is unpacked while it is read."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from ...errors import InputError
from ..counts import Counts
from ._bytes import head, open_bytes, packing
from ._hdf5 import SIGNATURE

NAME = "packed HDF5"
ASKED = "general"


def recognizes(path: Path) -> bool:
    """Return whether the file is packed HDF5."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return packing(file.read(8)) is not None and head(path).startswith(SIGNATURE)


def read(path: Path) -> Counts:
    """Unpack into a folder that goes away again, and read that."""
    from . import read_matrix

    with TemporaryDirectory(prefix="unpacked_", dir=".") as folder:
        target = Path(folder, "unpacked.h5")
        with open_bytes(path) as packed, target.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked, 2**20)
        try:
            counts = read_matrix(target)
        except InputError as error:
            raise error.renamed({str(target): f"{path}, unpacked"}) from error
    counts.notes.insert(0, "The file was unpacked.")
    return counts
