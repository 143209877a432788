"""Matrix Market with lists of barcodes and genes.

Cell Ranger 2 and 3, STARsolo, kb and alevin(-fry) write it.

The matrix is recognised by its content. The lists of barcodes and genes are recognised only by
their file names. Their numbers of lines must fit the matrix, and show whether it is genes x cells
or, from kb, cells x genes.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from scipy import sparse
from scipy.io import mmread
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ...errors import InputError, quoted
from ..counts import Counts, add, check_sum, compact, inconsistent, repeated, total
from ..names import are_ids, ids_and_symbols
from . import alevin, h5ad, loom, mudata, packed, tenx_hdf5, zarr_store
from ._bytes import RATIO, damaged, head, lines, no_cells, open_bytes, packing
from ._hdf5 import check_shape, is_hdf5, members
from ._names import Names

NAME = "Matrix Market folder"
ASKED = "general"
ENDINGS = ("mtx",)
BANNER = b"%%MatrixMarket"
DEPTH = 5
"""Folders are searched this deep:
``outs/per_sample_outs/<sample>/count/sample_filtered_feature_bc_matrix/``."""
_ROLES = {
    "matrix": {"matrix"},
    "barcodes": {"barcodes", "barcode", "cells", "rows"},
    "genes": {"features", "genes", "gene", "feature", "cols"},
}
_SUMS = ({"total"}, {"cell", "nucleus"})
"""What kb's ``--sum`` calls the matrix that it adds up from those of ``--workflow nac``: the one
that was asked for."""
_PARTS = {"mature", "nascent", "ambiguous"}
_PARSE = {
    "cell_metadata": "barcodes",
    "all_genes": "genes",
    "count_matrix": "matrix",
    "dge.mtx": "matrix.mtx",
}
"""What Parse Biosciences' split-pipe calls the three files."""
_PACKED = (".gz", ".bz2", ".xz")
_ENDINGS = {"gz", "bz2", "xz", "tsv", "txt", "csv", "mtx"}
_LISTING = 12
_BLOCK = 2**20
_ROOM = 2**24
"""Bytes of text that a small packed file may hold in any case."""


def recognizes(path: Path) -> bool:
    """Return whether `path` is a folder, or a file that begins like Matrix Market."""
    return path.is_dir() or _is_matrix_market(path)


def read(path: Path) -> Counts:
    """Read a matrix, or the one matrix in a folder (or kb's three parts), with its names."""
    from . import read_matrix

    (matrix, *parts), others = find_matrices(path) if path.is_dir() else ([path], 0)
    if _is_matrix_market(matrix) or _is_named(matrix):
        counts = _read_with_names(matrix)
    else:
        counts = read_matrix(matrix)
    if path.is_dir() and (others or matrix.parent != path):
        read = ", ".join(quoted(file.relative_to(path)) for file in (matrix, *parts))
        counts.notes.insert(0, f"{read} was read; other matrices there: {others}.")
    if parts:
        _add_parts(counts, parts)
    return counts


def _is_matrix_market(path: Path) -> bool:
    return path.is_file() and head(path)[: len(BANNER)].lower() == BANNER.lower()


# --- finding the matrix in a folder ---


def find_matrices(folder: Path) -> tuple[list[Path], int]:
    """Return a folder's matrix that is read, or kb's three parts, and the number of others."""
    return choose_matrix(folder, list(_matrices(folder)))


def choose_matrix(folder: Path, files: list[Path]) -> tuple[list[Path], int]:
    """Return the same of a folder for which `files` are all of its matrices."""
    found = [path for path in files if not (_is_container(path) or _has_twin(path))]
    found = found or [path for path in files if not _has_twin(path)]
    # Cell Ranger writes the same as .h5 and as folder, alevin as text and in binary.
    for prefer in (
        *(
            _is_of_features,
            lambda path: path.parent == folder,
            _is_called_matrix,
            _is_of_genes,
            _is_filtered(folder),
        ),
        *(_is_kb_sum(kinds) for kinds in _SUMS),
        *(is_hdf5, _is_matrix_market),
    ):
        found = [path for path in found if prefer(path)] or found
    if len(found) == 1 or _are_parts(found):
        return found, len(files) - len(found)
    raise _several(folder, found) if found else _none(folder)


