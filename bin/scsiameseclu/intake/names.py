"""Names of genes and barcodes: ids and symbols, gaps and duplicates, and which axis is which."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from anndata.utils import make_index_unique

from ..contracts import GUIDE, HASHTAG, PROTEIN
from .gene_ids import PROBE, share_of_gene_ids

BARCODE = re.compile(
    r"^(.*[^A-Za-z])?[ACGTN]{8,}([-_.]\w+)?$|^(.*[^A-Za-z])?cell[-_. ]?\d+$", re.IGNORECASE
)
"""A cell's barcode, alone or with a prefix and a suffix, or a name such as ``cell_1``."""
BARE_BARCODE = re.compile(r"^[ACGTN]{8,}(-\d+)?$")
"""A cell's barcode and nothing before it: an antibody's tag has the antibody's name there."""
COMMON_GENE = re.compile(
    r"^(MT-\w+|RP[LS]\d+\w*|ACTB|ACTG1|GAPDH|MALAT1|B2M|EEF1A1|EEF2|TMSB4X|TMSB10|FTL1?"
    r"|FTH1|HSP\w+|CD\d+\w*|APOE|PTPRC|GENE[-_. ]?\d+)$",
    re.IGNORECASE,
)
"""Genes that nearly every matrix of counts holds, in any case, or a name such as ``gene_1``."""


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text, a list of names that is easy to read."""
    return tuple(text.split())


ID_COLUMNS = words("""
    gene_ids gene_id ensembl_id ensembl_ids ensembl ensembl_gene_id ensgid accession feature_id
    feature_ids id ids gene_stable_id
""")
SYMBOL_COLUMNS = words("""
    gene_symbols gene_symbol gene_names gene_name symbol symbols feature_name feature_names
    gene_short_name hgnc_symbol mgi_symbol external_gene_name hgnc mgi genename
""")
_LOOSE_COLUMNS = words("gene genes name names short_name features feature var_names original_name")
"""Columns that hold symbols if no other does; else they may be descriptions."""
CELL_COLUMNS = words("""
    cell_id cell_ids obs_names cell_name cell_names barcode barcodes cell_barcode cell_barcodes
    cell cells bc_wells cb
""")
GENE_EXPRESSION = "Gene Expression"
CAPTURES = {
    "antibody capture": PROTEIN,
    "multiplexing capture": HASHTAG,
    "crispr guide capture": GUIDE,
}
"""Feature types, in lower case, that are kept in addition to genes, and their kind."""
OTHER_FEATURES = frozenset((*CAPTURES, "custom", "peaks", "antigen capture", "motifs"))
"""Feature types of Cell Ranger other than genes, in lower case."""
_NO_TYPE = ("", "na", "nan", "none", "<na>")
"""Missing feature types, in lower case: of a transgene, or of genes that only ``raw`` has."""
_NO_GENES = {
    "sums of reads without a gene": re.compile(  # HTSeq, STAR, featureCounts, CITE-seq-Count
        r"X?(?:__|--|\.\.)\w.*"
        r"|X?_?(?:total_)?(?:no[_.-]?feature|ambiguous|too[_.-]low[_.-]aqual|not[_.-]aligned"
        r"|alignment[_.-]not[_.-]unique)"
        r"|N[_.-](?:unmapped|multimapping|noFeature|ambiguous)"
        r"|(?:un)?assigned|unassigned[_.-]\w.*|unmapped|no_match|bad_struct|total_reads|\*",
        re.IGNORECASE,
    ),
    "control probes": re.compile(  # CosMx, Xenium, MERSCOPE
        r"NegPrb\d+|Negative\d+|SystemControl\d+|FalseCode\w*\d+"
        r"|NegControl(?:Probe|Codeword)[_-]\w+|antisense_\w+"
        r"|BLANK[_-]\d+|(?:Unassigned|Deprecated)Codeword[_-]\d+",
        re.IGNORECASE,
    ),
    # CD3-CTCATTGTAACTCCT, as in CITE-seq-Count.
    "tags of antibodies or guides": re.compile(r".*[_-][ACGT]{10,}"),
}
"""Kinds of features other than genes, by their names."""
_CONTROL = r"[\x01-\x1f\x7f-\x9f\u2028\u2029]"
_ENDS = re.compile(rf"^(?:\s|{_CONTROL})+|(?:\s|{_CONTROL})+$")


def key(name: str) -> str:
    """Return a column's name as it is compared: ``Gene.Symbol`` is ``gene_symbol``."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def first_of(wanted: Sequence[str], columns: Mapping[str, Sequence[str]]) -> list[str] | None:
    """Return the first `wanted` column that is there and not empty, however written."""
    known = {key(name): values for name, values in columns.items() if any(values)}
    return next((list(known[key(name)]) for name in wanted if key(name) in known), None)


def is_known_gene(name: str) -> bool:
    """Return whether a name is a database id, or a gene that nearly every matrix holds."""
    return bool(COMMON_GENE.match(name)) or share_of_gene_ids([name]) == 1


def kind_of_feature(name: str) -> str:
    """Return the kind of a feature by its name: one of the kinds other than genes, or empty."""
    return next((kind for kind, pattern in _NO_GENES.items() if pattern.fullmatch(name)), "")


