"""Zip and tar archives of a folder or file that could be read unpacked."""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from ...errors import InputError, quoted
from ..counts import Counts
from ._bytes import is_tar, open_bytes, too_large, unpacked_limit

NAME = "archive"
ASKED = "general"
ENDINGS = ("zip", "tar")
MOST = 200_000
"""Files in an archive at most."""
_ZIP = b"PK"
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, EOFError, ValueError, RuntimeError)
_BLOCK = 2**20
_LONGEST = 200
"""Bytes of a file's name that are kept, from its end: all that counts is there."""
_DEEPEST = 12
_NOT_DATA = re.compile(r"\._.*|__MACOSX|\.DS_Store|Thumbs\.db")
"""Files that desktop systems add."""


def recognizes(path: Path) -> bool:
    """Return whether the file is zip or tar, packed or not, even a broken zip."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(4)
    return start[:2] == _ZIP or is_tar(path)


def read(path: Path) -> Counts:
    """Unpack into a folder that goes away again, and read that."""
    from . import read_matrix

    with TemporaryDirectory(prefix="unpacked_", dir=".") as folder:
        n_left_out = _unpack(path, Path(folder))
        target = _inside(path, Path(folder), n_left_out)
        try:
            counts = read_matrix(target)
        except InputError as error:
            raise _of_archive(path, error) from error
    note = "The archive was unpacked."
    if n_left_out:
        note += f" Entries other than regular files, such as links, were left out: {n_left_out}."
    counts.notes.insert(0, note)
    return counts


def _inside(path: Path, folder: Path, n_left_out: int) -> Path:
    """Return what to read of an unpacked archive: its one file or folder, or all of it."""
    inside = list(folder.iterdir())
    if not inside:
        links = f": it holds no files, only {n_left_out} links" if n_left_out else ""
        raise InputError.of(
            what=f"The archive is empty{links}.",
            where=path,
            remedy="Pack the files again, or give the folder itself.",
        )
    target = folder
    while target.is_dir() and len(inside := list(target.iterdir())) == 1:
        target = inside[0]
    inside = [target] if target.is_file() else inside
    archives = [quoted(item.name) for item in inside if recognizes(item)]
    if len(archives) == len(inside):  # or an archive made to hold itself would never end
        raise InputError.of(
            what=f"The archive holds an archive: {', '.join(archives[:12])}.",
            where=path,
            remedy="Unpack it once and give what is inside, each in a row of its own "
            "if there are several.",
        )
    return target


def _of_archive(path: Path, error: InputError) -> InputError:
    """Return an error about the content, whose paths exist once the user has unpacked it."""
    problem = error.problems[0]
    remedy = problem.remedy
    if remedy.startswith("Give"):
        remedy = f"Unpack the archive, and give{remedy.removeprefix('Give')}"
    return InputError.of(what=problem.what, where=f"{path}, unpacked", remedy=remedy)


# --- unpacking: regular files only, one by one, each under a name of ours ---


def _unpack(path: Path, folder: Path) -> int:
    """Write the files of an archive into an empty folder; return how many others it holds."""
    left = unpacked_limit(path.stat().st_size)
    n_left_out = 0
    try:
        for number, (name, content) in enumerate(_tar(path) if is_tar(path) else _zip(path)):
            if number >= MOST:
                raise _refused(path, f"it holds more than {MOST:,} files")
            parts = _parts(name)
            if content is None:
                n_left_out += 1
            elif parts:
                left -= _write(path, content, folder.joinpath(*parts), left)
    except _BROKEN as error:
        raise _refused(path, error) from error
    return n_left_out


def _tar(path: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Yield the files of a tar archive in their order; links and devices without content."""
    with open_bytes(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            if ".." in member.name.split("/"):
                raise _refused(path, f"the name {quoted(member.name)} leads out of it")
            if member.isreg():
                yield member.name, archive.extractfile(member)
            elif not member.isdir():
                yield member.name, None


def _zip(path: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Yield the files of a zip archive; links in it are files that hold a path, and no matrix."""
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        if "[Content_Types].xml" in names:
            raise InputError.of(
                what="The file is a spreadsheet.",
                where=path,
                remedy="Save the sheet as CSV (UTF-8) and give that file.",
            )
        if names and all(name.endswith(".npy") for name in names):
            raise InputError.of(
                what="The file holds NumPy's arrays (.npz), which have no "
                "names of cells and genes.",
                where=path,
                remedy="Write them as .h5ad: anndata.AnnData(scipy.sparse.load_npz(x)) with "
                "obs_names and var_names.",
            )
        for member in archive.infolist():
            if not member.is_dir():
                yield member.filename, archive.open(member)


def _parts(name: str) -> list[str]:
    """Return the folders and name under which a file is written; [] if it holds no data."""
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".", "..")]
    if any(_NOT_DATA.fullmatch(part) for part in parts):
        return []
    return [_safe(part) for part in parts[-_DEEPEST:]]


def _safe(name: str) -> str:
    printable = "".join(character if character.isprintable() else "_" for character in name)
    return printable.encode()[-_LONGEST:].decode(errors="ignore")


def _write(path: Path, content: IO[bytes], target: Path, left: int) -> int:
    """Write a file of an archive and return its size, which may be `left` at most."""
    if target.exists():
        raise _refused(path, f"it holds two files called {quoted(target.name)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with content, target.open("xb") as file:
        while block := content.read(_BLOCK):
            size += len(block)
            if size > left:
                raise too_large(path)
            file.write(block)
    return size


def _refused(path: Path, error: Exception | str) -> InputError:
    return InputError.of(
        what=f"The archive is damaged or cannot be unpacked safely: {quoted(error, length=200)}.",
        where=path,
        remedy="Copy or download it again, or unpack it yourself and give the folder or "
        "file with the counts.",
    )
