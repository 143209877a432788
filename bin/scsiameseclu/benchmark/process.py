"""Modules of this package run in processes of their own, which report by lines of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from ..memory import peak_memory_mb
from ..threads import THREAD_POOLS, VARIABLE

Record = dict[str, Any]


class ProcessError(Exception):
    """A process that failed; the message is what it wrote to stderr."""


def records(
    module: str, options: Mapping[str, Any], *, scratch: Path, threads: int
) -> Iterator[Record]:
    """Run a module of this package and yield its reports as they arrive.

    Parameters
    ----------
    module
        Name of the module, whose command takes `options`.
    options
        Names and values.
    scratch
        Folder that it runs in.
    threads
        Threads that it may use.

    Raises
    ------
    ProcessError
        If its exit status is not 0.
    """
    command = [sys.executable, "-m", f"{__package__}.{module}"]
    command += [f"--{key}={value}" for key, value in options.items()]
    messages, own = scratch / "stderr.txt", _environment(threads)
    with (
        messages.open("wb") as stderr,
        subprocess.Popen(
            command, cwd=scratch, env=own, stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process,
    ):
        assert process.stdout
        yield from map(json.loads, process.stdout)
    if process.returncode:
        output = messages.read_text(errors="replace") + _traceback(scratch)
        raise ProcessError(f"exit status {process.returncode}\n{output}")


def _traceback(scratch: Path) -> str:
    """Return the traceback that a defect left, for its maintainers, and remove it."""
    left = scratch / "traceback.txt"
    trace = left.read_text() if left.is_file() else ""
    left.unlink(missing_ok=True)
    return trace


def _environment(threads: int) -> dict[str, str]:
    """Return the environment with the wanted threads and the package on the Python path."""
    path = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        **dict.fromkeys((VARIABLE, *THREAD_POOLS), str(threads)),
        "PYTHONDONTWRITEBYTECODE": "1",  # a checkout of published code is left unchanged
        "PYTHONPATH": os.pathsep.join(part for part in path if part),
    }


def report(found: Callable[[], Iterator[Record]]) -> None:
    """Print records on stdout for :func:`records`; redirect all other output to stderr."""
    stdout = sys.stdout
    with redirect_stdout(sys.stderr):
        for record in found():
            print(json.dumps(record), file=stdout, flush=True)


def cpu_seconds() -> float:
    """Return the CPU time that this process and its ended children have used, in seconds."""
    return sum(os.times()[:4])


def reset_peak_rss() -> None:
    """Let :func:`peak_rss_mb` begin anew, where the system can do that (Linux)."""
    place = Path("/proc/self/clear_refs")
    if place.exists():
        place.write_text("5")


def peak_rss_mb() -> float:
    """Return the largest resident memory of this process, in MiB.

    From /proc if it exists: Linux's ``ru_maxrss`` also counts what the process that started
    this one had.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    return peak_memory_mb()
