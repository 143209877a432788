"""The step that ends a run in which something failed: names every failure, and fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..errors import InputError
from ..steps import Step
from .failures import read_failures


def tell_failures(*, failures: Path) -> None:
    """Fail with every problem of samples and groups that did not finish, if there is one.

    Parameters
    ----------
    failures
        Folder with ``*.failure.json``.

    Raises
    ------
    InputError
        Something failed.
    """
    problems = [
        replace(problem, what=f"{failure.kind} {failure.id}, {failure.step}: {problem.what}")
        for failure in read_failures(failures)
        for problem in failure.problems
    ]
    if problems:
        raise InputError(problems)


STEP = Step(tell_failures)
