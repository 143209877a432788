"""The step that ends a run in which something failed: names every failure, and fails."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError, Problem
from ..steps import Step
from .inputs import Failure, read_failures


def tell_failures(*, failures: Path) -> None:
    """Fail with every problem of every sample and group that could not be finished; do nothing if there is none.

    Parameters
    ----------
    failures
        Folder with ``*.failure.json``.

    Raises
    ------
    InputError
        Something failed.
    """
    problems = [problem for failure in read_failures(failures) for problem in _named(failure)]
    if problems:
        raise InputError(problems)


def _named(failure: Failure) -> list[Problem]:
    kind = "sample" if failure.of_sample else "group"
    return [
        Problem(what=f"{kind} {failure.id}, {failure.step}: {problem.what}", where=problem.where, remedy=problem.remedy)
        for problem in failure.problems
    ]


STEP = Step(tell_failures)