def _matrices(folder: Path) -> Iterator[Path]:
    # Does not follow links, which may lead in a circle.
    for where, folders, files in os.walk(folder, onerror=_refuse):
        depth = len(Path(where).relative_to(folder).parts)
        stores = [name for name in sorted(folders) if zarr_store.recognizes(Path(where, name))]
        yield from (Path(where, name) for name in stores)
        folders[:] = sorted(set(folders).difference(stores)) if depth < DEPTH else []
        for path in (Path(where, name) for name in sorted(files) if not name.startswith("._")):
            # One that is damaged shall be reported as such.
            if path.is_file() and (_is_named(path) or _is_some_matrix(path)):
                yield path


def _is_named(path: Path) -> bool:
    """Return whether a file is Matrix Market by its name."""
    return _unpacked_name(path).endswith(".mtx")


def _is_some_matrix(path: Path) -> bool:
    if is_hdf5(path):
        return tenx_hdf5.recognizes(path) or _is_container(path)
    return _is_matrix_market(path) or alevin.recognizes(path) or packed.recognizes(path)


def _is_container(path: Path) -> bool:
    """Return whether this is read only if there is no Matrix Market or 10x HDF5."""
    if not is_hdf5(path):
        return path.is_dir() or packed.recognizes(path)
    if tenx_hdf5.recognizes(path):
        return False
    return any(known.recognizes(path) for known in (h5ad, mudata, loom)) or "X" in members(path)


def _has_twin(path: Path) -> bool:
    """Return whether a packed file is also there unpacked, as left by gunzip -k."""
    plain = path.with_name(_unpacked_name(path))
    if plain == path or not plain.is_file():
        return False
    try:
        with open_bytes(path) as one, open_bytes(plain) as other:
            while (block := one.read(_BLOCK)) == other.read(_BLOCK):
                if not block:
                    return True
    except (OSError, EOFError, InputError):
        pass
    return False


def _unpacked_name(path: Path) -> str:
    return path.name.removesuffix(path.suffix) if path.suffix in _PACKED else path.name


def _refuse(error: OSError) -> None:
    raise InputError.of(
        what=f"A folder cannot be read: {error.strerror}.",
        where=error.filename,
        remedy="Give read permission (chmod -R u+rX) to the user who runs the pipeline.",
    )


def preference(path: Path, folder: Path) -> tuple[bool, ...]:
    """Return the sort key by which one of a sample's several outputs below `folder` is chosen."""
    is_filtered = _is_filtered(folder)(path)
    return not _is_of_features(path), not _is_of_genes(path), not is_filtered, not is_hdf5(path)


def _is_of_features(path: Path) -> bool:
    # Of 10x Flex and Visium, Cell Ranger also writes the counts of single probes.
    return "probe" not in _words(path.name)


def _is_called_matrix(path: Path) -> bool:
    # STARsolo writes UniqueAndMult-*.mtx next to matrix.mtx.
    return "matrix" in _words(path.name) or is_hdf5(path)


def _is_of_genes(path: Path) -> bool:
    # STARsolo counts the same reads over genes, whole genes with introns, and splice junctions.
    return "Gene" in path.parts[-3:-1]


def _is_filtered(folder: Path) -> Callable[[Path], bool]:
    # What the folders above are called does not count.
    return lambda path: any(
        "filtered" in part and "unfiltered" not in part for part in path.relative_to(folder).parts
    )


def _kb_kind(path: Path) -> str:
    """Return the kind of ``cells_x_genes.<kind>.mtx``, empty for another file."""
    *_, cells, x, genes, kind = ["", "", "", *_words(path.name)]
    return kind if (cells, x, genes) == ("cells", "x", "genes") else ""


def _is_kb_sum(kinds: set[str]) -> Callable[[Path], bool]:
    return lambda path: _kb_kind(path) in kinds


def _are_parts(found: list[Path]) -> bool:
    """Return whether these are the mature, nascent and ambiguous counts of one run of kb."""
    runs = {(path.parent, *_words(path.name)[:-1]) for path in found}
    return len(runs) == 1 and sorted(map(_kb_kind, found)) == sorted(_PARTS)


def _several(folder: Path, found: list[Path]) -> InputError:
    listing = ", ".join(quoted(path.relative_to(folder)) for path in found[:_LISTING])
    return InputError.of(
        what=f"The folder holds {len(found)} matrices: "
        f"{listing}{' …' if len(found) > _LISTING else ''}.",
        where=folder,
        remedy="Give the path of the one you mean; if you mean several, give each its own row.",
    )


