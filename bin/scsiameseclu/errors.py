"""The one kind of error that a user's input can cause: what is wrong, where, and the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .contracts import ProblemRecord


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with the input.

    Parameters
    ----------
    what
        What is wrong, in one sentence. Users' values in it are quoted with :func:`quoted`.
    where
        File, line and column, as far as they are known.
    remedy
        What the user can do about it, in one sentence.
    """

    what: str
    where: str
    remedy: str

    def record(self) -> ProblemRecord:
        """Return the problem for JSON."""
        return {"what": self.what, "where": self.where, "remedy": self.remedy}

    def __str__(self) -> str:
        return f"{self.what}\n    where:  {self.where}\n    remedy: {self.remedy}"


class InputError(Exception):
    """Input that cannot be used, with every :class:`Problem` found in it.

    Parameters
    ----------
    problems
        What was found, in the order of the input.
    """

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def renamed(self, names: Mapping[str, str]) -> InputError:
        """Return the error with the keys of `names`, paths in the task, under the user's names."""
        return InputError(_renamed(problem, names) for problem in self.problems)

    @classmethod
    def of(cls, *, what: str, where: object, remedy: str) -> InputError:
        """Return the error for a single problem."""
        return cls(Problem(what=what, where=str(where), remedy=remedy))


@contextmanager
def collected(problems: list[Problem]) -> Iterator[None]:
    """Add the problems of an error that is raised here to those of others."""
    try:
        yield
    except InputError as error:
        problems.extend(error.problems)


def _renamed(problem: Problem, names: Mapping[str, str]) -> Problem:
    what, where = problem.what, problem.where
    for staged, own in names.items():
        for shown, theirs in ((staged, own), (_inside_quotes(staged), _inside_quotes(own))):
            what, where = what.replace(shown, theirs), where.replace(shown, theirs)
    return replace(problem, what=what, where=where)


def _inside_quotes(text: str) -> str:
    return repr(text)[1:-1]


def listed(values: Sequence[object], *, n: int = 10) -> str:
    """Return users' values for a message: the first `n`, quoted, and how many more there are."""
    more = f" and {len(values) - n} more" if len(values) > n else ""
    return ", ".join(map(quoted, values[:n])) + more


def quoted(value: object, *, length: int = 80) -> str:
    """Return a user's value for a message.

    It is quoted, on one line, escaped, and cut to `length` characters.
    """
    text = repr(str(value))
    return text if len(text) <= length else f"{text[: length - 2]}…{text[-1]}"
