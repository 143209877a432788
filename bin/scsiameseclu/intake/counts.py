"""Raw counts of any format, and their contract: finite, non-negative, whole numbers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from ..contracts import CAPTURED
from ..errors import InputError, listed, quoted
from ..files import set_settings
from .gene_ids import PROBE, split_joined
from .names import (
    CAPTURES,
    GENE_EXPRESSION,
    cleaned,
    fill_missing,
    gene_expression,
    kind_of_feature,
    numbered,
    unique,
)
from .organism import infer_organism

LARGEST = 2**53
"""Counts beyond this are damage: floating point does not separate them from their neighbors."""
BLOCK = 8_000_000
"""Values checked or converted at a time, so that checks need little memory besides the matrix."""


@dataclass
class Counts:
    """A matrix of counts with its names, as a format's reader found it.

    Parameters
    ----------
    matrix
        Cells x genes, CSR, any numeric dtype.
    barcodes
        Names of the cells as in the input, one per row. An empty list: the input has none.
    gene_ids, gene_symbols
        Ids and symbols of the genes, one a column; equal if the input has one kind only. Empty
        lists: it has none.
    format
        The format's name for the report.
    source
        The place of the matrix within the input, for messages, such as ``layers['counts']``.
    columns
        Annotation of each cell in the input, one per row; used only for gold labels.
    notes
        What the user should know about how the input was read.
    kinds
        Kind of each column other than genes: ``protein``, ``hashtag`` or ``guide``. Default:
        all are genes.
    captured
        Proteins, hashtags and guides that were counted in the same cells, with their `kinds`. None:
        there are none.
    """

    matrix: sparse.csr_matrix
    barcodes: list[str]
    gene_ids: list[str]
    gene_symbols: list[str]
    format: str
    source: str = "the matrix"
    columns: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    captured: Counts | None = None

    def keep_genes(self, types: Sequence[str], path: Path) -> None:
        """Set proteins, hashtags and guides aside; drop and note other features.

        Raises
        ------
        InputError
            If there are no genes among the features.
        """
        genes = gene_expression(types)
        if genes is None or genes.all():
            return
        if not genes.any():
            raise InputError.of(
                what=f"There are no genes among the features: {_counted(types)}.",
                where=path,
                remedy=f"Give the matrix that holds features of type {quoted(GENE_EXPRESSION)}.",
            )
        found = np.asarray(types, dtype=object)
        kinds = np.asarray([CAPTURES.get(kind.lower(), "") for kind in types], dtype=object)
        beside = kinds != ""
        if beside.any():
            self.captured = replace(
                self, columns=pd.DataFrame(), notes=[], kinds=list(kinds[beside])
            )
            self.captured.keep(beside)
            self.notes.append(
                f"Features other than genes were kept as well: {_counted(found[beside])}."
            )
        self.keep(genes)
        left_out = found[~(genes | beside)]
        if len(left_out):
            self.notes.append(f"Features other than genes were left out: {_counted(left_out)}.")

    def leave_out_no_genes(self, path: Path) -> None:
        """Leave out the features that are not genes by their names, and note it.

        Raises
        ------
        InputError
            If there are no genes among the features.
        """
        pairs = zip(self.gene_ids, self.gene_symbols, strict=True)
        found = [kind_of_feature(name) or kind_of_feature(symbol) for name, symbol in pairs]
        kinds = np.array(found, dtype=object)
        others = kinds != ""
        if not others.any():
            return
        names, kinds_found = list(compress(self.gene_symbols, others)), _counted(kinds[others])
        if others.all():
            raise InputError.of(
                what=f"By their names, none of the features are genes: {kinds_found}, such "
                f"as {quoted(names[0])}.",
                where=path,
                remedy="Give the matrix of genes, which the same program or another "
                "run wrote beside it.",
            )
        self.keep(~others)
        self.notes.append(
            "Features that are not genes by their names were left out: "
            f"{kinds_found} ({listed(names)})."
        )

    def keep(self, genes: np.ndarray) -> None:
        """Leave out all features but those of a mask."""
        self.matrix = self.matrix[:, genes]
        self.gene_ids = list(compress(self.gene_ids, genes))
        self.gene_symbols = list(compress(self.gene_symbols, genes))


def check_counts(counts: Counts, path: Path, *, round_counts: bool = False) -> Counts:
    """Hold `counts` to the contract and complete their names.

    Parameters
    ----------
    counts
        As a reader returned them. Their matrix may be converted in place.
    path
        The input, for messages.
    round_counts
        Round fractional counts to the nearest whole number (half to even) instead of refusing them.
        Default: False.

    Returns
    -------
    The same counts: matrix of canonical CSR int32 (int64 if a count needs it), every name filled
    in, notes added.

    Raises
    ------
    InputError
        If the matrix is empty, does not fit its names, or holds values that are not counts.
    """
    _check_shape(counts, path)
    _clean_names(counts)
    _complete_names(counts)
    _check_names(counts, path)
    counts.leave_out_no_genes(path)
    _check_matrix(counts, path, round_counts=round_counts)
    if counts.matrix.nnz == 0:
        raise _empty(counts, path, "all counts are 0")
    if counts.captured is not None:
        _check_captured(counts, counts.captured, path, round_counts=round_counts)
    return counts


def _check_matrix(counts: Counts, path: Path, *, round_counts: bool) -> None:
    """Hold the values of a matrix to the contract, and convert it."""
    matrix = counts.matrix
    matrix.sort_indices()
    if not matrix.has_canonical_format:
        matrix = _sum_repeated(counts)
    _check_values(counts, matrix, path)
    counts.matrix = _as_integers(counts, matrix, path, round_counts=round_counts)
    counts.matrix.eliminate_zeros()


def _check_captured(counts: Counts, captured: Counts, path: Path, *, round_counts: bool) -> None:
    """Check other features as strictly as the genes, and complete their names."""
    captured.barcodes = counts.barcodes
    _clean_names(captured)
    captured.gene_ids = fill_missing(captured.gene_ids, numbered("feature", len(captured.gene_ids)))
    captured.gene_symbols = fill_missing(captured.gene_symbols, captured.gene_ids)
    _check_names(captured, path)
    _check_matrix(captured, path, round_counts=round_counts)
    counts.notes += [f"Features beside the genes: {note}" for note in captured.notes]


def to_adata(
    counts: Counts, settings: Mapping[str, Any], *, warnings: Sequence[str] = ()
) -> ad.AnnData:
    """Return checked counts as AnnData.

    Parameters
    ----------
    counts
        From :func:`check_counts`.
    settings
        What the samplesheet says of the sample.
    warnings
        What the verdict on the sample should repeat.

    Returns
    -------
    AnnData of cells x genes with raw counts (CSR, int32 or int64) in ``X``; ``obs_names`` the
    barcodes and ``var_names`` the symbols, both made unique; ``var['gene_ids']`` and
    ``var['gene_symbols']`` as in the input; ``uns['settings']``; ``uns['intake']`` (JSON text:
    format, n_barcodes, n_genes, organism, notes, warnings). ``obs`` has no column: labels never
    travel along. Where there are proteins, hashtags or guides, ``obsm['captured']`` has their
    counts (CSR, integers) and ``uns['captured']`` their name (unique, ``_`` for ``/``, which HDF5
    cannot hold), id and kind, one row a column.
    """
    barcodes, repeated_barcodes = unique(counts.barcodes)
    genes, repeated_genes = unique(counts.gene_symbols)
    notes = [
        *counts.notes,
        *_repeated("Barcodes", repeated_barcodes),
        *_repeated("Gene names", repeated_genes),
    ]
    var = pd.DataFrame(
        {"gene_ids": counts.gene_ids, "gene_symbols": counts.gene_symbols}, index=genes
    )
    adata = ad.AnnData(counts.matrix, obs=pd.DataFrame(index=barcodes), var=var)
    set_settings(adata, settings)
    if counts.captured is not None:
        _add_captured(adata, counts.captured)
    organism = infer_organism(var).summary(settings.get("organism"))
    if organism["warning"]:
        notes.append(organism["warning"])
    intake = {
        "format": counts.format,
        "n_barcodes": adata.n_obs,
        "n_genes": adata.n_vars,
        "organism": organism,
        "notes": notes,
        "warnings": list(warnings),
    }
    adata.uns["intake"] = json.dumps(intake, ensure_ascii=False)
    return adata


def _repeated(kind: str, n: int) -> list[str]:
    return [f"Duplicate {kind.lower()}: {n}; a number was appended to each."] if n else []


def _add_captured(adata: ad.AnnData, captured: Counts) -> None:
    names, _ = unique([name.replace("/", "_") for name in captured.gene_symbols])
    adata.obsm[CAPTURED] = captured.matrix
    adata.uns[CAPTURED] = pd.DataFrame(
        {"name": names, "id": captured.gene_ids, "kind": captured.kinds}
    )


def _counted(types: Sequence[str]) -> str:
    """Return how many there are of each feature type, in words."""
    return ", ".join(f"{count} {kind}" for kind, count in Counter(types).items())


def compact(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return `matrix` with int32 values if that changes none of them, else unchanged."""
    data = matrix.data
    if data.dtype.kind not in "iuf" or data.dtype == np.int32:
        return matrix
    limit, whole = np.iinfo(np.int32).max, data.dtype.kind in "iu"
    if all(
        ((block >= -limit) & (block <= limit) & (whole or block == np.rint(block))).all()
        for _, block in _blocks(data)
    ):
        matrix.data = data.astype(np.int32)
    return matrix