def _none(folder: Path) -> InputError:
    names = sorted(path.name + ("/" if path.is_dir() else "") for path in folder.iterdir())
    listing = ", ".join(quoted(name) for name in names[:_LISTING]) or "nothing"
    return InputError.of(
        what="The folder holds no matrix: looked for matrix.mtx(.gz) with barcodes and features "
        "(genes), 10x HDF5, .h5ad, .loom and zarr, also in its sub-folders; there is "
        f"{listing}{' …' if len(names) > _LISTING else ''}.",
        where=folder,
        remedy="Give the folder that Cell Ranger, STARsolo or kb wrote, such as "
        "filtered_feature_bc_matrix; or, if a table in it holds the counts, "
        "the path of that file.",
    )


# --- the names of the matrix ---


def _read_with_names(path: Path) -> Counts:
    stored = _entries(path)
    barcodes, barcode_note = _companion(path, "barcodes", stored.shape)
    genes, gene_note = _companion(path, "genes", stored.shape)
    cells, features = _fitting(path, stored.shape, Names.of(barcodes), Names.of(genes))
    n_cells, n_genes = len(cells), len(features)
    cells_first = stored.shape == (n_cells, n_genes) and (
        n_cells != n_genes or _is_cells_first(barcodes)
    )
    notes = [note for note in (barcode_note, gene_note, cells.note(), features.note()) if note]
    if cells_first:
        notes.append("The matrix is cells x genes, as kb and alevin-fry write it.")
    matrix = _to_csr(stored if cells_first else stored.T, path, notes)
    ids, symbols = _ids_and_symbols(features)
    names, *_ = cells.columns()
    counts = Counts(
        matrix, names, ids, symbols, NAME, source=path.name, columns=cells.table(), notes=notes
    )
    types = features.types()
    if types:
        counts.keep_genes(types, path)
    _add_up_splicing(counts)
    return counts


def _fitting(path: Path, shape: tuple[int, int], cells: Names, genes: Names) -> tuple[Names, Names]:
    """Return the lists of names, with their first lines or without, as they fit the matrix."""
    for some_cells in cells.readings():
        for some_genes in genes.readings():
            if shape in ((len(some_cells), len(some_genes)), (len(some_genes), len(some_cells))):
                if not len(some_cells) and len(some_genes):
                    raise no_cells(path)
                return some_cells, some_genes
    remedy = (
        "Give the three files as one program wrote them together; these do not "
        "belong to each other."
    )
    for names in (cells, genes):
        if len(names) - 1 in shape and len(names) not in shape:
            first = quoted(" ".join(names.rows[0]))
            remedy = (
                f"If the first line of {quoted(names.path.name)} ({first}) is a header, take "
                f"it out. Else: {remedy}"
            )
    raise InputError.of(
        what=f"The matrix is {shape[0]} x {shape[1]}, but {quoted(genes.path.name)} lists "
        f"{len(genes)} genes and {quoted(cells.path.name)} {len(cells)} barcodes.",
        where=path,
        remedy=remedy,
    )


def _add_parts(counts: Counts, parts: list[Path]) -> None:
    """Add the counts of `parts`, over the same barcodes and genes, to those of the first."""
    sums = {counts.source: total(counts.matrix)}
    for path in parts:
        part = _read_with_names(path)
        if (part.barcodes, part.gene_ids) != (counts.barcodes, counts.gene_ids):
            raise damaged(path, f"its barcodes or genes are not those of {counts.source}")
        sums[path.name] = total(part.matrix)
        counts.matrix = add(counts.matrix, part.matrix, path)
    added = ", ".join(f"{quoted(name)} {count:,.0f}" for name, count in sums.items())
    counts.notes.append(
        f"kb's nac workflow: mature, nascent and ambiguous counts were added up ({added}). If "
        "others are meant, give the path of one file, or run kb with --sum."
    )


def _add_up_splicing(counts: Counts) -> None:
    """Sum each gene's three rows of alevin-fry's USA mode.

    They are spliced, unspliced (``-U``) and ambiguous (``-A``).
    """
    n_genes, rest = divmod(len(counts.gene_ids), 3)
    names = counts.gene_ids[:n_genes]
    if (
        rest
        or not names
        or counts.gene_ids[n_genes:] != [f"{name}{end}" for end in ("-U", "-A") for name in names]
    ):
        return
    unspliced = total(counts.matrix[:, n_genes : 2 * n_genes])
    counts.matrix = counts.matrix[:, :n_genes] + counts.matrix[:, 2 * n_genes :]
    counts.gene_ids, counts.gene_symbols = names, counts.gene_symbols[:n_genes]
    counts.notes.append(
        f"alevin-fry's USA mode: spliced and ambiguous counts were added up, {unspliced:,.0f} "
        "unspliced ones left out."
    )


