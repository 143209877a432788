"""Fits models in separate processes, because libraries read the number of threads when loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import anndata as ad


def assert_same_bytes(script: str, adata: ad.AnnData, folder: Path, *variables: str) -> None:
    """Fail unless a script saves the same model with one and with two threads.

    Parameters
    ----------
    script
        Program that reads the AnnData of its first argument and saves the model to the second.
    variables
        Names of the environment's variables that hold the number of threads.
    """
    adata.write_h5ad(folder / "cells.h5ad")
    for threads in ("1", "2"):
        own = dict.fromkeys(variables, threads) | {"PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", script, folder / "cells.h5ad", folder / threads]
        subprocess.run(command, env=os.environ | own, check=True)
    assert (folder / "1").read_bytes() == (folder / "2").read_bytes()
