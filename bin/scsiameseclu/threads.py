"""How many threads the libraries start; imports none of them, so as to come first."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

THREAD_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""The environment variables that libraries take their number of threads from."""


VARIABLE = "SCSIAMESECLU_THREADS"
"""The environment variable with the threads that a task may use."""


def n_threads() -> int:
    """Return the threads that a task may use: SCSIAMESECLU_THREADS (default 1)."""
    return int(os.environ.get(VARIABLE, "1"))


def in_parallel(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Return the results of calls, in order, made in as many processes as threads allow.

    Processes, each of one thread, give the same bytes whatever their number.

    Parameters
    ----------
    calls
        What can be sent to another process, such as partials of functions of modules.
    """
    n_jobs = min(n_threads(), len(calls))
    if n_jobs <= 1:
        return [call() for call in calls]
    # Not scikit-learn's own: it sends the filters of warnings, and with their classes torch, to the
    # processes.
    from joblib import Parallel, delayed  # type: ignore[import-untyped]

    return list(
        Parallel(n_jobs, backend="loky", max_nbytes=None)(
            delayed(_on_one_thread)(call) for call in calls
        )
    )


def _on_one_thread(call: Callable[[], Any]) -> Any:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1):
        return call()


def cap_threads() -> None:
    """Cap the pools of numpy, numba and torch at SCSIAMESECLU_THREADS (default 1).

    To be called before they start.
    """
    for variable in THREAD_POOLS:
        os.environ.setdefault(variable, os.environ.get(VARIABLE, "1"))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle OpenMP threads that spin stall torch
