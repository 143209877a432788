"""When a run is over the console, a mail and a webhook say so; and telling can fail without harm."""

from __future__ import annotations

import email
import email.policy
import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import run_pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.pipeline
SENDMAIL = """#!/bin/sh
cat > "$(dirname "$0")/mail"
exit ${SENDMAIL_STATUS:-0}
"""


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Start a server on this machine; its address, and the messages that it got; /no answers 500."""
    messages: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/json"
            messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path == "/no" else 204)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Stay silent."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", messages
    server.shutdown()
    server.server_close()


@pytest.fixture
def mailbox(tmp_path: Path) -> Path:
    """Make a folder with a sendmail that keeps the mail in a file."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sendmail").write_text(SENDMAIL)
    (folder / "sendmail").chmod(0o755)
    return folder


def path_with(folder: Path) -> dict[str, str]:
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_a_finished_run_is_told_by_mail_and_webhook(
    tmp_path: Path, mailbox: Path, webhook: tuple[str, list[dict[str, Any]]]
) -> None:
    address, messages = webhook
    run = run_pipeline(
        tmp_path, "-stub", "--email", "core@example.org,boss@example.org", "--email_on_fail", "other@example.org",
        "--hook_url", f"{address}/secret", "--report_title", "Plate 7",
        profile="test,venv", variables=path_with(mailbox),
    )  # fmt: skip
    assert run.status == 0, run.output
    report = str(run.results / "multiqc" / "multiqc_report.html")
    (message,) = messages
    assert message["success"] is True
    assert message["report"] == report
    assert message["text"].startswith("scSiameseClu finished: Plate 7\n")
    assert report in message["text"]
    assert report in run.output

    mail = email.message_from_bytes((mailbox / "mail").read_bytes(), policy=email.policy.default)
    assert mail["To"] == "core@example.org, boss@example.org"
    assert mail["Subject"] == "scSiameseClu finished: Plate 7"
    bodies = {
        part.get_content_type(): part for part in mail.walk() if not part.is_multipart() and not part.get_filename()
    }
    assert report in bodies["text/plain"].get_content()
    assert "<pre" in bodies["text/html"].get_content()
    assert "multiqc_report.html" in {part.get_filename() for part in mail.walk()}

    kept = "".join(path.read_text() for path in (run.results / "pipeline_info").glob("params.json"))
    assert "secret" not in kept
    assert "example.org" not in kept


def test_telling_can_fail(tmp_path: Path, mailbox: Path, webhook: tuple[str, list[dict[str, Any]]]) -> None:
    address, messages = webhook
    run = run_pipeline(
        tmp_path, "-stub", "--email", "core@example.org", "--hook_url", f"{address}/no",
        profile="test,venv", variables=path_with(mailbox) | {"SENDMAIL_STATUS": "75"},
    )  # fmt: skip
    assert run.status == 0, run.output
    assert len(messages) == 1
    assert "The message to the webhook could not be sent: the server answered 500" in run.output
    assert "The mail to core@example.org could not be sent" in run.output


def test_a_failed_run_is_told_to_those_who_asked(
    tmp_path: Path, mailbox: Path, webhook: tuple[str, list[dict[str, Any]]]
) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("sample,counts\na,<b>nowhere</b>.h5ad\n")
    info = tmp_path / "results" / "pipeline_info"
    info.mkdir(parents=True)
    (info / "summary.txt").write_text("Samples:  all fine, in an earlier run\n")
    run = run_pipeline(
        tmp_path, "--input", sheet, "--email_on_fail", "core@example.org", "--hook_url", webhook[0],
        variables=path_with(mailbox),
    )  # fmt: skip
    assert run.status != 0
    (message,) = webhook[1]
    assert message["success"] is False
    assert message["report"] is None
    assert "stopped before its report" in message["text"]
    assert "earlier run" not in run.output
    mail = email.message_from_bytes((mailbox / "mail").read_bytes(), policy=email.policy.default)
    assert mail["Subject"].startswith("scSiameseClu FAILED: ")
    html = next(part for part in mail.walk() if part.get_content_type() == "text/html").get_content()
    assert "<b>nowhere" not in html


def test_addresses_are_checked_before_the_run(tmp_path: Path) -> None:
    run = run_pipeline(tmp_path, "--email", "nobody", "--hook_url", "ftp://x", profile="test,venv")
    assert run.status != 0
    assert "--email is 'nobody' but must be a mail address" in run.output
    assert "--hook_url is 'ftp://x' but must be an address that begins with" in run.output