def total(matrix: sparse.spmatrix) -> int | float:
    """Return the sum of all counts."""
    return np.sum(matrix.data, dtype=np.int64 if matrix.data.dtype.kind in "iu" else float).item()


def add(one: sparse.csr_matrix, other: sparse.csr_matrix, path: Path) -> sparse.csr_matrix:
    """Add two matrices of counts, never past the largest integer."""
    added = one + other
    check_sum(added, total(one) + total(other), path)
    return added


def check_sum(matrix: sparse.csr_matrix, expected: float, path: Path) -> None:
    """Reject a matrix of added whole numbers if a sum is too large for their type."""
    if matrix.data.dtype.kind in "iu" and total(matrix) != expected:
        raise inconsistent(
            "Counts of one gene and barcode add up to more than 2,147,483,647.", path
        )


def inconsistent(what: str, where: object) -> InputError:
    """Return the error for a file that contradicts itself."""
    remedy = "The file is damaged: copy or download it again and compare checksums."
    return InputError.of(what=what, where=where, remedy=remedy)


def repeated(n: int) -> list[str]:
    """Return the note that `n` counts were added to others, if there were any."""
    note = f"Repeated counts of a gene and barcode: {n}; they were added up."
    return [note] if n else []


def add_up_probes(counts: Counts) -> None:
    """Make one gene of its probes (10x Flex, Visium), where the names are those of probes."""
    found = [PROBE.match(name) for name in counts.gene_ids]
    if sum(match is not None for match in found) <= len(found) / 2:
        return
    of_ids, of_symbols = (
        [match[part] if match else name for match, name in zip(found, names, strict=True)]
        for part, names in ((1, counts.gene_ids), (2, counts.gene_symbols))
    )
    counts.gene_ids, counts.gene_symbols = of_ids, of_symbols
    add_up_genes(counts)


