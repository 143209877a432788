"""The code on which a result depends: only what its method reaches."""

from __future__ import annotations

import importlib
import sys

import pytest
from scsiameseclu.benchmark import methods
from scsiameseclu.benchmark.run import code_of
from scsiameseclu.benchmark.sources import Reached, read_source
from scsiameseclu.evaluation.comparison import leiden_labels

FILES = {
    "__init__.py": "",
    "_version.py": '__version__ = "1"\n',
    "methods.py": '''"""Methods."""
from . import _version
from .helpers import shared
from . import whole

LIMIT = 3

class First:
    """First."""
    def fit(self):
        from .lazy import late
        return late(shared(LIMIT))

class Second:
    def fit(self):
        return whole.used() + _version.__version__
''',
    "helpers.py": '''import numpy as np
SHARED = 1
other = 2

def shared(x):
    """Share."""
    if x is None:
        raise ValueError("nothing")
    return np.abs(x) + SHARED

def unrelated(x):
    return other
''',
    "lazy/__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from "
    ".inner import late\n",
    "lazy/inner.py": "def late(x):\n    return x\n",
    "whole.py": "def used():\n    return 1\n\ndef unused():\n    return 2\n\nprint\n",
}


@pytest.fixture
def digests(tmp_path, monkeypatch):
    """Write a small package; return digests of its two methods after changes of its files."""
    folder = tmp_path / "little"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("little.methods")

    def changed(name=None, old="", new=""):
        if name:
            assert old in FILES[name]
            (folder / name).write_text(FILES[name].replace(old, new))
        read_source.cache_clear()
        try:
            return Reached(module.First).digest, Reached(module.Second).digest
        finally:
            if name:
                (folder / name).write_text(FILES[name])

    yield changed
    read_source.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "little"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "old", "new", "affected"),
    [
        ("helpers.py", "SHARED = 1", "SHARED = 2", (True, False)),
        ("helpers.py", "np.abs(x)", "np.abs(2 * x)", (True, False)),
        ("helpers.py", "return other", "return 0", (False, False)),
        ("lazy/inner.py", "return x", "return -x", (True, False)),
        ("methods.py", "LIMIT = 3", "LIMIT = 4", (True, False)),
        ("methods.py", "class Second", "class Third:\n    pass\n\nclass Second", (False, False)),
        ("methods.py", "whole.used()", "2 * whole.used()", (False, True)),
        ("whole.py", "return 1", "return 3", (False, True)),
        ("whole.py", "return 2", "return 3", (False, False)),
        ("whole.py", "print", "print('imported')", (False, True)),
        ("methods.py", '"""First."""', '"""A comment."""  # another', (False, False)),
        ("_version.py", '"1"', '"2"', (False, False)),
        ("helpers.py", '"nothing"', '"no number"', (False, False)),
    ],
)
def test_only_reached_code_counts(digests, name, old, new, affected):
    before, after = digests(), digests(name, old, new)
    assert tuple(a != b for a, b in zip(before, after, strict=True)) == affected


def test_a_module_that_runs_as_a_program_is_that_module(digests, monkeypatch):
    before = digests()
    methods_there = sys.modules["little.methods"]
    monkeypatch.setitem(sys.modules, "__main__", methods_there)
    monkeypatch.setattr(methods_there.First, "__module__", "__main__")
    assert digests() == before


def test_a_name_that_cannot_be_found_is_an_error(digests):
    with pytest.raises(LookupError, match=r"little\.lazy neither defines nor imports late"):
        digests("lazy/__init__.py", "import late", "import early")


def test_libraries_are_those_that_are_used(digests):
    assert Reached(leiden_labels).libraries >= {"igraph"}
    assert "torch" not in Reached(leiden_labels).libraries
    assert "igraph " in Reached(leiden_labels).versions


def reached(method):
    return {
        f"{module}.{name}".removeprefix("scsiameseclu.") for module, name in code_of(method).texts
    }


def test_depth_normalization_counts_for_every_method():
    assert all("depth.log_normalize" in reached(method) for method in methods.METHODS.values())


def test_a_method_depends_on_no_other():
    leiden, consensus, ours = map(reached, (methods.LEIDEN, methods.CONSENSUS, methods.OURS))
    assert "benchmark.methods.Leiden" in leiden
    assert not leiden & {
        "benchmark.methods.Louvain",
        "clustering.estimator.ScSiameseClu",
        "clustering.network.train.train",
    }
    assert "clustering.estimator.ScSiameseClu" in consensus
    assert "clustering.network.train.train" in ours - consensus
    assert len({code_of(method).digest for method in methods.METHODS.values()}) == len(
        methods.METHODS
    )
