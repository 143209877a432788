"""The early check of marker sets, reference and design; all mistakes are reported at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..contracts import DISSOCIATION, PHASE, PHASE_SCORES
from ..errors import InputError, Problem, collected, quoted
from ..files import own_name, read_json, write_h5ad, write_table
from ..steps import Step
from .gene_sets import gmt_text, read_gene_sets, read_genes
from .marker_sets import checked_marker_sets

SCORED = (*PHASE_SCORES, PHASE, DISSOCIATION)
"""What `--cell_scores` adds to ``obs``."""


def check(
    *,
    samples: Path,
    markers_db: Path | None = None,
    labelled: Path | None = None,
    reference_label: str | None = None,
    design: Path | None = None,
    celltypist: Path | None = None,
    gene_sets: Path | None = None,
    genes: Path | None = None,
    cell_scores: bool = False,
    names: Path | None = None,
) -> None:
    """Write ``marker_sets.tsv``, ``reference.h5ad`` and ``celltypist.npz``, checked, in one form.

    Raises one error with all that is wrong.

    Parameters
    ----------
    samples
        ``samples.json``: settings of all samples.
    markers_db
        The user's marker sets, a file or a folder. Default: none were given.
    labelled
        The user's labelled reference. Default: none was given.
    reference_label
        Column of the reference with its labels.
    design
        ``design.json``: the column of the samplesheet with the conditions, and the formula.
        Default: none was named.
    celltypist
        The user's model of CellTypist. Default: none was given.
    gene_sets
        The user's gene sets, which become ``gene_sets.gmt``. Default: none were given.
    genes
        File of the user's genes of interest, which become ``genes_of_interest.txt``. Default: those
        in ``names`` under ``genes_of_interest``, if there are any.
    cell_scores
        Whether cell cycle and dissociation stress are scored.
    names
        JSON object with the paths of ``markers_db``, ``labelled``, ``celltypist``, ``gene_sets``
        and ``genes_of_interest`` as given by the user. Default: their own names.
    """
    rows = json.loads(samples.read_text(encoding="utf-8"))
    own = read_json(names) if names else {}
    problems: list[Problem] = []
    if markers_db is not None:
        organisms = sorted({str(row["organism"]) for row in rows})
        with collected(problems), own_name(markers_db, own.get("markers_db")) as path:
            write_table(checked_marker_sets(path, organisms), "marker_sets.tsv")
    if labelled is not None or reference_label is not None:
        with collected(problems):
            _check_reference(labelled, reference_label, own.get("labelled"))
    if celltypist is not None:
        with collected(problems):
            _check_model(celltypist, own.get("celltypist"))
    if design is not None:
        with collected(problems):
            _check_design(rows, design)
    if cell_scores:
        problems += _taken(rows)
    with collected(problems):
        _write_sets(own, gene_sets)
    with collected(problems):
        _write_genes(own, genes)
    if problems:
        raise InputError(problems)


def _check_reference(labelled: Path | None, column: str | None, name: str | None) -> None:
    # Here, not above: a run without a reference need not wait for scikit-learn.
    from .reference import checked_reference

    if labelled is None or column is None:
        given, missing = (
            ("--reference_label", "--reference")
            if labelled is None
            else ("--reference", "--reference_label")
        )
        raise InputError.of(
            what=f"{given} is given without {missing}",
            where="the command line",
            remedy="give both: an .h5ad with raw counts, and the column of its obs that "
            "holds the cell types",
        )
    with own_name(labelled, name) as path:
        write_h5ad(checked_reference(path, column), "reference.h5ad")


def _check_model(celltypist: Path, name: str | None) -> None:
    # Here, not above: a run without such a model need not wait for scipy.
    from .celltypist import checked_model

    with own_name(celltypist, name) as path:
        checked_model(path).write("celltypist.npz")


def _check_design(rows: list[dict[str, Any]], path: Path) -> None:
    # Here, not above: a run without conditions need not wait for numpy.
    from .design import check_design, read_design

    if model := read_design(path):
        check_design(rows, model)


def _taken(rows: list[dict[str, Any]]) -> Iterator[Problem]:
    own = {str(name) for row in rows for name in row.get("extra") or {}}
    for name in sorted(own):
        if name in SCORED:
            yield Problem(
                f"the samplesheet has a column {quoted(name)}, and --cell_scores adds one of that "
                "name",
                "the header of the samplesheet",
                "give the column another name, or leave --cell_scores out",
            )


def _write_sets(names: dict[str, Any], path: Path | None) -> None:
    if path is not None:
        with own_name(path, names.get("gene_sets")) as own:
            text = gmt_text(read_gene_sets(own))
        Path("gene_sets.gmt").write_text(text, encoding="utf-8")


def _write_genes(names: dict[str, Any], path: Path | None) -> None:
    given = names.get("genes_of_interest")
    if path is not None:
        with own_name(path, given) as own:
            genes = read_genes(own, where=own.name)
    elif given is not None:
        genes = read_genes(str(given), where="--genes_of_interest")
    else:
        return
    Path("genes_of_interest.txt").write_text("\n".join(genes) + "\n", encoding="utf-8")


STEP = Step(check)
