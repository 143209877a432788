"""The end of a run is reported by console, mail and webhook, and this can fail without harm.

The runs reported are stubs that go through every step, and a samplesheet with all kinds of
mistakes. The stubs answer for the memory of tasks and for inputs at addresses, too.
"""

from __future__ import annotations

import email
import email.policy
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import (
    BaseHTTPRequestHandler,
    HTTPServer,
    SimpleHTTPRequestHandler,
    ThreadingHTTPServer,
)
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from .conftest import DEMO, ROOT, Run, run_pipeline
from .test_resources import UNITS, memory, tasks

pytestmark = pytest.mark.pipeline
SENDMAIL = """#!/bin/sh
cat > "$(dirname "$0")/mail"
exit ${SENDMAIL_STATUS:-0}
"""


@dataclass
class Reported:
    """A run with its messages to the webhook and its mail."""

    run: Run
    messages: list[dict[str, Any]]
    mail: email.message.EmailMessage


@contextmanager
def webhook(status: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Start a local server that answers `status`; return its address and its messages."""
    messages: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/json"
            messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Stay silent."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", messages
    server.shutdown()
    server.server_close()


def reported(folder: Path, *arguments: object, answers: int = 204, sendmail: int = 0) -> Reported:
    """Run with a webhook that `answers` and a sendmail that keeps the mail and its status."""
    program = folder / "bin" / "sendmail"
    program.parent.mkdir()
    program.write_text(SENDMAIL)
    program.chmod(0o755)
    variables = {"PATH": f"{program.parent}:{os.environ['PATH']}", "SENDMAIL_STATUS": str(sendmail)}
    with webhook(answers) as (address, messages):
        run = run_pipeline(
            folder,
            *arguments,
            "--hook_url",
            f"{address}/secret",
            variables=variables,
        )
    mail = email.message_from_bytes(
        (program.parent / "mail").read_bytes(), policy=email.policy.default
    )
    assert isinstance(mail, email.message.EmailMessage)
    return Reported(run, messages, mail)


# The system reports the death of a task in two ways.
DEATH = f"""process {{ withName: QUALITY_FILTER {{
    resourceLimits = [cpus: 1, memory: 3.GB]
    beforeScript = {{
        def death = [exits: 'exit 137', killed: 'kill -9 $$'].get(meta.id, '')
        'export PATH="{ROOT}/.venv/bin:$PATH"; ' + (task.attempt == 1 ? death : '')
    }}
}} }}"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """Run the stub of every step, on a large and two small files.

    The filters of the small ones are killed when first tried.
    """
    folder = tmp_path_factory.mktemp("finished")
    (folder / "model.pkl").touch()
    with (folder / "large.h5").open("wb") as file:
        file.truncate(UNITS["GB"] // 6)
    (folder / "death.config").write_text(DEATH)
    about = f"human,pancreas,{DEMO / 'pancreas.labels.csv'}"
    for name in ("exits", "killed"):
        shutil.copy(DEMO / "pancreas.h5ad", folder / f"{name}.h5ad")
    (folder / "sheet.csv").write_text(
        "sample,counts,group,organism,tissue,labels,donor\n"
        f"exits,exits.h5ad,two,{about},D1\nkilled,killed.h5ad,two,{about},D2\n"
        f"large,large.h5,one,{about},D3\n"
    )
    return reported(
        folder, "-stub", "-c", folder / "death.config", "--input", folder / "sheet.csv",
        "--device", "cuda", "--condition", "donor",
        "--celltypist_model", folder / "model.pkl",
        "--benchmark", "--benchmark_seeds", 1,
        "--reference", DEMO / "pancreas.h5ad", "--reference_label", "type",
        "--email", "core@example.org,boss@example.org", "--email_on_fail", "other@example.org",
        "--cell_scores", "--genes_of_interest", "CD3D",
        "--report_title", "Plate 7", "--report_project", 4711, "--tissue", 4711,
        "--subcluster", 0, "--export", "seurat,sce",
    )  # fmt: skip


def test_a_stub_run_goes_through_every_step(finished: Reported) -> None:
    assert finished.run.status == 0, finished.run.output
    files = (ROOT / "modules" / "local").glob("*/*/main.nf")
    modules = {f"{path.parent.parent.name}_{path.parent.name}".upper() for path in files}
    # The verdict is for runs in which something failed, the search for samples for those without a
    # samplesheet, the placement and its check for those into an earlier result, modalities for
    # groups with features other than genes.
    elsewhere = {
        "REPORT_VERDICT",
        "INTAKE_FIND_SAMPLES",
        "CLUSTERING_PLACEMENT",
        "CLUSTERING_CHECK_BASE",
    }
    elsewhere |= {"ANNOTATION_MODALITIES"}
    assert finished.run.processes == modules - elsewhere


def test_larger_data_ask_for_more_memory(finished: Reported) -> None:
    asked = {
        task["name"].split()[1]: memory(task) / UNITS["GB"]
        for task in tasks(finished.run, "INTAKE_READ_COUNTS")
    }
    assert asked == {"(large)": 4, "(exits)": 2, "(killed)": 2}


@pytest.mark.parametrize("sample", ["exits", "killed"])
def test_a_task_killed_for_memory_gets_more_and_succeeds(finished: Reported, sample: str) -> None:
    assert finished.run.status == 0, finished.run.output
    filters = tasks(finished.run, "QUALITY_FILTER")
    tries = [task for task in filters if task["name"].endswith(f"({sample})")]
    first, second = sorted(tries, key=lambda task: task["attempt"])
    assert (first["status"], first["exit"], second["status"]) == ("FAILED", "137", "COMPLETED")
    assert memory(first) == 2 * UNITS["GB"]
    assert memory(second) == 3 * UNITS["GB"], "twice as much, but no more than the limit"


def test_a_finished_run_is_reported_by_mail_and_webhook(finished: Reported) -> None:
    run, mail = finished.run, finished.mail
    report = str(run.results / "multiqc" / "multiqc_report.html")
    (message,) = finished.messages
    assert message["success"] is True
    assert message["report"] == report
    assert message["text"].startswith("scSiameseClu finished: Plate 7\n")
    assert report in message["text"]
    assert report in run.output
    assert "Project: 4711" in (run.results / "README.html").read_text()

    assert mail["To"] == "core@example.org, boss@example.org"
    assert mail["Subject"] == "scSiameseClu finished: Plate 7"
    bodies = {
        part.get_content_type(): part
        for part in mail.walk()
        if not part.is_multipart() and not part.get_filename()
    }
    assert report in bodies["text/plain"].get_content()
    assert "<pre" in bodies["text/html"].get_content()
    assert "multiqc_report.html" in {part.get_filename() for part in mail.walk()}

    kept = "".join(path.read_text() for path in (run.results / "pipeline_info").glob("params.json"))
    assert "secret" not in kept
    assert "example.org" not in kept


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Serve the bundled data and a samplesheet on this machine."""
    served = tmp_path / "served"
    served.mkdir()
    for path in DEMO.glob("*.*"):
        (served / path.name).symlink_to(path)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = partial(Quiet, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        (served / "sheet.csv").write_text(
            f"sample,counts,labels\na,{address}/pancreas.h5ad,{address}/pancreas.labels.csv\n"
            "b,blood_2.h5,\n"
        )
        yield address
        server.shutdown()


def test_telling_can_fail_and_samples_at_addresses_are_placed_into_a_base(
    tmp_path: Path, address: str
) -> None:
    """Of a samplesheet at an address, which names addresses and its neighbors."""
    base = tmp_path / "$base [1].h5ad"
    base.write_bytes(b"")
    given = ["--input", f"{address}/sheet.csv", "--base", base, "--email", "core@example.org"]
    placed = reported(tmp_path, "-stub", *given, answers=500, sendmail=75)
    assert placed.run.status == 0, placed.run.output
    staged = {path.resolve().read_bytes() for path in (tmp_path / "work").glob("??/*/given/counts")}
    assert staged == {(DEMO / name).read_bytes() for name in ("pancreas.h5ad", "blood_2.h5")}
    (labels,) = (path.resolve() for path in (tmp_path / "work").glob("??/*/given/labels"))
    assert labels.read_bytes() == (DEMO / "pancreas.labels.csv").read_bytes()
    assert len(placed.messages) == 1
    assert (
        "The message to the webhook could not be sent: the server answered 500" in placed.run.output
    )
    assert "The mail to core@example.org could not be sent" in placed.run.output
    ran = placed.run.processes
    assert {"CLUSTERING_CHECK_BASE", "CLUSTERING_PLACEMENT"} <= ran
    assert "CLUSTERING_SCSIAMESECLU" not in ran
    assert {
        "ANNOTATION_ASSEMBLE",
        "EVALUATION_COMPARISON",
        "EVALUATION_SCORES",
        "REPORT_MULTIQC",
    } <= ran


@pytest.fixture(scope="module")
def mistaken(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """Run a samplesheet with mistakes where summary and report of an earlier run lie."""
    folder = tmp_path_factory.mktemp("mistaken")
    sheet = folder / "sheet.csv"
    sheet.write_text(
        "sample,counts,organism,n_clusters\n"
        "a,<b>nowhere</b>.h5ad,human,auto\n"
        f"b,{DEMO / 'pancreas.h5ad'},martian,-3\n"
        f"b,{DEMO / 'pancreas.h5ad'},human,auto\n"
        f"$(touch evil);`x`,{DEMO / 'pancreas.h5ad'},human,auto\n"
    )
    info = folder / "results" / "pipeline_info"
    info.mkdir(parents=True)
    (info / "summary.txt").write_text("Samples:  all fine, in an earlier run\n")
    report = folder / "results" / "multiqc" / "multiqc_report.html"
    report.parent.mkdir()
    report.write_text("earlier run")
    return reported(folder, "--input", sheet, "--email_on_fail", "core@example.org")


def test_all_mistakes_of_a_samplesheet_are_reported_at_once(mistaken: Reported) -> None:
    run = mistaken.run
    assert run.status != 0
    assert "Traceback" not in run.output
    for word in [
        "nowhere",
        "martian",
        "-3",
        "line 2",
        "line 3",
        "line 4",
        "line 5",
        "evil",
        "remedy",
    ]:
        assert word in run.output, f"{word!r} is missing in:\n{run.output}"
    assert not list(run.folder.rglob("evil"))


def test_a_failed_run_is_reported_by_mail_and_webhook(mistaken: Reported) -> None:
    (message,) = mistaken.messages
    assert message["success"] is False
    assert message["report"] is None
    assert "stopped before its report" in message["text"]
    assert "earlier run" not in mistaken.run.output
    assert not [part for part in mistaken.mail.walk() if part.get_filename()]
    assert mistaken.mail["Subject"].startswith("scSiameseClu FAILED: ")
    html = next(
        part for part in mistaken.mail.walk() if part.get_content_type() == "text/html"
    ).get_content()
    assert "<b>nowhere" not in html
