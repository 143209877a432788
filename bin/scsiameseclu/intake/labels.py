"""Gold labels, for scoring only: they travel in tables of their own, past the clustering."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from ..contracts import cell_names
from ..errors import InputError, quoted
from ..files import read_table
from .counts import Counts
from .formats._bytes import lines
from .names import unique

BARCODE_HEADERS = frozenset(["barcode", "barcodes", "cell", "cells", "cell_id", "index", ""])
LABEL_HEADERS = ("label", "labels", "cell_type", "celltype")
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
        CSV or TSV ``barcode,label``, with or without header.

    Returns
    -------
    Table with columns ``barcode`` (``obs_names`` of the counts, in their order) and ``label``
    (text, may be empty). Barcodes that the file misses are noted in ``counts.notes``.

    Raises
    ------
    InputError
        If there is no such column, or the file has no barcode of the sample.
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
    content = lines(path)
    delimiter = max("\t,;", key=lambda candidate: content[0].count(candidate)) if content else ","
    try:
        table = [row for row in csv.reader(content, delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise _no_labels(path, str(error)) from error
    rows = [[value.strip() for value in row] for row in table]
    if not rows:
        raise _no_labels(path, "it is empty")
    has_header = not barcodes & set(rows[0])
    place, of_label = _places(rows[0], path) if has_header else (0, 1)
    start = int(has_header)
    for number, row in enumerate(rows[start:], start + 1):
        if len(row) <= max(place, of_label):
            raise _no_labels(path, f"row {number} has too few fields")
    return [(row[place], row[of_label]) for row in rows[start:]]


def _places(header: list[str], path: Path) -> tuple[int, int]:
    """Return which column holds barcodes and which labels: by name, else the first two."""
    if len(header) < 2:
        raise _no_labels(path, "it has only one column")
    lowered = [name.lower() for name in header]
    place = next((number for number, name in enumerate(lowered) if name in BARCODE_HEADERS), 0)
    named = [lowered.index(name) for name in LABEL_HEADERS if name in lowered]
    return place, named[0] if named else next(number for number in range(2) if number != place)


def _no_labels(path: Path, why: str) -> InputError:
    return InputError.of(
        what=f"The labels file is not a table of barcodes and labels: {why}.",
        where=path,
        remedy="Give a CSV or TSV with the columns barcode and label.",
    )
