"""What one task has compiled the next one loads, with the same numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.conftest import ROOT

pytestmark = pytest.mark.slow
TASK = """
import hashlib, json
import numpy as np
from scsiameseclu.annotation.umap import umap_coordinates
from scsiameseclu.compiled import keep_compiled
keep_compiled()
from umap.umap_ import compute_membership_strengths, smooth_knn_dist
from pynndescent.distances import squared_euclidean
compiled = smooth_knn_dist, compute_membership_strengths, squared_euclidean
values = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
digest = hashlib.sha256(umap_coordinates(values).tobytes()).hexdigest()
print(json.dumps([digest, [sum(of.stats.cache_hits.values()) for of in compiled]]))
"""


def test_a_second_task_loads_the_code_compiled_by_the_first(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "bin"), "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", TASK]
    reported, files = [], []
    for _ in range(2):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        reported.append(json.loads(done.stdout))
        files.append(sorted(path for path in tmp_path.rglob("*") if path.is_file()))
    (first, none), (second, loaded) = reported
    assert first == second
    assert none == [0, 0, 0]
    assert min(loaded) >= 1
    assert files[0] == files[1], "nothing is kept anew"
