"""The early check of what cells are scored by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..contracts import DISSOCIATION, PHASE, PHASE_SCORES
from ..errors import InputError, Problem, collected, quoted
from ..files import own_name
from .gene_sets import gmt_text, read_gene_sets, read_genes

_COLUMNS = (*PHASE_SCORES, PHASE, DISSOCIATION)
"""What `--cell_scores` adds to ``obs``."""


def check_scores(
    rows: Sequence[Mapping[str, Any]],
    names: Mapping[str, Any],
    *,
    gene_sets: Path | None,
    genes: Path | None,
    cell_scores: bool,
) -> None:
    """Write ``gene_sets.gmt`` and ``genes_of_interest.txt``, as far as they were given.

    Parameters
    ----------
    rows
        Settings of all samples.
    names
        ``gene_sets`` and ``genes_of_interest`` as the user gave them.
    gene_sets, genes
        Their files; genes may also stand in `names` themselves.
    cell_scores
        Whether columns of cell cycle and dissociation stress are added.

    Raises
    ------
    InputError
        With all that is wrong.
    """
    problems = list(_taken(rows)) if cell_scores else []
    with collected(problems):
        _write_sets(names, gene_sets)
    with collected(problems):
        _write_genes(names, genes)
    if problems:
        raise InputError(problems)


def _taken(rows: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    own = {str(name) for row in rows for name in row.get("extra") or {}}
    for name in sorted(own):
        if name in _COLUMNS:
            yield Problem(
                f"the samplesheet has a column {quoted(name)}, and --cell_scores adds one of that "
                "name",
                "the header of the samplesheet",
                "give the column another name, or leave --cell_scores out",
            )


def _write_sets(names: Mapping[str, Any], path: Path | None) -> None:
    if path is not None:
        with own_name(path, names.get("gene_sets")) as own:
            text = gmt_text(read_gene_sets(own))
        Path("gene_sets.gmt").write_text(text, encoding="utf-8")


def _write_genes(names: Mapping[str, Any], path: Path | None) -> None:
    given = names.get("genes_of_interest")
    if path is not None:
        with own_name(path, given) as own:
            genes = read_genes(own, where=own.name)
    elif given is not None:
        genes = read_genes(str(given), where="--genes_of_interest")
    else:
        return
    Path("genes_of_interest.txt").write_text("\n".join(genes) + "\n", encoding="utf-8")
