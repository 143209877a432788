"""Nothing that a user writes is executed, fetched from the network, or breaks others."""

from __future__ import annotations

import csv
import http.server
import os
import re
import subprocess
import threading
from base64 import b64encode
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pytest
from scsiameseclu.report.inputs import read_failures

from .conftest import DEMO, ROOT, UNTRACED, Run, run_pipeline
from .test_schema import PARAMETERS

pytestmark = pytest.mark.pipeline
# The last one is run by an unquoted word of bash: it sets x to the command, and @P expands x as a
# prompt.
NAMES = [
    "x*.csv",
    ".hidden.csv",
    "$HOME.csv",
    "-a 'b' \"c\" \\ünï.csv",
    "$(touch evil).csv",
    "`touch evil`;touch evil;#~.csv",
    "${x:=$(touch evil)}${x@P}.csv",
]
LOGO = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h9v9z"/></svg>'
CONTACT = "A. <b>Core</b> & Co, core@example.org; $(touch evil) `touch evil`"


def write_sheet(path: Path, header: str, rows: Sequence[Sequence[str]]) -> Path:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])
    return path


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run on files with names that a shell would change.

    In each stands one negative number, minus its row's. None can be read, so that nobody knows
    whether they have hashtags.
    """
    folder = tmp_path_factory.mktemp("named")
    (folder / "temporary").mkdir()
    sheet = write_sheet(
        folder / "my $data [1]" / "sheet{1,2}.csv",
        "sample,counts",
        [(f"s{i}", name) for i, name in enumerate(NAMES)],
    )
    for number, name in enumerate([*NAMES, "x1.csv"]):
        (sheet.parent / name).write_text(f"gene,c1,c2\nA,1,-{number + 100}\nB,2,3\n")
    logo = sheet.parent / 'lo\'go $(touch evil) "1".svg'
    logo.write_text(LOGO)
    return run_pipeline(
        folder, *UNTRACED, "--input", sheet, "--report_logo", logo, "--report_contact", CONTACT,
        "--report_project", "P'1 $(touch evil)", "--condition", "hashtag",
        variables={"TMPDIR": str(folder / "temporary")},
    )  # fmt: skip


def test_each_file_is_read_whatever_its_name(named: Run) -> None:
    assert named.status != 0
    assert "compared by hashtag" not in named.output
    assert not list(named.folder.rglob("evil"))
    (found,) = {
        path.parent.parent.parent
        for path in named.folder.glob("work/*/*/failures/*/*.json")
        if "verdict" in script(path)
    }
    problems = {failure.id: failure.problems[0] for failure in read_failures(found / "failures")}
    assert set(problems) == {f"s{number}" for number in range(len(NAMES))}
    for number, name in enumerate(NAMES):
        assert f"-{number + 100}" in problems[f"s{number}"].what
        assert problems[f"s{number}"].where == name


def test_the_report_has_project_contact_and_logo(named: Run) -> None:
    report = (named.results / "multiqc" / "multiqc_report.html").read_text()
    assert b64encode(LOGO.encode()).decode() in report
    assert escape(CONTACT) in report
    assert CONTACT not in report
    assert escape("P'1 $(touch evil)") in report
    page = (named.results / "README.html").read_text()
    assert escape(CONTACT, quote=False) in page


def script(path: Path) -> str:
    return (path.parents[2] / ".command.sh").read_text()


def test_files_unpacked_by_java_are_private(named: Run) -> None:
    (private,) = (named.folder / "temporary").iterdir()
    assert private.stat().st_mode & 0o777 == 0o700


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """Serve 404 on this machine; yield its address and the requests."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def do_GET(self) -> None:
            self.do_HEAD()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_a_samplesheet_runs_no_code_and_requests_no_addresses_in_notes(
    tmp_path: Path, listener: tuple[str, list[str]]
) -> None:
    address, asked = listener
    (tmp_path / "evil.sh").write_text("#!/bin/sh\ntouch evil\n")
    (tmp_path / "evil.sh").chmod(0o755)
    (tmp_path / f"y\n{tmp_path}").mkdir(parents=True)
    (tmp_path / f"y\n{tmp_path}" / "evil.sh").touch()
    (tmp_path / "loop").mkdir()
    (tmp_path / "loop" / "again").symlink_to(".")
    (tmp_path / "self").symlink_to("self")
    rows = [
        ("code", f"y\n{tmp_path}/evil.sh", ""),
        ("system", "/proc", ""),
        ("self", "self", ""),
        ("absent", f"{address}/counts", f"{address}/note"),
        ("loop", "loop", ""),
        ("bucket", "s3://bucket/of/nobody.h5ad", ""),
    ]
    run = run_pipeline(
        tmp_path, "--input", write_sheet(tmp_path / "sheet.csv", "sample,counts,note", rows)
    )
    assert run.status != 0
    assert not list(tmp_path.rglob("evil"))
    assert set(asked) == {"/counts"}
    for words in [
        "control character",
        "view into the running system",
        "folder 'self'",
        f"folder '{address}/counts'",
        "plugin",  # what else can keep Nextflow from a bucket
        "remedy",
    ]:
        assert words in run.output
    lines = [line for line in range(2, 9) if f"line {line}," in run.output]
    assert lines == [2, 4, 5, 6, 8]
    assert "Exception" not in run.output
    assert "Error executing process" not in run.output


