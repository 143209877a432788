"""The finished report: MultiQC end to end, and what a browser makes of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.report.simulate import HOSTILE, Plan
from tests.report.test_tables import write

CONFIG = Path(__file__).parents[2] / "assets" / "multiqc_config.yml"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=8000",
]


def multiqc(directory: Path) -> Path:
    program = Path(sys.executable).with_name("multiqc")
    if not program.exists():
        pytest.skip("MultiQC is not in this environment")
    command = [program, "--strict", "--config", CONFIG, "--outdir", directory, directory]
    done = subprocess.run(command, capture_output=True, text=True, cwd=directory, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not re.search(r"\b(ERROR|WARNING|Error|Warning)\b", done.stdout + done.stderr), done.stdout + done.stderr
    return directory / "multiqc_report.html"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Make the report of three samples, one of them failed, with hostile values."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        _, outputs = write(tmp_path_factory.mktemp("report"), Plan(hostile=True), monkeypatch)
        return multiqc(outputs)


@pytest.fixture(scope="module")
def browser(report, tmp_path_factory):
    """Return the report's document after its scripts ran, and what the browser logged."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    profile, log = tmp_path_factory.mktemp("profile"), tmp_path_factory.mktemp("log") / "net.json"
    command = [
        CHROMIUM,
        *QUIET,
        f"--user-data-dir={profile}",
        f"--log-net-log={log}",
        "--enable-logging=stderr",
        "--window-size=1280,900",
        "--dump-dom",
        f"file://{report}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout, done.stderr, log.read_text()


def test_every_section_is_in_the_report_in_its_order(report):
    html = report.read_text()
    order = [
        "verdict_table",
        "cell_ledger",
        "distribution_n_genes_by_counts",
        "doublet_scores",
        "number_of_clusters",
        "training",
        "umap_cluster",
        "umap_cell_type",
        "umap_confidence",
        "cluster_sizes",
        "cluster_stability",
        "comparison_1",
        "markers",
        "cell_types",
        "differential_expression",
        "scores",
        "marker_agreement",
        "contingency_1",
        "samplesheet",
        "parameters",
        "versions",
        "methods",
        "reopening",
    ]
    places = [html.index(f'id="mqc-section-wrapper-{section}"') for section in order]
    assert places == sorted(places)


def test_the_configuration_orders_every_section_there_is(report):
    configured = CONFIG.read_text()
    written = {path.name.removesuffix("_mqc.json") for path in report.parent.glob("*_mqc.json")}
    unknown = [name for name in written if f"  {name}:" not in configured and not name.startswith("general_")]
    assert unknown == []


def test_the_report_links_no_resource_of_a_server(report):
    markup = re.sub(r"<script\b[^>]*>.*?</script>", "", report.read_text(), flags=re.DOTALL)
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=.https?://", markup)


def test_hostile_values_are_text(report, browser):
    document = browser[0]
    assert HOSTILE not in report.read_text()
    assert "&lt;script&gt;alert('x')&lt;/script&gt;" in document
    assert not re.search(r"<b>bold</b>", document)


def test_all_plots_are_drawn_without_errors(browser, report):
    document, log, _ = browser
    plots = set(re.findall(r'id="(\w+_plot)"\s+class="hc-plot ', report.read_text()))
    drawn = set(re.findall(r'id="(\w+_plot)" class="hc-plot [^"]*js-plotly-plot', document))
    plots.discard("table_scatter_plot")  # MultiQC's own, in a dialog
    assert len(plots) >= 14
    assert drawn == plots
    assert "CONSOLE" not in log


def test_the_browser_asked_no_server(browser):
    events = [event.get("params", {}) for event in json.loads(browser[2])["events"]]
    asked = [event for event in events if str(event.get("url", "")).startswith("http") and "initiator" in event]
    # The browser's own errands have no origin; the page's have.
    assert [event["url"] for event in asked if event["initiator"] != "not an origin"] == []


def test_numbers_in_cells_are_formatted(browser):
    document = browser[0]
    cells = re.findall(r'<span class="val">([^<]*)</span>', document)
    assert cells
    assert not [cell for cell in cells if re.search(r"\d\.\d{4,}", cell)]
