"""Run a step as a command: options from a signature, failures in the user's terms."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .threads import cap_threads

cap_threads()
# In an image packages cannot be written to and the home folder may be missing: caches go into the
# task's own folder.
if not os.access(sysconfig.get_paths()["purelib"], os.W_OK):
    for _variable in ("NUMBA_CACHE_DIR", "MPLCONFIGDIR"):
        os.environ.setdefault(_variable, str(Path.cwd() / ".cache"))

from cyclopts import App, Parameter  # noqa: E402

from ._version import __version__  # noqa: E402
from .compiled import trust_no_kept_code  # noqa: E402
from .errors import InputError, Problem  # noqa: E402
from .files import write_failure  # noqa: E402

PACKAGES = (
    "anndata",
    "cyclopts",
    "h5py",
    "igraph",
    "jsonschema",
    "matplotlib",
    "mudata",
    "numpy",
    "pandas",
    "pydeseq2",
    "pynndescent",
    "pyyaml",
    "rdata",
    "safetensors",
    "scanpy",
    "scikit-image",
    "scikit-learn",
    "scipy",
    "torch",
    "umap-learn",
)
"""Packages whose version a step reports if it has loaded them."""
_MODULES = {
    "pyyaml": "yaml",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
    "umap-learn": "umap",
}
"""Their modules, where these are called otherwise."""

EXIT_INPUT = 65
"""Exit status for input that cannot be used (EX_DATAERR)."""
EXIT_INTERNAL = 70
"""Exit status for a defect of ours (EX_SOFTWARE)."""
EXIT_IO = 74
"""Exit status for a file that could not be read or written (EX_IOERR)."""
EXIT_MEMORY = 137
"""Exit status for lack of memory, the one with which a scheduler kills: the pipeline retries with
more."""


def run_step() -> None:
    """Run the step that the command line names, ``STAGE STEP --options``, and exit.

    Of the package only the step's module is imported, with what it needs.
    """
    program, arguments = Path(sys.argv[0]).name, sys.argv[3:]
    stage, name = [*sys.argv[1:], "", ""][:2]
    is_module = (Path(__file__).parent / stage / f"{name}.py").is_file()
    step = (
        getattr(import_module(f"{__package__}.{stage}.{name}"), "STEP", None) if is_module else None
    )
    if step is None:
        sys.exit(
            f"usage: {program} STAGE STEP --options, STEP being a module of the "
            "stage that declares one"
        )
    if {"scanpy", "torch"} & sys.modules.keys():  # the steps of torch import scanpy later
        trust_no_kept_code()
    sys.argv[0] = f"{program} {stage} {name}"
    run(step.function, isolate=step.isolate, arguments=arguments)


def run(
    step: Callable[..., None],
    *,
    isolate: bool = False,
    versions: Path | None = Path("versions.yml"),
    arguments: list[str] | None = None,
) -> None:
    """Run `step` with the command line's options and exit.

    Parameters
    ----------
    step
        A function with keyword-only, annotated parameters; its numpy docstring is the help text.
    isolate
        True for a step on one sample or group: unusable input, or a defect of ours that it brings
        to light, is recorded in ``<prefix>.<stage>.<step>.failure.json`` (keys ``id``, ``step``,
        ``problems``) and the exit status is 0, so that the rest of the batch goes on. False: exit
        status 65 or 70.
    versions
        Where to write the versions of Python and of the packages that the step has loaded. None:
        nowhere.
    arguments
        The command line without the program's name. Default: ``sys.argv[1:]``.
    """
    # --samples a b c: as a shell expands a list of files.
    several = Parameter(consume_multiple=True)
    app = App(
        name=Path(sys.argv[0]).name,
        version=__version__,
        help_format="plaintext",
        default_parameter=several,
    )
    app.default(step)
    run_app(app, isolate=isolate, versions=versions, arguments=arguments)


def run_app(
    app: App,
    *,
    isolate: bool = False,
    versions: Path | None = None,
    arguments: list[str] | None = None,
) -> None:
    """Run the step that the command line chooses, and exit; parameters as of :func:`run`."""
    step, bound, _ = app.parse_args(arguments)
    try:
        with _private_temporary_folder():
            status = _status_of(
                step, lambda: step(*bound.args, **bound.kwargs), bound.arguments, isolate=isolate
            )
        if versions is not None:
            write_versions(versions)
    except MemoryError:
        print(
            "ERROR: not enough memory for this step; it is tried again with more.", file=sys.stderr
        )
        status = EXIT_MEMORY
    except OSError as error:
        # Not the input's fault and perhaps gone next time: never kept as the sample's verdict. On a
        # full disk it may be the verdict itself that cannot be written.
        print(f"ERROR: {_unwritable(error)}", file=sys.stderr)
        status = EXIT_IO
    sys.exit(status)


def write_versions(path: Path) -> None:
    """Write ``name: version`` lines for Python and for those of :data:`PACKAGES` loaded."""
    loaded = [name for name in PACKAGES if _MODULES.get(name, name) in sys.modules]
    versions = {"python": platform.python_version()} | {name: version(name) for name in loaded}
    path.write_text(
        "".join(f"{name}: {value}\n" for name, value in versions.items()), encoding="utf-8"
    )


@contextmanager
def _private_temporary_folder() -> Iterator[None]:
    """Set a temporary folder that only this user may enter and that ends with the step."""
    before = tempfile.tempdir, os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory(prefix="scsiameseclu.", ignore_cleanup_errors=True) as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir, os.environ["TMPDIR"] = before[0], before[1] or ""


def _status_of(
    step: Callable[..., None],
    command: Callable[[], None],
    options: dict[str, Any],
    *,
    isolate: bool,
) -> int:
    """Run the command, report what is wrong with the input or with us, return the status."""
    try:
        command()
    except (MemoryError, OSError):
        raise
    except Exception as error:
        problems = error.problems if isinstance(error, InputError) else [_defect(error, step)]
        print("\n".join(f"ERROR: {problem}" for problem in problems), file=sys.stderr)
        if not isolate:
            return EXIT_INPUT if isinstance(error, InputError) else EXIT_INTERNAL
        record_failure(step, options, problems)
    return 0


def _unwritable(error: OSError) -> Problem:
    return Problem(
        what=f"a file could not be read or written: {error}",
        where=os.environ.get("PWD", "."),  # the system is not asked: the folder itself may be gone
        remedy="check that the disk is not full and the file may be read, then repeat the "
        "command with -resume",
    )


def _defect(error: Exception, step: Callable[..., None]) -> Problem:
    """Return the report of a defect of ours; write its traceback into the task's folder."""
    place = Path("traceback.txt")
    place.write_text(traceback.format_exc())
    return Problem(
        what=f"a defect of the pipeline in {step.__module__}: {type(error).__name__}: {error}",
        where=str(place.absolute()),
        remedy="please report it with that file and the command line; the input itself "
        "was not found faulty",
    )


def record_failure(
    step: Callable[..., None], options: dict[str, Any], problems: list[Problem]
) -> None:
    """Write ``<prefix>.<stage>.<step>.failure.json``, the report's reason for what is missing."""
    write_failure(
        name=options["prefix"], step=".".join(step.__module__.split(".")[1:]), problems=problems
    )
