"""The finished report: MultiQC end to end. What a browser makes of it: test_browser.py."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from scsiameseclu.report.tables import write_tables

from tests.report.simulate import HOSTILE, Plan, simulate
from tests.report.test_tables import METHODS, write

pytestmark = pytest.mark.slow

CONFIG = Path(__file__).parents[2] / "assets" / "multiqc_config.yml"


def multiqc(directory: Path) -> Path:
    program = Path(sys.executable).with_name("multiqc")
    if not program.exists():
        pytest.skip("MultiQC is not in this environment")
    configs = ["--config", CONFIG, "--config", directory / "section_order.yml"]
    command = [program, "--strict", *configs, "--outdir", directory, directory]
    done = subprocess.run(command, capture_output=True, text=True, cwd=directory, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not re.search(r"\b(ERROR|WARNING|Error|Warning)\b", done.stdout + done.stderr), (
        done.stdout + done.stderr
    )
    return directory / "multiqc_report.html"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Make the report of five samples in two groups, one of them failed, with hostile values."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        _, outputs = write(
            tmp_path_factory.mktemp("report"),
            Plan(n_samples=5, hostile=True, scored=True),
            monkeypatch,
        )
        return multiqc(outputs)


def test_every_section_is_in_the_report_in_its_order(report):
    html = report.read_text()
    order = [
        "verdict_table",
        "failed_steps",
        "groups",
        "cell_ledger",
        "distribution_n_genes_by_counts",
        "doublet_scores",
        "variable_genes",
        "ambient",
        "batch_correction",
        "batch_mixing",
        "batch_concordance",
        "umap_correction",
        "sample_distances_1",
        "sample_distances_2",
        "cluster_tree",
        "training",
        "umap_1",
        "umap_2",
        "cluster_sizes",
        "comparison_1",
        "clusters",
        "marker_dots",
        "markers",
        "cell_scores",
        "gene_dots",
        "scores",
        "marker_agreement",
        "contingency_1",
        "differential_expression",
        "samplesheet",
        "parameters",
        "versions",
        "cellxgene",
        "methods",
        "reopening",
    ]
    places = [html.index(f'id="mqc-section-wrapper-{section}"') for section in order]
    assert places == sorted(places)


def test_the_report_links_no_resource_of_a_server(report):
    markup = re.sub(r"<script\b[^>]*>.*?</script>", "", report.read_text(), flags=re.DOTALL)
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=.https?://", markup)


def test_hostile_values_are_text(report):
    markup = report.read_text()
    assert HOSTILE not in markup
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in markup
    assert "<b>bold</b>" not in markup


def test_numbers_in_cells_are_formatted(report):
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", report.read_text())
    assert any(re.fullmatch(r"\d+\.\d\d", cell) for cell in cells)
    assert not [cell for cell in cells if re.search(r"\d\.\d{4,}", cell)]


def cpu_seconds() -> float:
    """Return CPU seconds of this process and its waited children; others do not count."""
    return sum(
        sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )


@pytest.mark.parametrize("n_groups", [12, 96])
def test_96_samples_of_100_000_cells_make_a_small_report_in_a_minute(
    tmp_path, monkeypatch, n_groups
):
    plan = Plan(
        n_samples=96, n_groups=n_groups, n_cells=1050, n_clusters=12, failed=(5,), unfiltered=True
    )
    paths = simulate(tmp_path / "in", plan)
    outputs = tmp_path / "out"
    outputs.mkdir()
    monkeypatch.chdir(outputs)
    begun = cpu_seconds()
    write_tables(**paths, methods=METHODS)
    report = multiqc(outputs)
    assert cpu_seconds() - begun < 60
    assert report.stat().st_size <= 8_000_000


@pytest.mark.parametrize(
    "plan",
    [
        Plan(n_samples=2, n_groups=2, failed=(1,), labelled=False),
        Plan(n_samples=1, n_groups=1, failed=(), labelled=False, n_clusters=1),
        Plan(n_samples=2, n_groups=2, failed=(0, 1)),
    ],
    ids=["failed and unlabelled", "single cluster", "all failed"],
)
def test_the_report_is_sound_whatever_is_missing(tmp_path, monkeypatch, plan):
    _, outputs = write(tmp_path, plan, monkeypatch)
    markup = multiqc(outputs).read_text()
    sections = re.findall(r'id="mqc-section-wrapper-(\w+)"', markup)
    assert sections[0] == "verdict_table"
    assert {path.name.removesuffix("_mqc.json") for path in outputs.glob("*_mqc.json")} == set(
        sections
    )
