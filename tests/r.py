"""R, if it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest


def run_r(script: Path, *packages: str, folder: Path, arguments: Sequence[Path] = ()) -> str:
    """Run a script in `folder` and return its output; skip if R or a package is missing."""
    known = "".join(f"stopifnot(requireNamespace('{name}', quietly = TRUE));" for name in packages)
    if (
        not shutil.which("Rscript")
        or subprocess.run(["Rscript", "-e", known], capture_output=True, check=False).returncode
    ):
        pytest.skip(f"R with {' and '.join(packages)} is not on this machine")
    done = subprocess.run(
        ["Rscript", "--encoding=UTF-8", script, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