def _is_cells_first(barcodes: Path) -> bool:
    # As many cells as genes: only kb and alevin-fry write cells x genes, and they have file names
    # of their own.
    return barcodes.name.removesuffix(".gz").endswith(("barcodes.txt", "rows.txt"))


def _ids_and_symbols(genes: Names) -> tuple[list[str], list[str]]:
    first, *others = genes.columns()
    by_name = ids_and_symbols(first, genes.by_name())
    if genes.header and (by_name[0] != by_name[1] or not others):
        return by_name
    if others and any(others[0]):
        swapped = are_ids(others[0]) and not are_ids(first)
        return (others[0], first) if swapped else (first, others[0])
    beside = [
        file
        for file in genes.path.parent.iterdir()
        if _key(file.name) == _key(genes.path.name) and "names" in _words(file.name)
    ]
    symbols = lines(beside[0]) if len(beside) == 1 else []
    columns = {"gene_symbols": symbols} if len(symbols) == len(first) else {}
    return ids_and_symbols(first, columns)


def _words(name: str) -> list[str]:
    name = name.lower()
    for theirs, ours in _PARSE.items():
        name = name.replace(theirs, ours)
    return [word for word in re.split(r"[._\- ]+", name) if word and word not in _ENDINGS]


def _role(name: str) -> str | None:
    for word in reversed([word for word in _words(name) if word != "names"]):
        for role, words in _ROLES.items():
            if word in words:
                return role
    return None


def _key(name: str) -> tuple[str, ...]:
    """Return a name without ending and role: the prefix that a matrix shares with its names."""
    words = [word for word in _words(name) if word != "names"]
    is_matrix = name.removesuffix(".gz").endswith(".mtx")
    roles = _ROLES["matrix"] if is_matrix else set.union(*_ROLES.values())
    for place in reversed(range(len(words))):
        if words[place] in roles:
            return tuple(words[:place] + words[place + 1 :])
    return tuple(words)


def _companion(matrix: Path, role: str, shape: tuple[int, ...]) -> tuple[Path, str]:
    """Find the list of barcodes or genes that belongs to a matrix, and the note on the choice."""
    folders = dict.fromkeys([matrix.parent, matrix.resolve().parent])
    files = [path for folder in folders for path in sorted(folder.iterdir()) if path.is_file()]
    lists = (path for path in files if _role(path.name) == role and _is_list(path))
    found = [path for path in lists if not _has_twin(path)]
    same_prefix = [path for path in found if _key(path.name) == _key(matrix.name)]
    same_words = [path for path in found if set(_words(path.name)) == set(_words(matrix.name))]
    for chosen in (same_prefix, same_words, found):
        fitting = _as_long_as(chosen, shape)
        if len({path.name for path in fitting}) == 1:
            note = f"{role.capitalize()} were taken from {quoted(fitting[0].name)}."
            return fitting[0], "" if chosen is same_prefix else note
        # genes.tsv and features.tsv: the newer.
        if len(fitting) > 1 and chosen is same_prefix and role == "genes":
            newer = [path for path in fitting if "features" in _words(path.name)]
            if newer:
                return newer[0], f"Genes were taken from {quoted(newer[0].name)}."
    raise _no_companion(matrix, role, found)


def _is_list(path: Path) -> bool:
    others = (".mtx", ".h5ad", ".h5mu", ".h5", ".loom", ".bam")
    is_other = path.name.startswith("._") or _unpacked_name(path).endswith(others)
    return not is_other and "names" not in _words(path.name)


def _as_long_as(chosen: list[Path], shape: tuple[int, ...]) -> list[Path]:
    """Return the one file there is, or those as long as the matrix, or one line longer."""
    if len(chosen) < 2:
        return chosen
    lengths = {path: len(lines(path)) for path in chosen}
    fitting = [path for path in chosen if lengths[path] in shape]
    return fitting or [path for path in chosen if lengths[path] - 1 in shape]


def _no_companion(matrix: Path, role: str, found: list[Path]) -> InputError:
    usual = "barcodes.tsv(.gz)" if role == "barcodes" else "features.tsv(.gz) or genes.tsv(.gz)"
    listing = ", ".join(quoted(path.name) for path in found[:_LISTING])
    seen = "there is none"
    remedy = (
        f"Put {usual} beside the matrix, with the same prefix, and give the folder, "
        "not the matrix alone."
    )
    if found:
        seen = f"several could be it: {listing}"
        remedy = (
            "Leave only the one in the folder that belongs to the matrix, or give it the same "
            "prefix as the matrix."
        )
    what = (
        f"The list of {role} that belongs to {quoted(matrix.name)} cannot be identified ({seen})."
    )
    return InputError.of(what=what, where=matrix, remedy=remedy)


