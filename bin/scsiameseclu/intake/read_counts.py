"""Read one sample's raw counts of any format, and enforce the contract of counts."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anndata as ad
import pandas as pd

from ..contracts import CAPTURED, LISTED
from ..errors import InputError
from ..files import own_name, write_h5ad, write_size, write_table
from ..steps import Step
from .cell_list import on_list
from .counts import check_counts, to_adata
from .formats import read_matrix
from .labels import LABELS_SUFFIX, gold_labels


def read_counts(
    *,
    prefix: str,
    counts: Path,
    labels_file: Path | None = None,
    cells_file: Path | None = None,
    round_counts: bool = False,
) -> None:
    """Write a sample's counts, their size and, with gold labels, the labels.

    The files are <prefix>.counts.h5ad, <prefix>.size.json and <prefix>.labels.tsv; the sample comes
    as JSON on stdin.

    Parameters
    ----------
    prefix
        Id of the sample.
    counts
        File or folder with raw counts, of any known format.
    labels_file
        CSV barcode,label with the gold standard. Default: the column that the settings name, if
        any.
    cells_file
        The sample's cells, one barcode per line. Default: they are not given.
    round_counts
        Round fractional counts to whole numbers instead of refusing them.
    """
    settings = json.load(sys.stdin)
    given = {"counts": counts, "labels": labels_file, "cells": cells_file}
    adata, labels = _read_given(given, settings=settings, round_counts=round_counts)
    write_h5ad(adata, f"{prefix}.counts.h5ad")
    write_size(
        f"{prefix}.size.json",
        n_cells=adata.n_obs,
        n_genes=adata.n_vars,
        n_values=adata.X.nnz,
        n_captured=len(adata.uns.get(CAPTURED, ())),
    )
    if labels is not None:
        write_table(labels, f"{prefix}{LABELS_SUFFIX}")


def _read_given(
    given: Mapping[str, Path | None], *, settings: Mapping[str, Any], round_counts: bool
) -> tuple[ad.AnnData, pd.DataFrame | None]:
    """Read a sample's staged files under their names in the samplesheet, in messages too."""
    names = {what: str(settings.get(what) or path) for what, path in given.items() if path}
    with ExitStack() as stack:
        own = {
            what: stack.enter_context(own_name(path, names[what]))
            for what, path in given.items()
            if path
        }
        try:
            return read_sample(
                own["counts"],
                settings=settings,
                labels_file=own.get("labels"),
                cells_file=own.get("cells"),
                round_counts=round_counts,
            )
        except InputError as error:
            raise error.renamed({str(own[what]): name for what, name in names.items()}) from None


def read_sample(
    path: Path,
    *,
    settings: Mapping[str, Any],
    labels_file: Path | None = None,
    cells_file: Path | None = None,
    round_counts: bool = False,
) -> tuple[ad.AnnData, pd.DataFrame | None]:
    """Read a sample's counts and gold labels.

    Parameters
    ----------
    path
        File or folder with raw counts.
    settings
        What the samplesheet says of the sample; ``settings['labels']`` names the column of gold
        labels.
    labels_file
        CSV ``barcode,label``; wins over the column.
    cells_file
        The sample's cells, one barcode per line; ``obs['listed']`` then says which barcodes are on
        it.
    round_counts
        Round fractional counts instead of refusing them, unless the settings' ``overrides`` say
        otherwise. Default: False.

    Returns
    -------
    The counts (see :func:`~scsiameseclu.intake.to_adata`), and the labels (see
    :func:`~scsiameseclu.intake.gold_labels`) or None if none are asked for.

    Raises
    ------
    InputError
        If the counts or labels cannot be used.
    """
    round_counts = settings.get("overrides", {}).get("round_counts", round_counts)
    counts = check_counts(read_matrix(path), path, round_counts=round_counts)
    column, labels = settings.get("labels"), None
    if column or labels_file:
        labels = gold_labels(counts, path, column=column, labels_file=labels_file)
    listed, warning = on_list(counts, cells_file) if cells_file else (None, "")
    adata = to_adata(counts, settings, warnings=[warning] if warning else [])
    if listed is not None:
        adata.obs[LISTED] = listed
    return adata, labels


STEP = Step(read_counts, isolate=True)
