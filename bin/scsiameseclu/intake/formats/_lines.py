"""Tables with one count per line: a gene, a cell and a count, as UMI-tools writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from scipy import sparse

from ...errors import InputError, listed, quoted
from ..counts import Counts, compact, repeated
from ..names import ids_and_symbols
from . import _vocabulary as vocabulary
from ._blocks import blocks, numbers_of, words_of
from ._layout import Layout, no_table

NAME = "table of one count per line"


def is_long(layout: Layout) -> bool:
    """Return whether a table has a column of genes and one of cells."""
    header = layout.header or []
    has_cells = any(map(vocabulary.names_cells, header))
    return has_cells and any(map(vocabulary.names_genes_for_sure, header))


def read_long(path: Path, layout: Layout) -> Counts:
    """Read a table with one count per line, of a gene (id, symbol or both) in a cell."""
    genes, cells, counts = _places(path, layout)
    names: tuple[dict[str, int], dict[str, int]] = {}, {}
    symbols: dict[str, str] = {}
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for block in blocks(path, layout, words=[*genes, *cells]):
        words = words_of(block, [*genes, *cells])
        barcodes = words[cells].agg("_".join, axis=1) if len(cells) > 1 else words[cells[0]]
        places = _places_of(barcodes, names[0]), _places_of(words[genes[0]], names[1])
        parts.append((numbers_of(block, [counts], path, layout)[:, 0], *places))
        symbols |= dict(zip(words[genes[0]], words[genes[-1]], strict=True))
    if not parts:
        raise no_table(path, "it has nothing after the first line")
    found = _counts(parts, list(names[0]), list(names[1]))
    if len(genes) == 2:
        columns = {vocabulary.plain(layout.name(genes[1])): [symbols[name] for name in names[1]]}
        found.gene_ids, found.gene_symbols = ids_and_symbols(list(names[1]), columns)
    named = listed([layout.name(column) for column in (*genes, *cells, counts)])
    found.notes.insert(0, f"The table has one count per line, in the columns {named}.")
    return found


def _places_of(names: Iterable[str], known: dict[str, int]) -> np.ndarray:
    """Return the place of each name among those that are known, to which new ones are added."""
    return np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)


def _counts(
    parts: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    barcodes: list[str],
    genes: list[str],
) -> Counts:
    values, rows, columns = (np.concatenate(part) for part in zip(*parts, strict=True))
    matrix = sparse.coo_matrix((values, (rows, columns)), shape=(len(barcodes), len(genes))).tocsr()
    notes = repeated(len(values) - matrix.nnz)
    return Counts(compact(matrix), barcodes, genes, list(genes), NAME, "the table", notes=notes)


def _places(path: Path, layout: Layout) -> tuple[list[int], list[int], int]:
    names = {column: layout.name(column) for column in range(layout.n_fields)}
    genes = [column for column, name in names.items() if vocabulary.names_genes(name)]
    cells = [column for column, name in names.items() if vocabulary.names_cells(name)]
    others = [column for column in names if column not in (*genes, *cells)]
    others = [n for n in others if not vocabulary.is_unnamed(names[n], place=n)]
    if len(others) != 1 or len(genes) > 2:
        raise InputError.of(
            what=f"The table names a gene ({quoted(names[genes[0]])}) and a cell "
            f"({quoted(names[cells[0]])}) in each line, and has {len(others)} other columns: "
            f"{listed([names[column] for column in others]) or 'none'}.",
            where=path,
            remedy="Leave only the columns gene, cell and count of a table with one count "
            "per line, added up where it has one molecule a line; or give the "
            "matrix of genes and cells.",
        )
    return genes, cells, others[0]
