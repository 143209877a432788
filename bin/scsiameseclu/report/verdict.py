"""Why samples and groups are missing, and the step that ends such a run; it imports little."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import InputError, Problem
from ..files import read_json
from ..steps import Step

_OF_SAMPLE = ("intake", "quality")
_REFUSED = "expression.merge"
"""The step at which a single sample is left out of its group; see :mod:`..expression.normalize`."""


@dataclass(frozen=True)
class Failure:
    """Why a sample or group is missing, from ``<id>.<step>.failure.json``."""

    id: str
    step: str
    problems: tuple[Problem, ...]

    @property
    def of_sample(self) -> bool:
        """True if a step on one sample failed, False if one on a group."""
        return self.step.split(".")[0] in _OF_SAMPLE or self.step == _REFUSED

    @property
    def kind(self) -> str:
        """What it is a failure of, ``sample`` or ``group``."""
        return "sample" if self.of_sample else "group"

    @property
    def reason(self) -> str:
        """What is wrong, in the problems' own words."""
        return " ".join(problem.what for problem in self.problems)


def read_failures(directory: Path | None) -> list[Failure]:
    """Read all ``*.failure.json`` below a folder, in the order of ids, steps and reasons."""
    found = []
    for path in directory.rglob("*.failure.json") if directory else ():
        record = read_json(path)
        problems = tuple(Problem(**problem) for problem in record["problems"])
        found.append(Failure(str(record["id"]), str(record["step"]), problems))
    return sorted(found, key=lambda failure: (failure.id, failure.step, failure.reason))


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