def ids_and_symbols(
    names: Sequence[str], columns: Mapping[str, Sequence[str]]
) -> tuple[list[str], list[str]]:
    """Separate gene ids from gene symbols.

    Parameters
    ----------
    names
        The names that the matrix gives its genes; none if it has only columns about them.
    columns
        Other columns of text about the genes, by name, each as long as `names`.

    Returns
    -------
    Gene ids and gene symbols; the same names twice if the input has only one of them.
    """
    ids = first_of(ID_COLUMNS, columns)
    others = {name: values for name, values in columns.items() if not are_ids(values)}
    symbols = first_of(SYMBOL_COLUMNS, others)
    if not names or are_numbers(names) or are_ids(names):
        symbols = symbols or first_of(_LOOSE_COLUMNS, others)
    if not names or are_numbers(names):
        found = ids or symbols or list(names)
        return found, symbols or found
    if are_ids(names) or (ids is None and symbols is not None):
        return list(names), fill_missing(symbols, names) if symbols else list(names)
    # Ids of a kind that is not known here.
    if ids and symbols and _agree(names, ids) and not _agree(names, symbols):
        return list(names), fill_missing(symbols, names)
    return ids or list(names), list(names)


def cell_names(names: Sequence[str], columns: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names of cells: `names`, or the barcodes where these only number them."""
    if names and not are_numbers(names):
        return list(names)
    barcodes = first_of(CELL_COLUMNS, columns)
    return barcodes if barcodes and len(set(barcodes)) == len(barcodes) else list(names)


def only_unique_text(columns: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the one column that could name its rows, all differently; [] if it is not one."""
    found = [
        values
        for values in columns.values()
        if len(set(values)) == len(values) and not are_numbers(values)
    ]
    return list(found[0]) if len(found) == 1 else []


def cleaned(names: Sequence[str]) -> tuple[list[str], int]:
    """Return names without white space at their ends and control characters, and how many had some.

    A line end within a name would split it into two lines in every table. What is not text is
    left unchanged, to be rejected.
    """
    clean = [re.sub(_CONTROL, "_", _ENDS.sub("", name)) for name in names]
    return clean, sum(new != old for new, old in zip(clean, names, strict=True))


def are_ids(names: Sequence[str]) -> bool:
    """Return whether most of `names` are ids of genes, or of probes for them."""
    return share_of_gene_ids(names) > 0.5 or _share(names, PROBE) > 0.5


def are_numbers(names: Sequence[str]) -> bool:
    """Return whether all `names` are whole numbers."""
    return all(re.fullmatch(r"\d+(\.0)?", name) for name in names)


def _agree(names: Sequence[str], others: Sequence[str]) -> bool:
    return sum(one == other for one, other in zip(names, others, strict=True)) > len(names) / 2


def fill_missing(names: Sequence[str], substitutes: Sequence[str]) -> list[str]:
    """Return `names` with each empty one replaced by its substitute."""
    return [name or substitute for name, substitute in zip(names, substitutes, strict=True)]


def numbered(word: str, n: int) -> list[str]:
    """Return ``word_1`` to ``word_n``, for an axis without names."""
    return [f"{word}_{number}" for number in range(1, n + 1)]


def unique(names: Sequence[str]) -> tuple[list[str], int]:
    """Return `names` made unique (``-1``, ``-2``, … on repeats), and how many changed."""
    index: pd.Index[str] = pd.Index(list(names))
    repeated = int(index.duplicated().sum())
    if repeated:
        # That suffixes can be mistaken for parts of the names: the notes list them.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            index = make_index_unique(index)
    return [str(name) for name in index], repeated


def gene_expression(types: Sequence[str]) -> np.ndarray | None:
    """Find the features that are genes by their feature types; one without a type is a gene.

    Returns
    -------
    A mask, all false if every feature is known to be something else, or None if `types` are not
    feature types at all.
    """
    kinds = np.asarray([kind.lower() for kind in types], dtype=object)
    genes = kinds == GENE_EXPRESSION.lower()
    if genes.any() or (len(kinds) and OTHER_FEATURES.issuperset({*kinds}.difference(_NO_TYPE))):
        return np.asarray(genes | np.isin(kinds, _NO_TYPE), dtype=bool)
    return None


def rows_are_cells(rows: Sequence[str], columns: Sequence[str]) -> bool | None:
    """Return whether a matrix is cells x genes by its names; None if unknown."""
    evidence = _cells(rows) - _cells(columns) + _genes(columns) - _genes(rows)
    return None if abs(evidence) < 0.02 else evidence > 0


def _cells(names: Sequence[str]) -> float:
    return (_share(names, BARCODE) + _share(names, BARE_BARCODE)) / 2


def _genes(names: Sequence[str]) -> float:
    return max(share_of_gene_ids(names), min(1.0, 5 * _share(names, COMMON_GENE)))


def _share(names: Sequence[str], pattern: re.Pattern[str]) -> float:
    # All names count: the first of a sorted list may be of one odd kind.
    return sum(pattern.match(name) is not None for name in names) / max(len(names), 1)
