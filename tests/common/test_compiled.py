"""What one task has compiled the next one loads, with the same numbers, and damage is no matter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.conftest import ROOT

pytestmark = pytest.mark.slow
TASK = """
import hashlib, json
import numpy as np
import scanpy as sc
from scsiameseclu.compiled import keep_compiled, trust_no_kept_code
trust_no_kept_code()
from scsiameseclu.annotation.umap import umap_coordinates
keep_compiled()
from umap.umap_ import compute_membership_strengths, smooth_knn_dist
from pynndescent.distances import squared_euclidean
compiled = smooth_knn_dist, compute_membership_strengths, squared_euclidean
values = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
digest = hashlib.sha256(umap_coordinates(values).tobytes()).hexdigest()
print(json.dumps([digest, [sum(of.stats.cache_hits.values()) for of in compiled]]))
"""
Told = tuple[str, list[int]]


def task(folder: Path) -> Told:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "bin"), "NUMBA_CACHE_DIR": str(folder)}
    command = [sys.executable, "-c", TASK]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    digest, hits = json.loads(done.stdout)
    return digest, hits


def kept(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Told]:
    folder = tmp_path_factory.mktemp("kept")
    return folder, task(folder)


def test_a_second_task_loads_what_the_first_one_compiled(first: tuple[Path, Told]) -> None:
    folder, (digest, none) = first
    files = kept(folder)
    again, loaded = task(folder)
    assert again == digest
    assert none == [0, 0, 0]
    assert min(loaded) >= 1
    assert kept(folder) == files, "nothing is kept anew"


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def random(content: bytes) -> bytes:
    return np.random.default_rng(len(content)).bytes(len(content))


def with_a_hole(content: bytes) -> bytes:
    third = len(content) // 3
    return content[:third] + bytes(third) + content[2 * third :]


def test_damaged_code_is_compiled_anew(first: tuple[Path, Told]) -> None:
    folder, (digest, _) = first
    for suffix in (".nbc", ".nbi"):
        files = [path for path in kept(folder) if path.suffix == suffix]
        assert len(files) > 3
        for path, damaged in zip(files, cycle((truncated, random, with_a_hole)), strict=False):
            path.write_bytes(damaged(path.read_bytes()))
        assert task(folder) == (digest, [0, 0, 0])
    again, loaded = task(folder)
    assert again == digest
    assert min(loaded) >= 1


def test_code_under_the_name_of_another_is_compiled_anew(first: tuple[Path, Told]) -> None:
    folder, (digest, _) = first
    own, *others = [path for path in kept(folder) if path.suffix == ".nbc"]
    code = own.read_bytes()
    for path in others:
        path.write_bytes(code)
    assert task(folder)[0] == digest


def test_a_place_that_cannot_be_written_is_no_matter(first: tuple[Path, Told]) -> None:
    folder, (digest, _) = first
    for path in kept(folder):
        path.unlink()
        path.mkdir()  # also where the user may write anything
    assert task(folder) == (digest, [0, 0, 0])
