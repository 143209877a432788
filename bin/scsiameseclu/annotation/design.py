"""What the samples of a group are compared by: a condition, and covariates such as donors of pairs.

Formulas are sums of columns, ``~ donor + condition``; they are taken apart here and never evaluated
as code. All columns are categorical: donors called 1, 2, 3 are not measurements.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..contracts import HASHTAG
from ..errors import InputError, Problem, listed, quoted
from ..files import read_json

FEWEST_SAMPLES = 2
"""Samples of each condition that a comparison needs."""
SEPARATOR = "|"
"""Separator of sample and hashtag; no id of a sample can hold it."""
REPLICATE = "replicate"
"""Column of ``obs`` with each cell's, empty for one that is of none."""
_NONE = ("", "Doublet", "Negative")
_COEFFICIENT = "condition"
_NOT_COMPARED = {
    "is the same for all samples of a group": ("group", "n_clusters", "organism", "tissue"),
    "is different for each sample": ("sample", "counts"),
}
"""Columns of the samplesheet that no samples of a group can be compared by."""


@dataclass(frozen=True)
class Design:
    """The model of a comparison.

    Parameters
    ----------
    condition
        Column with the conditions.
    covariates
        Covariates, in the order of the formula.
    """

    condition: str
    covariates: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """The columns of the samplesheet that the design needs."""
        return [*self.covariates, self.condition]

    @property
    def formula(self) -> str:
        """The formula, the condition last."""
        return f"~ {' + '.join(self.columns)}"


def read_design(path: Path) -> Design | None:
    """Return the design of ``design.json``; None if it names no condition.

    The keys are ``condition`` and ``formula``.

    Raises
    ------
    InputError
        If the formula is not a sum of columns that holds the condition.
    """
    given = read_json(path)
    return parse_design(given.get("condition"), given.get("formula"))


def asked_design(path: Path) -> Design:
    """Return the design of :func:`read_design`, which must name a condition."""
    if design := read_design(path):
        return design
    remedy = "name a column with --condition"
    raise InputError.of(what="no condition is named", where=path, remedy=remedy)


def parse_design(condition: str | None, formula: str | None) -> Design | None:
    """Return the design of ``--condition`` and ``--formula``; None if neither was given."""
    if formula is None:
        return None if condition is None else Design(condition)
    terms = [term.strip() for term in formula.strip().removeprefix("~").split("+")]
    if condition is None:
        raise _unusable(
            f"--formula {quoted(formula)} is given without --condition",
            "name the column with --condition",
        )
    if not all(terms) or any(re.search(r"[~:*|^()]", term) for term in terms):
        raise _unusable(
            f"{quoted(formula)} is not a sum of columns",
            "write it as '~ donor + condition'; interactions and functions are not supported",
        )
    if len(set(terms)) < len(terms):
        raise _unusable(f"{quoted(formula)} names a column twice", "name each column once")
    if condition not in terms:
        raise _unusable(
            f"{quoted(formula)} does not contain the condition {quoted(condition)}",
            "add it as the last term",
        )
    return Design(condition, tuple(term for term in terms if term != condition))


def check_design(rows: Sequence[Mapping[str, Any]], design: Design) -> None:
    """Check a design against the settings of all samples.

    Raises
    ------
    InputError
        If a column is not in the samplesheet, or none that samples can be compared by, or the model
        cannot be fitted in any group that has two conditions with replicates.
    """
    known = sorted({name for row in rows for name in (row.get("extra") or {})})
    if problems := [
        _no_column(column, known, design)
        for column in design.columns
        # Which cells have which hashtag is found later; no column of the sheet has this name.
        if column not in (*known, HASHTAG)
    ]:
        raise InputError(problems)
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(str(row.get("group", "")), []).append(row)
    reasons = [
        reason
        for members in groups.values()
        for reason in _reasons(sample_table(members, design), design)
    ]
    if reasons and all(reasons):
        raise _unusable(
            f"{quoted(design.formula)} cannot be fitted: {reasons[0]}", "leave out a covariate"
        )


def _reasons(samples: pd.DataFrame, design: Design) -> Iterable[str]:
    """Return, per comparison with replicates, why the model cannot be fitted, or an empty text."""
    baseline, others = conditions(samples, design)
    compared = [samples[samples[design.condition].isin([baseline, other])] for other in others]
    return [
        unfit(table, design)
        for table in compared
        if table[design.condition].value_counts().min() >= FEWEST_SAMPLES and len(table) > 1
    ]


def sample_table(rows: Iterable[Mapping[str, Any]], design: Design) -> pd.DataFrame:
    """Return the design's columns of the samples that have a value in each, by sample."""
    values = {
        str(row["sample"]): [
            str((row.get("extra") or {}).get(column) or "") for column in design.columns
        ]
        for row in rows
    }
    table = pd.DataFrame.from_dict(values, orient="index", columns=design.columns)
    return table[(table != "").all(axis=1)]


