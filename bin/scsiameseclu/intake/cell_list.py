"""The list of a sample's cells that the samplesheet names; it replaces cell calling."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import InputError, listed, quoted
from .counts import Counts
from .formats._bytes import lines
from .labels import BARCODE_HEADERS, barcode_column
from .names import key, unique

_REMEDY = (
    "Give barcodes exactly as in the counts (with -1 at their end if they have it), one a line."
)


def on_list(counts: Counts, path: Path) -> tuple[np.ndarray, str]:
    """Return which barcodes of a sample are on its list of cells, and warnings about the list.

    Parameters
    ----------
    counts
        The sample, names complete (:func:`~scsiameseclu.intake.check_counts`).
    path
        Text, packed or not: one barcode per line, or a CSV or TSV with them in a column; with a
        header or without.

    Returns
    -------
    A mask over the barcodes (bool), and a warning that names those of the list which the counts
    lack; empty if they lack none.

    Raises
    ------
    InputError
        If there is no such file, or the counts have none of its barcodes.
    """
    if not path.is_file():
        raise InputError.of(
            what="The list of cells cannot be found.",
            where=path,
            remedy="Correct 'cells' in the samplesheet.",
        )
    barcodes = unique(counts.barcodes)[0]
    known = set(barcodes)
    wanted = _barcodes(path, known)
    if wanted and key(wanted[0]) in (*BARCODE_HEADERS, "x") and wanted[0] not in known:
        wanted = wanted[1:]
    unknown = [name for name in wanted if name not in known]
    if len(unknown) == len(wanted):
        example = quoted(wanted[0]) if wanted else "it is empty"
        raise InputError.of(
            what=f"No barcode of the list of cells ({example}) is in the counts "
            f"({quoted(barcodes[0])}).",
            where=path,
            remedy=_REMEDY,
        )
    warning = (
        f"Of the {len(wanted):,} barcodes on the list of cells, {len(unknown):,} are not in the "
        f"counts ({listed(unknown, n=3)}). {_REMEDY}"
    )
    return pd.Index(barcodes).isin(wanted), warning if unknown else ""


def _barcodes(path: Path, known: set[str]) -> list[str]:
    """Return the field of each line where most of the known barcodes are, each once."""
    content = (line.strip() for line in lines(path))
    rows = [
        [field.strip().strip('"') for field in re.split("[\t;,]", line)] for line in content if line
    ]
    place = barcode_column(rows, known) if rows else 0
    return list(dict.fromkeys(row[min(place, len(row) - 1)] for row in rows))