def add_up_genes(counts: Counts) -> None:
    """Make one gene of all that have the same id, in the order in which they come first."""
    ids = counts.gene_ids
    places = {name: place for place, name in enumerate(dict.fromkeys(ids))}
    shape = (len(ids), len(places))
    of_gene = sparse.csr_matrix(
        (np.ones(len(ids), np.int64), (np.arange(len(ids)), [places[name] for name in ids])), shape
    )
    symbols = dict(zip(reversed(ids), reversed(counts.gene_symbols), strict=True))
    counts.matrix = counts.matrix @ of_gene
    counts.gene_ids, counts.gene_symbols = list(places), [symbols[name] for name in places]
    counts.notes.append(
        f"The features are {shape[0]} probes: their counts were added up for {shape[1]} genes."
    )


def _blocks(values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield a one-dimensional array in parts, each with its place."""
    for start in range(0, len(values), BLOCK):
        yield start, values[start : start + BLOCK]


def _check_shape(counts: Counts, path: Path) -> None:
    n_cells, n_genes = counts.matrix.shape
    if n_cells == 0 or n_genes == 0:
        raise _empty(counts, path, f"{n_cells} cells x {n_genes} genes")
    for kind, names, size in (
        ("barcodes", counts.barcodes, n_cells),
        ("gene ids", counts.gene_ids, n_genes),
        ("gene symbols", counts.gene_symbols, n_genes),
    ):
        if names and len(names) != size:
            raise InputError.of(
                what=f"There are {n_cells} cells x {n_genes} genes in {counts.source}, but "
                f"{len(names)} {kind}.",
                where=path,
                remedy="Give the files as one program wrote them together; these do not "
                "belong together.",
            )


def _clean_names(counts: Counts) -> None:
    counts.barcodes, n_barcodes = cleaned(counts.barcodes)
    counts.gene_ids, n_ids = cleaned(counts.gene_ids)
    counts.gene_symbols, n_symbols = cleaned(counts.gene_symbols)
    for kind, n_changed in (("barcodes", n_barcodes), ("genes", max(n_ids, n_symbols))):
        if n_changed:
            counts.notes.append(
                f"Names of {kind} with white space at their ends or control characters (such as "
                f"line ends): {n_changed}; these were removed."
            )


def _complete_names(counts: Counts) -> None:
    n_cells, n_genes = counts.matrix.shape
    if not counts.barcodes:
        counts.notes.append(f"The input names no cells: they are called cell_1 to cell_{n_cells}.")
    if not counts.gene_ids:
        counts.notes.append(f"The input names no genes: they are called gene_1 to gene_{n_genes}.")
    elif counts.gene_ids == counts.gene_symbols and (joined := split_joined(counts.gene_ids)):
        counts.gene_ids, counts.gene_symbols = joined
        counts.notes.append("Each gene name holds an id and a symbol: they were split.")
    elif counts.gene_ids == counts.gene_symbols:
        counts.notes.append(
            "The input has one name for each gene, which is kept as both id and symbol."
        )
    unnamed = sum(not name for name in counts.barcodes)
    if unnamed:
        counts.notes.append(f"Empty barcodes: {unnamed}; they are called cell_<number>.")
    numbers = numbered("gene", n_genes)
    ids = fill_missing(counts.gene_ids or numbers, counts.gene_symbols or numbers)
    counts.gene_ids = fill_missing(ids, numbers)
    counts.gene_symbols = fill_missing(counts.gene_symbols or numbers, counts.gene_ids)
    numbers = numbered("cell", n_cells)
    counts.barcodes = fill_missing(counts.barcodes or numbers, numbers)


def _check_names(counts: Counts, path: Path) -> None:
    for kind, names in (
        ("barcode", counts.barcodes),
        ("gene", counts.gene_ids),
        ("gene", counts.gene_symbols),
    ):
        for number, name in enumerate(names, start=1):
            if "\0" in name or any("\ud800" <= character <= "\udfff" for character in name):
                what = f"The name of {kind} {number} is not text: {quoted(name)}."
                raise inconsistent(what, path)


def _sum_repeated(counts: Counts) -> sparse.csr_matrix:
    matrix, stored = counts.matrix, counts.matrix.nnz
    if matrix.data.dtype.kind in "iub":  # so that no sum wraps around
        matrix = matrix.astype(np.int64)
    matrix.sum_duplicates()
    counts.notes += repeated(stored - matrix.nnz)
    return matrix


def _check_values(counts: Counts, matrix: sparse.csr_matrix, path: Path) -> None:
    if matrix.data.dtype.kind not in "iufb":
        raise InputError.of(
            what=f"The values in {counts.source} are of type {matrix.data.dtype}, "
            "which cannot hold counts.",
            where=path,
            remedy="Give a matrix of whole numbers.",
        )
    for start, block in _blocks(matrix.data):
        wrong = ~((block >= 0) & (block <= LARGEST))  # NaN fails both
        if wrong.any():
            raise _bad_value(counts, matrix, start + int(np.argmax(wrong)), path)


def _bad_value(counts: Counts, matrix: sparse.csr_matrix, position: int, path: Path) -> InputError:
    value = matrix.data[position]
    kind = "negative" if value < 0 else "too large to be a count"
    remedy = (
        "Give the matrix of raw counts: no normalized, log-transformed, scaled or corrected values."
    )
    if not np.isfinite(value):
        kind, remedy = (
            "not finite",
            "Give a complete matrix of raw counts: write 0 where nothing was counted.",
        )
    return InputError.of(
        what=f"A count is {kind}: {_place(counts, matrix, position)}.", where=path, remedy=remedy
    )


def _place(counts: Counts, matrix: sparse.csr_matrix, position: int) -> str:
    row = int(np.searchsorted(matrix.indptr, position, side="right")) - 1
    gene, barcode = counts.gene_symbols[matrix.indices[position]], counts.barcodes[row]
    value = matrix.data[position]
    return f"{value:.10g} for gene {quoted(gene)} and barcode {quoted(barcode)} in {counts.source}"


def _as_integers(
    counts: Counts, matrix: sparse.csr_matrix, path: Path, *, round_counts: bool
) -> sparse.csr_matrix:
    data = matrix.data
    if data.dtype.kind == "f":
        fractional = _fractional(data)
        if fractional.size and not round_counts:
            raise InputError.of(
                what=f"{fractional.size} of {data.size} counts are not whole numbers, the first: "
                f"{_place(counts, matrix, int(fractional[0]))}.",
                where=path,
                remedy="Give the matrix of raw counts; or, if these are estimated (alevin, "
                "kallisto, RSEM, SoupX), run with --round_counts.",
            )
        if fractional.size:
            counts.notes.append(
                f"{fractional.size} of {data.size} counts were rounded to whole "
                "numbers (--round_counts)."
            )
            data = np.rint(data)
    largest = int(data.max()) if data.size else 0
    matrix.data = data.astype(
        np.int32 if largest <= np.iinfo(np.int32).max else np.int64, copy=False
    )
    return matrix


def _fractional(data: np.ndarray) -> np.ndarray:
    found = [start + np.flatnonzero(block != np.rint(block)) for start, block in _blocks(data)]
    return np.concatenate([np.zeros(0, dtype=int), *found])


def _empty(counts: Counts, path: Path, how: str) -> InputError:
    return InputError.of(
        what=f"There are no counts in {counts.source}: {how}.",
        where=path,
        remedy="Give a matrix with at least one counted gene in one cell, or take the sample "
        "out of the samplesheet.",
    )
