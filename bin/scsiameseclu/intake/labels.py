"""Gold labels, for scoring only: they travel in tables of their own, past the clustering."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..contracts import cell_names
from ..errors import InputError, listed, quoted
from ..files import read_table
from .counts import Counts
from .formats._bytes import lines
from .names import CELL_COLUMNS, key, unique

BARCODE_HEADERS = frozenset(("", "index", *map(key, CELL_COLUMNS)))
"""What a column of barcodes is called, as :func:`~scsiameseclu.intake.names.key` returns it."""
LABEL_HEADERS = ("label", "labels", "celltype")
"""The same of labels, in order of preference."""
LABELS_SUFFIX = ".labels.tsv"
"""What the name of a sample's table of labels has after the sample."""


def gold_labels(
    counts: Counts, path: Path, *, column: str | None = None, labels_file: Path | None = None
) -> pd.DataFrame:
    """Return the gold standard of a sample.

    Parameters
    ----------
    counts
        The sample, names complete (:func:`~scsiameseclu.intake.check_counts`).
    path
        The input, for messages.
    column
        Column of ``.obs``, ``Y`` of an HDF5 file, attribute of a loom file. Ignored if there is a
        `labels_file`.
    labels_file
        CSV or TSV ``barcode,label``, with or without header. Of further columns, that of the
        barcodes is found by their names, that of the labels by its header.

    Returns
    -------
    Table with columns ``barcode`` (``obs_names`` of the counts, in their order) and ``label``
    (text, may be empty). Barcodes that the file misses are noted in ``counts.notes``.

    Raises
    ------
    InputError
        If there is no such column, several may be it, or the file has no barcode of the sample.
    """
    labels = (
        _from_file(counts, labels_file) if labels_file else _from_column(counts, path, column or "")
    )
    return pd.DataFrame({"barcode": unique(counts.barcodes)[0], "label": labels})


def read_labels(paths: list[Path], cells: pd.Index) -> pd.Series | None:
    """Return a group's gold standard, with missing values; None without any file.

    Parameters
    ----------
    paths
        ``<sample>.labels.tsv`` with the columns barcode (as in the sample's counts) and label.
    cells
        Names of the cells, ``<sample>_<barcode>``.
    """
    if not paths:
        return None
    tables = []
    for path in sorted(paths):
        table = read_table(path, dtype=str)
        sample = path.name.removesuffix(LABELS_SUFFIX)
        tables.append(table.assign(barcode=cell_names(sample, table["barcode"])))
    known = pd.concat(tables).drop_duplicates("barcode").set_index("barcode")["label"]
    return known.reindex(cells)


def _from_column(counts: Counts, path: Path, column: str) -> list[str]:
    columns = counts.columns
    if column not in columns:
        there = ", ".join(quoted(name) for name in columns.columns) or "none"
        raise InputError.of(
            what=f"There is no column {quoted(column)} with gold labels; the columns are: {there}.",
            where=path,
            remedy="Correct 'labels' in the samplesheet: one of these names, or the path of "
            "a CSV barcode,label.",
        )
    return ["" if pd.isna(value) else _text(value) for value in columns[column]]


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _from_file(counts: Counts, path: Path) -> list[str]:
    pairs = _pairs(path, set(counts.barcodes))
    known: dict[str, str] = {}
    for barcode, label in pairs:
        if known.setdefault(barcode, label) != label:
            raise InputError.of(
                what=f"Barcode {quoted(barcode)} has two labels: {quoted(known[barcode])} "
                f"and {quoted(label)}.",
                where=path,
                remedy="Give each barcode one label.",
            )
    labels = [known.get(barcode, "") for barcode in counts.barcodes]
    missing = sum(barcode not in known for barcode in counts.barcodes)
    if missing == len(labels):
        example = quoted(next(iter(known), "nothing"))
        raise InputError.of(
            what=f"No barcode of the labels file ({example}) is in the counts "
            f"({quoted(counts.barcodes[0])}).",
            where=path,
            remedy="Give barcodes exactly as in the counts (with -1 at their end if they "
            "have it), then labels.",
        )
    if missing:
        counts.notes.append(f"{missing} of {len(labels)} barcodes have no gold label.")
    return labels


def _pairs(path: Path, barcodes: set[str]) -> list[tuple[str, str]]:
    if not path.is_file():
        raise InputError.of(
            what="The labels file cannot be found.",
            where=path,
            remedy="Correct its path in the samplesheet.",
        )
    header, rows = _header(_rows(path), barcodes)
    width = len(header or rows[0])
    if width < 2:
        raise _no_labels(path, "it has only one column")
    place = barcode_column(rows, barcodes, header)
    of_label = _label_column(header or [""] * width, place, path, shown=header or rows[0])
    for number, row in enumerate(rows, 1 + bool(header)):
        if len(row) <= max(place, of_label):
            raise _no_labels(path, f"row {number} has too few fields")
    return [(row[place], row[of_label]) for row in rows]


def _rows(path: Path) -> list[list[str]]:
    """Return the fields of each line of a table that is not empty."""
    content = lines(path)
    delimiter = max("\t,;", key=lambda candidate: content[0].count(candidate)) if content else ","
    try:
        table = [row for row in csv.reader(content, delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise _no_labels(path, str(error)) from error
    if not table:
        raise _no_labels(path, "it is empty")
    return [[value.strip() for value in row] for row in table]


def _header(rows: list[list[str]], barcodes: set[str]) -> tuple[list[str], list[list[str]]]:
    """Return the header, empty if there is none, and the rows below it."""
    if barcodes & set(rows[0]):
        return [], rows
    header, rest = rows[0], rows[1:]
    # R's write.table names no column for the names of rows.
    if any(row[-1] for row in rest) and all(len(row) == len(header) + 1 for row in rest):
        header = ["", *header]
    return header, rest


def barcode_column(
    rows: Sequence[Sequence[str]], barcodes: set[str], header: Sequence[str] = ()
) -> int:
    """Return the place of the column with most of the `barcodes`; in doubt, by its header."""

    def rank(place: int) -> tuple[int, bool]:
        name = key(header[place]) if place < len(header) else ""
        found = barcodes.intersection(row[place] for row in rows if place < len(row))
        return len(found), bool(name) and name in BARCODE_HEADERS

    return max(range(max(map(len, (header, *rows)))), key=rank)


def _label_column(names: Sequence[str], place: int, path: Path, *, shown: Sequence[str]) -> int:
    """Return the place of the labels: the column that is called so, else the only one left."""
    keys = {number: key(name) for number, name in enumerate(names) if number != place}
    named = ([number for number in keys if keys[number] == known] for known in LABEL_HEADERS)
    unnamed = [number for number in keys if keys[number] not in BARCODE_HEADERS]
    candidates = next(filter(None, named), unnamed or list(keys))
    if len(candidates) > 1:
        raise InputError.of(
            what="Several columns of the labels file may hold the labels: "
            f"{listed([shown[number] for number in candidates])}.",
            where=path,
            remedy="Call the one that you mean 'label' in the first line, or leave out the others.",
        )
    return candidates[0]


def _no_labels(path: Path, why: str) -> InputError:
    return InputError.of(
        what=f"The labels file is not a table of barcodes and labels: {why}.",
        where=path,
        remedy="Give a CSV or TSV with the columns barcode and label.",
    )
