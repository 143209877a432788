"""Find count matrices below a folder by the readers of their formats.

Only headers and names are read. A search ends at :data:`MOST_FILES` files and :data:`DEEPEST`
folders below the first, follows each link once, and records what it could not search.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ..errors import InputError
from .estimate_memory import matrix_size
from .formats import (
    alevin,
    archive,
    foreign,
    h5ad,
    hdf5,
    matrix_market,
    mudata,
    rds,
    reader_of,
    tenx_hdf5,
    text,
)
from .formats._bytes import PASSED_ON, unreadable
from .formats._hdf5 import columns_of_text, members, opened
from .organism import Organism, infer_organism

if TYPE_CHECKING:
    from .formats import Reader

MOST_FILES = 100_000
DEEPEST = 12
LOOKED_FOR = (
    "MTX folders (Cell Ranger, STARsolo, kb, alevin-fry), 10x HDF5 (.h5), alevin's quants_mat.gz, "
    ".h5ad, .loom, and HDF5 with a matrix X"
)
_NO_COUNTS = re.compile(
    r"\.(fastq|fq|fasta|fa|gtf|gff3?|bam|bai|csi|sam|cram|c?bcl|tiff?|png|jpe?g|svg|pdf|html?|log"
    r"|json|ya?ml|toml|md|py|ipynb|r|rmd|sh|nf|config|cloupe|vloupe)(\.gz)?$",
    re.IGNORECASE,
)
"""Endings of files that are not opened: a run folder holds thousands of them."""
_TABLE = re.compile(r"\.(csv|tsv|txt)(\.gz)?$", re.IGNORECASE)
_INTERMEDIATE = re.compile(r"^SC_\w+_CS$|^_+|^[0-9a-f]{30}$")
"""Folders in which Cell Ranger and Nextflow keep the intermediate files of single tasks."""
_POOLS = ("all-sample", "all-well")
"""Folders in which Parse Biosciences' split-pipe keeps the matrices of all samples together."""
_OF_MATRIX = (matrix_market, alevin)
_UNOPENED = {archive: "an archive", rds: "an R object"}


@dataclass(frozen=True)
class Output:
    """A file or folder that :func:`~scsiameseclu.intake.read_matrix` reads.

    Parameters
    ----------
    path
        The file or folder.
    format
        The name of its format.
    shape
        Barcodes and genes by the header; None if that does not say.
    organism
        The organism that the names of the genes suggest.
    """

    path: Path
    format: str
    shape: tuple[int, int] | None
    organism: Organism


@dataclass
class Search:
    """What a search found, and what it skipped.

    Parameters
    ----------
    folder
        Where it began.
    outputs
        Count matrices, in the order of their paths.
    passed
        What looked like counts and was not taken, each with the reason.
    limits
        Where the search ended early or could not look.
    tables
        Tables of text, which are not taken: logs and summaries are tables as well.
    """

    folder: Path
    outputs: list[Output] = field(default_factory=list)
    passed: dict[Path, str] = field(default_factory=dict)
    limits: list[tuple[Path, str]] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    n_files: int = 0
    n_folders: int = 0


def find_outputs(folder: Path) -> Search:
    """Find all count matrices below a folder.

    Parameters
    ----------
    folder
        A folder that may be read.

    Returns
    -------
    What was found. Nothing is raised for a damaged file or a folder that cannot be read: they are
    in the account.
    """
    search = Search(folder)
    candidates = [
        found for where, files in _folders(search) for found in _outputs_in(search, where, files)
    ]
    seen: set[Path] = set()
    for found in sorted(candidates, key=lambda found: found.matrix.is_symlink()):
        with _accounting(search, found.path):
            _add(search, found, seen)
    search.outputs.sort(key=lambda output: output.path)
    _pass_pooled(search)
    return search


# --- the walk ---


def _folders(search: Search) -> Iterator[tuple[Path, list[Path]]]:
    """Yield each folder with its files; an output folder (such as zarr) counts as a file."""
    waiting, visited = [search.folder], {_identity(search.folder)}
    is_new = partial(_is_new, search, visited=visited)
    while waiting:
        where = waiting.pop()
        folders, files = _entries(search, where)
        search.n_folders += 1
        search.n_files += len(files)
        if search.n_files > MOST_FILES:
            why = f"the search ended here, after {MOST_FILES:,} files: search a smaller folder"
            search.limits.append((where, why))
            return
        yield where, files
        waiting += reversed([path for path in folders if is_new(path)])


def _entries(search: Search, where: Path) -> tuple[list[Path], list[Path]]:
    """Return folders and files, links last; hidden, empty and special files are left out."""
    folders: list[Path] = []
    files: list[Path] = []
    with _accounting(search, where), os.scandir(where) as entries:
        for entry in sorted(entries, key=lambda entry: (entry.is_symlink(), entry.name)):
            path = Path(entry.path)
            with _accounting(search, path):
                if entry.name.startswith("."):
                    continue
                if entry.is_symlink():
                    entry.stat()  # one that leads to nothing, or back to itself, is an error
                # A folder of a format of its own, such as a zarr store, is an output as a file is.
                if entry.is_dir() and reader_of(path) is matrix_market:
                    if not _INTERMEDIATE.search(entry.name):
                        folders.append(path)
                elif entry.is_dir() or (entry.is_file() and entry.stat().st_size > 0):
                    files.append(path)
    return folders, files