def without_values(rows: Iterable[Mapping[str, Any]], design: Design) -> list[str]:
    """Return a note where samples take no part because a column of the design is empty."""
    rows = list(rows)
    kept = sample_table(rows, design).index
    missing = sorted({str(row["sample"]) for row in rows} - set(kept))
    columns = " or ".join(map(quoted, design.columns))
    return [f"left out, without a value of {columns}: {listed(missing)}"] if missing else []


def replicates(
    obs: pd.DataFrame, rows: Sequence[Mapping[str, Any]], design: Design
) -> tuple[pd.Series[str], list[dict[str, Any]], list[str]]:
    """Return the replicate of each cell, their rows, and notes on what takes no part.

    Parameters
    ----------
    obs
        Cells of a group with ``sample`` and, of hashed pools, ``hashtag``.
    rows
        Settings of the group's samples.
    design
        The comparison. Where it has the column ``hashtag``, each sample and hashtag is a replicate,
        ``<sample>|<hashtag>``, with the columns of the sample and the hashtag as one more.
    """
    samples = obs["sample"].astype(str)
    if HASHTAG not in design.columns:
        return samples, [dict(row) for row in rows], []
    known = obs[HASHTAG] if HASHTAG in obs else pd.Series("", index=obs.index)
    tags = known.astype(object).fillna("").astype(str)
    tags = tags.where(~tags.isin(_NONE), "")
    names = (samples + SEPARATOR + tags).where(tags != "", "")
    parts = [
        {
            **row,
            "sample": f"{row['sample']}{SEPARATOR}{tag}",
            "extra": {**(row.get("extra") or {}), HASHTAG: tag},
        }
        for row in rows
        for tag in sorted(set(tags[samples == str(row["sample"])]) - {""})
    ]
    n_left_out = int((names == "").sum())
    note = f"{n_left_out:,} cells without a single hashtag are left out"
    return names, parts, [note] if n_left_out else []


def conditions(samples: pd.DataFrame, design: Design) -> tuple[str, list[str]]:
    """Return the baseline (the first condition by name) and the conditions compared with it."""
    names = sorted(set(samples[design.condition]))
    return (names[0], names[1:]) if names else ("", [])


def design_matrix(samples: pd.DataFrame, design: Design) -> pd.DataFrame:
    """Return the design matrix of two conditions.

    The intercept is first; the last column is 0 at the baseline, else 1.
    """
    baseline, _ = conditions(samples, design)
    parts = [pd.DataFrame({"intercept": 1.0}, index=samples.index)]
    for number, covariate in enumerate(design.covariates):
        levels = pd.get_dummies(samples[covariate], drop_first=True, dtype=float)
        parts.append(
            levels.set_axis([f"{number}_{level}" for level in range(levels.shape[1])], axis=1)
        )
    parts.append(
        pd.DataFrame({_COEFFICIENT: (samples[design.condition] != baseline).astype(float)})
    )
    return pd.concat(parts, axis=1)


def too_few(
    samples: pd.DataFrame, names: Sequence[str], design: Design, what: str = "samples"
) -> str:
    """Return why there are too few samples of two conditions, or an empty text."""
    sizes = {name: int((samples[design.condition] == name).sum()) for name in names}
    few = [f"{size} of {quoted(name)}" for name, size in sizes.items() if size < FEWEST_SAMPLES]
    return f"{what}: {', '.join(few)}, and {FEWEST_SAMPLES} are needed" if few else ""


def unfit(samples: pd.DataFrame, design: Design) -> str:
    """Return why the model of two conditions cannot be fitted to the samples, or an empty text."""
    matrix = design_matrix(samples, design).to_numpy()
    rank, alone = (int(np.linalg.matrix_rank(part)) for part in (matrix, matrix[:, :-1]))
    covariates = ", ".join(map(quoted, design.covariates))
    if rank == alone:
        return (
            f"the design is rank-deficient: {covariates} cannot be separated from "
            f"{quoted(design.condition)}"
        )
    if rank < matrix.shape[1]:
        return f"the design is rank-deficient: {covariates} carry the same information"
    if rank == len(matrix):
        return (
            f"{len(matrix)} samples leave no degrees of freedom for {matrix.shape[1]} coefficients"
        )
    return ""


def _unusable(what: str, remedy: str) -> InputError:
    return InputError.of(what=what, where="--formula", remedy=remedy)


def _no_column(column: str, known: list[str], design: Design) -> Problem:
    what = f"the samplesheet has no column {quoted(column)}"
    for why, own in _NOT_COMPARED.items():
        if column in own:
            what = f"the samplesheet's column {quoted(column)} {why}, so nothing can be compared"
    return Problem(
        what=what,
        where="--condition" if column == design.condition else "--formula",
        remedy="name one of its columns: "
        f"{', '.join(map(quoted, known)) or 'it has none; add one'}",
    )
