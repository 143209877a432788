"""The end of a step: its output, its records and its exit status."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from scsiameseclu.command import EXIT_INPUT, EXIT_INTERNAL, EXIT_IO, EXIT_MEMORY, run
from scsiameseclu.errors import InputError, Problem, quoted

BAD = InputError.of(what="the matrix is empty", where="counts/x.h5", remedy="give another")


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def ends_with(error: Exception | None, *, isolate: bool) -> int:
    def step(*, prefix: str) -> None:
        if error:
            raise error
        Path(f"{prefix}.done").touch()

    with pytest.raises(SystemExit) as exit_:
        run(step, isolate=isolate, arguments=["--prefix", "s"])
    return int(exit_.value.code or 0)


def _record(folder: Path) -> Path:
    return folder / f"s.{'.'.join(__name__.split('.')[1:])}.failure.json"


@pytest.mark.parametrize(
    ("error", "isolate", "status"),
    [
        (None, True, 0),
        (BAD, True, 0),
        (BAD, False, EXIT_INPUT),
        (ZeroDivisionError("x"), True, 0),
        (ZeroDivisionError("x"), False, EXIT_INTERNAL),
        (MemoryError(), True, EXIT_MEMORY),
        (OSError(28, "No space left on device"), True, EXIT_IO),
    ],
)
def test_the_exit_status_shows_the_kind_of_error(error, isolate, status, capsys, tmp_path):
    assert ends_with(error, isolate=isolate) == status
    reported = capsys.readouterr().err
    assert "Traceback" not in reported
    assert ("remedy" in reported) == (error is not None and not isinstance(error, MemoryError))
    assert (tmp_path / "s.done").exists() == (error is None)
    assert _record(tmp_path).exists() == (error is not None and isolate and status == 0)


def test_the_record_holds_every_problem(tmp_path):
    ends_with(InputError([*BAD.problems, Problem("b", "c", "d")]), isolate=True)
    record = json.loads(_record(tmp_path).read_text())
    assert record["id"] == "s"
    assert [problem["what"] for problem in record["problems"]] == ["the matrix is empty", "b"]


def test_a_defect_keeps_its_traceback_for_us(tmp_path):
    ends_with(ZeroDivisionError("x"), isolate=True)
    assert "ZeroDivisionError" in (tmp_path / "traceback.txt").read_text()


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), BAD])
def test_a_verdict_that_cannot_be_written_is_reported_without_a_traceback(
    error, tmp_path, monkeypatch, capsys
):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert ends_with(error, isolate=True) == EXIT_IO
    reported = capsys.readouterr().err
    assert "could not be read or written" in reported
    assert "Traceback" not in reported


def test_paths_are_reported_under_the_users_names():
    renamed = BAD.renamed({"counts/x.h5": "/data/my x.h5"})
    assert renamed.problems[0].where == "/data/my x.h5"


def test_quoted_paths_are_reported_under_the_users_names_too():
    problem = Problem(what="'/tmp/x/a b' is empty", where="'/tmp/x/a b/c'", remedy="r")
    renamed = InputError(problem).renamed({"/tmp/x/a b": "my a b"}).problems[0]
    assert (renamed.what, renamed.where) == ("'my a b' is empty", "'my a b/c'")


def test_a_step_unpacks_files_into_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = []

    def step(*, prefix: str) -> None:
        found.append(
            (Path(tempfile.gettempdir()), Path(tempfile.gettempdir()).stat().st_mode & 0o777)
        )

    with pytest.raises(SystemExit):
        run(step, arguments=["--prefix", "s"])
    ((folder, mode),) = found
    assert folder.parent == tmp_path
    assert mode == 0o700
    assert not folder.exists()


def test_values_are_quoted_on_one_line():
    assert quoted("a\nb\x1b[31m") == "'a\\nb\\x1b[31m'"
    assert len(quoted("x" * 1000)) == 80
