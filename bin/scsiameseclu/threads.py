"""How many threads the libraries start; imports none of them, so as to come first."""

from __future__ import annotations

import os

THREAD_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""The environment variables that libraries take their number of threads from."""


def cap_threads() -> None:
    """Cap the pools of numpy, numba and torch, before they start, at SCSIAMESECLU_THREADS (default 1)."""
    for variable in THREAD_POOLS:
        os.environ.setdefault(variable, os.environ.get("SCSIAMESECLU_THREADS", "1"))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle OpenMP threads that spin stall torch