def genes(path: Path) -> list[list[str]]:
    """Return the columns of the list of genes of a matrix, without reading the matrix."""
    shape = tuple(map(int, _size_line(head(path).decode(errors="replace"))[:2]))
    return Names.of(_companion(path, "genes", shape)[0]).columns()


# --- the matrix itself ---


def _entries(path: Path) -> sparse.coo_matrix:
    _check_header(path)
    try:
        with open_bytes(path) as stream, threadpool_limits(limits=1):
            quiet = _Quiet(stream)
            matrix = mmread(quiet)
            quiet.tell_error()
    except (ValueError, OSError, EOFError, OverflowError, TypeError, RuntimeError) as error:
        raise damaged(path, error) from error
    matrix = sparse.coo_matrix(matrix)
    matrix.data = compact(matrix).data
    return matrix


class _Quiet:
    """A stream that ends with a line, or where it cannot be read.

    An exception in the middle of compiled code aborts Python, and so does a last line with anything
    after its number.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._error: Exception | None = None
        self._last = b"\n"

    def read(self, size: int = -1) -> bytes:
        try:
            block = self._stream.read(size)
        except (OSError, EOFError, InputError) as error:
            self._error = error
            block = b""
        if not block and self._last != b"\n":
            block = b"\n"
        self._last = block[-1:] or self._last
        return block

    def tell_error(self) -> None:
        if isinstance(self._error, InputError):
            raise self._error
        if self._error is not None:
            raise OSError(str(self._error))


def _check_header(path: Path) -> None:
    """Refuse a header that promises more than the file can hold, before memory is asked for."""
    text = head(path).decode(errors="replace")
    banner = text.partition("\n")[0].split()
    if not _is_matrix_market(path):
        raise damaged(path, f"it does not begin with {BANNER.decode()}")
    if "complex" in banner or (len(banner) > 4 and banner[4] != "general"):
        raise InputError.of(
            what=f"The Matrix Market file is not a count matrix: {quoted(' '.join(banner))}.",
            where=path,
            remedy="Give a general matrix of integers.",
        )
    sizes = _size_line(text)
    size = path.stat().st_size
    with path.open("rb") as file:
        room = max(RATIO * size, _ROOM) if packing(file.read(8)) else size
    # A line is "0" or, of a pattern, "1 1" at least.
    limit = room // (2 if "array" in banner else 4)
    numbers = [int(size) if size.isdecimal() and len(size) < 19 else limit + 1 for size in sizes]
    # A dense matrix writes every entry.
    stored = numbers[2] if len(numbers) == 3 else math.prod(numbers)
    if len(numbers) not in (2, 3) or stored > limit:
        what = f"The line of sizes is {quoted(' '.join(sizes))}, which the file cannot hold."
        raise inconsistent(what, path)
    check_shape((numbers[0], numbers[1]), path)


def _size_line(text: str) -> list[str]:
    lines = (line for line in text.splitlines()[1:] if line.strip() and not line.startswith("%"))
    return next(lines, "").split()


def sizes(path: Path) -> tuple[int, int, int]:
    """Return barcodes, genes and stored counts by a matrix' header.

    The length of the list of genes shows which are which; in doubt, whether the matrix has a name
    that kb or alevin give.
    """
    n_rows, n_columns, n_stored = map(int, _size_line(head(path).decode(errors="replace")))
    lengths: set[int] = set()
    with suppress(InputError):  # without the list: the step that reads the matrix reports it
        listed = Names.of(_companion(path, "genes", (n_rows, n_columns))[0])
        lengths = {len(names) for names in listed.readings()}
    cells_first = bool({"cells", "quants"} & set(_words(path.name)))
    if (n_rows in lengths) != (n_columns in lengths):
        cells_first = n_columns in lengths
    return (n_rows, n_columns, n_stored) if cells_first else (n_columns, n_rows, n_stored)


def _to_csr(matrix: sparse.coo_matrix, path: Path, notes: list[str]) -> sparse.csr_matrix:
    """Convert, adding up duplicate entries, but never past the largest integer."""
    converted = matrix.tocsr()
    if n_repeated := matrix.nnz - converted.nnz:
        notes += repeated(n_repeated)
        check_sum(converted, total(matrix), path)
    return converted
