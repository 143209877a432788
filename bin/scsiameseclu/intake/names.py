"""Names of genes and barcodes: which are ids and which symbols, what is missing or there twice, which axis is which."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from anndata.utils import make_index_unique

from .gene_ids import share_of_gene_ids

ENSEMBL = re.compile(r"^ENS[A-Z]{0,6}G\d{6,}(\.\d+)?$")
"""A gene id of Ensembl, of any species, with or without its version."""
BARCODE = re.compile(r"^(.*[^A-Za-z])?[ACGTN]{8,}([-_.]\w+)?$|^(.*[^A-Za-z])?cell[-_. ]?\d+$", re.IGNORECASE)
"""A cell's barcode, alone or with a prefix and a suffix, or a name such as ``cell_1``."""
BARE_BARCODE = re.compile(r"^[ACGTN]{8,}(-\d+)?$")
"""A cell's barcode and nothing before it: an antibody's tag has the antibody's name there."""
COMMON_GENE = re.compile(
    r"^(MT-\w+|RP[LS]\d+\w*|ACTB|ACTG1|GAPDH|MALAT1|B2M|EEF1A1|EEF2|TMSB4X|TMSB10|FTL1?|FTH1|HSP\w+|CD\d+\w*|APOE|PTPRC"
    r"|GENE[-_. ]?\d+)$",
    re.IGNORECASE,
)
"""Genes that nearly every matrix of counts holds, in any case, or a name such as ``gene_1``."""
ID_COLUMNS = ("gene_ids", "gene_id", "geneid", "ensembl_id", "ensembl_ids", "ensembl", "accession", "feature_id", "id")
SYMBOL_COLUMNS = (
    *("gene_symbols", "gene_symbol", "gene_names", "gene_name", "genename", "symbol", "symbols", "feature_name"),
    *("gene_short_name", "hgnc_symbol", "mgi_symbol", "hgnc", "mgi", "gene", "name", "names"),
)
GENE_EXPRESSION = "Gene Expression"
OTHER_FEATURES = frozenset(
    ["antibody capture", "crispr guide capture", "multiplexing capture", "custom", "peaks", "antigen capture", "motifs"]
)
"""Feature types of Cell Ranger that are no genes, in lower case."""


def looks_like_ensembl(names: Sequence[str]) -> bool:
    """Return whether most of `names` are Ensembl gene ids."""
    return _share(names, ENSEMBL) > 0.5


def is_known_gene(name: str) -> bool:
    """Return whether a name is an id of a database, or that of a gene which nearly every matrix holds."""
    return bool(COMMON_GENE.match(name)) or share_of_gene_ids([name]) == 1


def ids_and_symbols(names: Sequence[str], columns: Mapping[str, Sequence[str]]) -> tuple[list[str], list[str]]:
    """Tell gene ids from gene symbols.

    Parameters
    ----------
    names
        The names that the matrix gives its genes.
    columns
        Other columns of text about the genes, by name, each as long as `names`.

    Returns
    -------
    Gene ids and gene symbols; the same names twice if the input has only one of them.
    """
    known = {name.lower(): list(values) for name, values in columns.items()}
    ids = next((known[column] for column in ID_COLUMNS if column in known), None)
    symbols = next((known[column] for column in SYMBOL_COLUMNS if column in known and _symbols(known[column])), None)
    if looks_like_ensembl(names) or (symbols is not None and ids is None):
        return list(names), symbols or list(names)
    return ids or list(names), list(names)


def fill_missing(names: Sequence[str], substitutes: Sequence[str]) -> list[str]:
    """Return `names` with each empty one replaced by its substitute."""
    return [name or substitute for name, substitute in zip(names, substitutes, strict=True)]


def numbered(word: str, n: int) -> list[str]:
    """Return ``word_1`` to ``word_n``, for an axis without names."""
    return [f"{word}_{number}" for number in range(1, n + 1)]


def unique(names: Sequence[str]) -> tuple[list[str], int]:
    """Return `names` made unique (``-1``, ``-2``, … after the second, third, …), and how many had to change."""
    index: pd.Index[str] = pd.Index(list(names))
    repeated = int(index.duplicated().sum())
    if repeated:
        with warnings.catch_warnings():  # that suffixes can be mistaken for parts of the names: the notes list them
            warnings.simplefilter("ignore")
            index = make_index_unique(index)
    return [str(name) for name in index], repeated


def gene_expression(types: Sequence[str]) -> np.ndarray | None:
    """Find the features that are genes by their feature types.

    Returns
    -------
    A mask, all false if every feature is known to be something else, or None if `types` are no feature types at all.
    """
    kinds = np.asarray([kind.lower() for kind in types], dtype=object)
    genes = kinds == GENE_EXPRESSION.lower()
    if genes.any() or (len(kinds) and set(kinds) <= OTHER_FEATURES):
        return np.asarray(genes, dtype=bool)
    return None


def rows_are_cells(rows: Sequence[str], columns: Sequence[str]) -> bool | None:
    """Tell by its names whether a matrix is cells x genes (True) or genes x cells (False); None if they do not tell."""
    evidence = _cells(rows) - _cells(columns) + _genes(columns) - _genes(rows)
    return None if abs(evidence) < 0.02 else evidence > 0


def _symbols(names: Sequence[str]) -> bool:
    """Return whether names in a column for symbols are none of ids (a column ``hgnc`` may hold ``HGNC:5``)."""
    return share_of_gene_ids(names) <= 0.5


def _cells(names: Sequence[str]) -> float:
    return (_share(names, BARCODE) + _share(names, BARE_BARCODE)) / 2


def _genes(names: Sequence[str]) -> float:
    return max(share_of_gene_ids(names), min(1.0, 5 * _share(names, COMMON_GENE)))


def _share(names: Sequence[str], pattern: re.Pattern[str]) -> float:
    # All names count: the first of a sorted list may be of one odd kind.
    return sum(pattern.match(name) is not None for name in names) / max(len(names), 1)
