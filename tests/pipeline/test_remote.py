"""Inputs that are not on this machine, and places that are not on this disk."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import DEMO, run_pipeline

pytestmark = pytest.mark.pipeline


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Serve the bundled data on this machine, with a samplesheet beside them."""
    served = tmp_path / "served"
    served.mkdir()
    for path in DEMO.glob("*.*"):
        (served / path.name).symlink_to(path)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        (served / "sheet.csv").write_text(
            f"sample,counts,labels\na,{address}/pancreas.h5ad,{address}/pancreas.labels.csv\n"
            "b,blood_2.h5,\n"
        )
        yield address
        server.shutdown()


def test_a_samplesheet_at_an_address_names_addresses_and_its_neighbors(
    tmp_path: Path, address: str
) -> None:
    run = run_pipeline(tmp_path, "-stub", "--input", f"{address}/sheet.csv")
    assert run.status == 0, run.output
    staged = {path.resolve().read_bytes() for path in (tmp_path / "work").glob("??/*/given/counts")}
    assert staged == {(DEMO / name).read_bytes() for name in ("pancreas.h5ad", "blood_2.h5")}
    (labels,) = (path.resolve() for path in (tmp_path / "work").glob("??/*/given/labels"))
    assert labels.read_bytes() == (DEMO / "pancreas.labels.csv").read_bytes()


def test_addresses_that_lead_nowhere_are_told(tmp_path: Path, address: str) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(f"sample,counts\na,{address}/absent.h5ad\nb,s3://bucket/of/nobody.h5ad\n")
    run = run_pipeline(tmp_path, "-stub", "--input", sheet)
    assert run.status != 0
    assert "line 2" in run.output
    assert "line 3" in run.output
    assert "plugin" in run.output, "what else can keep Nextflow from a bucket"
    assert "remedy" in run.output
    assert "Exception" not in run.output