# The tasks are stubs; before that, some end as those killed for memory or time, and some record a
# failure.
RECORD = (
    "cat > foo.clustering.benchmark.compare.failure.json <<< "
    """'{"id": "g", "step": "benchmark.compare", "problems": []}'"""
)
DIES = """'export PATH="%s/.venv/bin:$PATH"; ' + (meta.id == 'x' ? 'exit %d' : '')"""
CONFIG = f"""
process.resourceLimits = [cpus: 1, memory: 2.GB]
process {{
    withName: QUALITY_FILTER {{
        beforeScript = {{ {DIES % (ROOT, 137)} }}
    }}
    withName: EXPRESSION_NORMALIZE {{
        beforeScript = {{ {DIES % (ROOT, 140)} }}
    }}
    withName: ANNOTATION_SCORES {{
        beforeScript = 'exit 137'
    }}
    withName: BENCHMARK_COMPARE {{
        beforeScript = '''export PATH="{ROOT}/.venv/bin:$PATH"; {RECORD}'''
    }}
}}
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a stub with failures.

    Sample x and scores of cells are killed for memory, group x runs out of time, and two seeds fail
    with one name.
    """
    folder = tmp_path_factory.mktemp("killed")
    (folder / "killed.config").write_text(CONFIG)
    good = str(DEMO / "pancreas.h5ad")
    rows = [
        ("x", good, "foo.clustering"),
        ("a.qc", str(DEMO / "blood_2.h5"), "foo.clustering"),
        ("b.failure", good, "x"),
    ]
    sheet = write_sheet(folder / "sheet.csv", "sample,counts,group", rows)
    options = ["--benchmark", "--benchmark_seeds", 2, "--publish_dir_mode", "rellink"]
    options.append("--cell_scores")
    return run_pipeline(folder, "-stub", "-c", folder / "killed.config", "--input", sheet, *options)


def test_samples_killed_at_every_attempt_are_reported_and_the_others_continue(killed: Run) -> None:
    assert killed.status != 0
    assert "x FAILED (quality.filter): The task failed at every attempt" in killed.output
    assert "most likely for lack of memory (exit status 137)" in killed.output
    assert "x FAILED (expression.normalize): The task failed at every attempt" in killed.output
    assert "it ran out of time (exit status 140)" in killed.output
    tries = [task for task in killed.tasks() if task["status"] == "FAILED"]
    assert len(tries) == 9
    assert {path.name for path in (killed.results / "samples").iterdir()} == {"a.qc", "b.failure"}