def _is_new(search: Search, path: Path, *, visited: set[tuple[int, int]]) -> bool:
    """Return whether to search a folder: not too deep, and not searched under another name."""
    with _accounting(search, path):
        identity = _identity(path)
        if len(path.relative_to(search.folder).parts) > DEEPEST:
            search.limits.append((path, f"more than {DEEPEST} folders deep"))
        elif identity in visited:
            search.limits.append((path, "a link to a folder that is searched already"))
        else:
            visited.add(identity)
            return True
    return False


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


@contextmanager
def _accounting(search: Search, path: Path) -> Iterator[None]:
    """Record a problem with a file or folder, and continue."""
    try:
        yield
    except InputError as error:
        search.passed[path] = _in_words(error)
    except OSError as error:
        reasons = {
            errno.ENOENT: "a link that leads to nothing",
            errno.ELOOP: "a link that leads back to itself",
        }
        why = reasons.get(error.errno or 0, f"it cannot be read: {error.strerror or error}")
        search.limits.append((path, why))
    except PASSED_ON:
        raise
    except Exception as error:  # on damaged bytes libraries fail in any way they like
        search.passed[path] = _in_words(unreadable(path, error))


def _in_words(error: InputError) -> str:
    return " ".join(text for problem in error.problems for text in (problem.what, problem.remedy))


# --- content of a folder ---


@dataclass(frozen=True)
class _Candidate:
    path: Path
    matrix: Path
    """The file of counts: `path`, or in it."""
    reader: Reader


def _outputs_in(search: Search, where: Path, files: list[Path]) -> Iterator[_Candidate]:
    """Yield the outputs of a folder: the folder for the one matrix in it, else its files."""
    readers = {path: reader for path in files if (reader := _reader(search, path))}
    parts = {path: reader for path, reader in readers.items() if reader in _OF_MATRIX}
    whole = [path for path, reader in readers.items() if reader in (*_OF_MATRIX, tenx_hdf5)]
    matrix = _read_of(where, whole) if parts else None
    if matrix in parts:
        yield _Candidate(where, matrix, parts[matrix])
        readers = {path: reader for path, reader in readers.items() if path not in parts}
    yield from (_Candidate(path, path, reader) for path, reader in readers.items())
    if not parts:
        others = (path for path in files if path not in readers)
        search.tables += [path for path in others if _TABLE.search(path.name)]


def _read_of(where: Path, files: list[Path]) -> Path | None:
    """Return which file is read if the folder is given; None if it would be rejected."""
    try:
        return matrix_market.choose_matrix(where, files)[0][0]
    except InputError:  # it holds those of several samples
        return None


def _reader(search: Search, path: Path) -> Reader | None:
    """Return the reader of a file of counts; record why a similar file is rejected."""
    if _NO_COUNTS.search(path.name):
        return None
    with _accounting(search, path):
        reader = reader_of(path)
        if reader is foreign:
            foreign.read(path)  # rejects it, with the way to convert it
        if reader in _UNOPENED:
            remedy = "which is not opened here; if it holds counts, write it into the sheet"
            search.passed[path] = f"{_UNOPENED[reader]}, {remedy}"
        elif reader in (h5ad, mudata) and _is_ours(path):
            search.passed[path] = "a result of this pipeline"
        elif reader is not text and not (reader is hdf5 and "X" not in members(path)):
            return reader
    return None


def _is_ours(path: Path) -> bool:
    keys = [f"{where}/uns" for where in ("", "mod/rna")]
    with opened(path) as file:
        return any(f"{key}/{name}" in file for key in keys for name in ("scsiameseclu", "settings"))


def _add(search: Search, found: _Candidate, seen: set[Path]) -> None:
    real = found.matrix.resolve()
    if real in seen:
        search.passed[found.path] = "another link to a file that was found already"
        return
    seen.add(real)
    shape, columns = _header(found)
    search.outputs.append(Output(found.path, found.reader.NAME, shape, _organism(columns)))


def _header(found: _Candidate) -> tuple[tuple[int, int] | None, list[list[str]]]:
    """Return barcodes and genes by the header, and columns of names, some of genes."""
    if found.reader is alevin:
        barcodes, genes = alevin.names(found.matrix)
        return (len(barcodes), len(genes)), [genes]
    size = matrix_size(found.matrix)
    if size is None:
        return None, []
    if found.reader is matrix_market:
        columns = matrix_market.genes(found.matrix)
    else:
        columns = columns_of_text(found.matrix, size.n_genes)
    return (size.n_barcodes, size.n_genes), columns


def _organism(columns: list[list[str]]) -> Organism:
    """Return the organism by the first column of known ids, else by the first that shows one."""
    tables = (pd.DataFrame({"gene_ids": names, "gene_symbols": names}) for names in columns)
    shown = [organism for table in tables if (organism := infer_organism(table)).found]
    by_id = [organism for organism in shown if "by id" in organism.evidence]
    return next(iter([*by_id, *shown]), Organism(None))


def _pass_pooled(search: Search) -> None:
    """Skip pooled matrices, which Cell Ranger and split-pipe write in addition to the samples'."""
    folders = {
        folder for output in search.outputs for folder in (output.path, *output.path.parents)
    }
    of_ranger = {folder.parent for folder in folders if folder.name == "per_sample_outs"}
    of_parse = {
        folder.parents[1]
        for folder in folders
        if folder.name.startswith("DGE") and folder.parent.name not in _POOLS
    }
    for output in list(search.outputs):
        above = output.path.parents
        beside = {above[0], *(folder.parent for folder in above if folder.name == "multi")}
        pools = {folder.parent for folder in above if folder.name in _POOLS}
        if of_ranger & beside or of_parse & pools:
            search.outputs.remove(output)
            search.passed[output.path] = (
                "all samples of a multiplexed run together; each has its own matrix"
            )
