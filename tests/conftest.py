"""How the tests are shared out among processes (``pytest -n``)."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import scsiameseclu.command  # noqa: F401  # before any test starts numba's threads: it caps them
from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer

ROOT = Path(__file__).parents[1]
# Else each process would rewrite all tests' assertions, and each task compile the package.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


@cache
def reads_demo(path: str) -> bool:
    """Tell whether tests of a file, named from the root, read the run of the bundled data."""
    return "demo: Run" in (ROOT / path).read_text(encoding="utf-8")


class ByFile(LoadFileScheduling):
    """Schedule a file's tests in one process, and likewise all readers of the demo's run."""

    def _split_scope(self, nodeid: str) -> str:
        path = super()._split_scope(nodeid)
        return "demo" if reads_demo(path) else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the pipeline's tests first, because they take longest, starting with the demo run."""
    items.sort(
        key=lambda item: (
            not reads_demo(item.nodeid.split("::")[0]),
            item.get_closest_marker("pipeline") is None,
        )
    )


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a file's bytes by its argument.

    Processes must agree on names, and a gzip header holds the time.
    """
    return argname if isinstance(val, bytes) else None