def test_failures_of_one_name_meet_without_harm(killed: Run) -> None:
    (folder,) = {
        path.parents[1]
        for path in killed.folder.glob("work/*/*/failures/*/*.json")
        if "true" in script(path)
    }
    found = [(failure.id, failure.step, failure.of_sample) for failure in read_failures(folder)]
    of_seeds = [("g", "benchmark.compare", False)] * 2
    scores = ("foo.clustering", "annotation.scores", False)
    assert found == [
        scores,
        *of_seeds,
        ("x", "expression.normalize", False),
        ("x", "quality.filter", True),
    ]


def test_ids_may_end_like_names_of_our_files(killed: Run) -> None:
    assert {path.name for path in (killed.results / "groups").iterdir()} == {"foo.clustering"}
    results = {path.name for path in (killed.results / "groups" / "foo.clustering").iterdir()}
    assert {"foo.clustering.h5ad", "clusters.tsv", "clustering.json"} <= results
    assert not {"clustering.h5ad", "foo.clustering.clustering.h5ad"} & results
    published = {path.name for path in (killed.results / "samples" / "a.qc").iterdir()}
    assert published == {"a.qc.filtered.h5ad", "a.qc.cell_ledger.tsv.gz", "a.qc.qc.json"}
    assert all(path.exists() for path in (killed.results / "samples").rglob("*")), (
        "links lead to what was made"
    )


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system that cannot be written to."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder], capture_output=True, check=False
    ).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def is_any_text(spec: dict[str, Any]) -> bool:
    """Return whether a parameter may be 4711, which Nextflow gives as a number."""
    return (
        "string" in spec["type"]
        and not spec.keys() & {"enum", "exists"}
        and bool(re.search(spec.get("pattern", ""), "4711"))
    )


def test_unusable_paths_and_text_that_is_a_number(tmp_path: Path, read_only: Path) -> None:
    (tmp_path / "folder.h5ad").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe.csv")
    cases = [
        ("input", tmp_path / "pipe.csv", "not a file or folder that can be read"),
        ("reference", tmp_path / "folder.h5ad", "not a file that can be read"),
        ("input", "a\nb.csv", "without line breaks"),
        ("tissue", "a\tb", "without line breaks"),
        ("outdir", tmp_path / "file", "is a file"),
        ("outdir", tmp_path / "file" / "below", "not a directory"),
        ("outdir", read_only, "you have no permission to write to it"),
        ("outdir", read_only / "below", "read-only file system"),
        ("outdir", tmp_path / ("x" * 300), "file name too long"),
        ("outdir", tmp_path / "new*[1] $x", None),
    ]
    quoted = [
        (name, str(value).replace("\n", "\\n").replace("\t", "\\t").replace("$", "\\$"))
        for name, value, _ in cases
    ]
    calls = "\n".join(f'    reported("{name}", "{value}")' for name, value in quoted)
    numbers = [name for name, spec in PARAMETERS.items() if is_any_text(spec)]
    assert {"tissue", "condition", "report_contact", "outdir"} <= set(numbers)
    calls += "".join(f'\n    reported("{name}", 4711)' for name in numbers)
    cases += [(name, 4711, None) for name in numbers]
    parameters = ROOT / "subworkflows/local/utils/parameters.nf"
    (tmp_path / "main.nf").write_text(
        f"""include {{ knownParameters ; parameterProblems ; placeProblems }} from '{parameters}'
def reported(name, value) {{
    def known = knownParameters(file('{ROOT}/nextflow_schema.json'))
    println "TOLD " + parameterProblems(name, value, known[name])
}}
workflow {{
{calls}
    println "TOLD " + placeProblems(['-work-dir': "/a\\nb", place: '/a b[1]', other: '/\\$x'])
}}
"""
    )
    command = [str(ROOT / "nextflow"), "-q", "run", "main.nf", "-ansi-log", "false"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    *reported, places = [
        line.removeprefix("TOLD ") for line in done.stdout.splitlines() if line.startswith("TOLD ")
    ]
    assert len(reported) == len(cases), done.stdout + done.stderr
    for line, (name, _, words) in zip(reported, cases, strict=True):
        assert (f"--{name} is" in line and words in line.lower()) if words else line == "[]", line
    assert "-work-dir is '/a?b'" in places
    assert "other is '/$x'" in places
    assert "/a b[1]" not in places
