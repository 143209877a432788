"""Zip and tar archives of a folder or file that could be read unpacked."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from ...errors import InputError, quoted
from ..counts import Counts

NAME = "archive"
LARGEST = 2**38
"""Bytes unpacked, at most: an archive that promises more is not one of counts."""
_ZIP = b"PK"


def recognizes(path: Path) -> bool:
    """Return whether the file is zip or tar, gzipped or not, even a broken zip."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(4)
    return start[:2] == _ZIP or _is_tar(path)


def read(path: Path) -> Counts:
    """Unpack into a folder that goes away again, and read that."""
    from . import read_matrix

    with TemporaryDirectory(prefix="unpacked_", dir=".") as folder:
        (_unpack_tar if _is_tar(path) else _unpack_zip)(path, Path(folder))
        inside = [item for item in Path(folder).iterdir() if not item.name.startswith((".", "__MACOSX"))]
        if not inside:
            raise InputError.of(
                what="The archive is empty.", where=path, remedy="Pack it again, or give the folder itself."
            )
        target = inside[0] if len(inside) == 1 else Path(folder)
        if recognizes(target):  # or an archive made to hold itself would never end
            raise InputError.of(
                what="The archive holds an archive.", where=path, remedy="Unpack it once and give that."
            )
        try:
            counts = read_matrix(target)
        except InputError as error:
            where = f"{path}, unpacked"
            raise InputError.of(what=error.problems[0].what, where=where, remedy=error.problems[0].remedy) from error
    counts.notes.insert(0, "The archive was unpacked.")
    return counts


def _is_tar(path: Path) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except (OSError, EOFError, ValueError):  # begins like gzip, is none
        return False


def _unpack_tar(path: Path, folder: Path) -> None:
    try:
        with tarfile.open(path) as archive:
            _check_size(path, sum(member.size for member in archive.getmembers()))
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise _broken(path, error) from error


def _unpack_zip(path: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "[Content_Types].xml" in names:
                raise InputError.of(
                    what="The file is a spreadsheet.",
                    where=path,
                    remedy="Save the sheet as CSV (UTF-8) and give that file.",
                )
            _check_size(path, sum(member.file_size for member in archive.infolist()))
            archive.extractall(folder)  # drops .. and leading slashes
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise _broken(path, error) from error


def _check_size(path: Path, size: int) -> None:
    if size > LARGEST:
        raise InputError.of(
            what=f"The archive unpacks to {size} bytes, more than a matrix of counts has.",
            where=path,
            remedy="Unpack it yourself and give the folder or file with the counts.",
        )


def _broken(path: Path, error: Exception) -> InputError:
    return InputError.of(
        what=f"The archive is damaged: {quoted(error, length=200)}.",
        where=path,
        remedy="Copy or download it again, or give the unpacked folder.",
    )
