"""The report in a browser: no errors, no requests, everything is there and works."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.report.simulate import HOSTILE, Plan
from tests.report.test_report import multiqc
from tests.report.test_tables import write

pytestmark = pytest.mark.slow

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="Playwright is not in this environment"
)
expect = sync_api.expect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator, Page

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
PLANS = {
    "1": Plan(n_samples=1, n_groups=1, failed=(), labelled=False),
    "3": Plan(hostile=True, scored=True),
    "96": Plan(n_samples=96, n_groups=12, n_cells=230, n_clusters=12, failed=(5,), unfiltered=True),
}
WIDTHS = (1280, 1600)
PATIENCE = 60_000
"""Milliseconds after which a page that does not get there has failed: many, for machines under
load."""
SHOWN = ("verdict_table", "barcode_rank", "cell_ledger", "variable_genes", "clusters")
SHOWN += ("cluster_tree", "marker_dots", "markers")
PICTURES_AND_TEXT = ("cluster_tree", "marker_dots", "gene_dots", "methods", "reopening")

DRAWN = """[...document.querySelectorAll('.hc-plot')]
    .every(plot => plot.offsetParent === null || plot.classList.contains('js-plotly-plot'))"""
"""True as soon as every plot in sight is drawn."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    expect.set_options(timeout=PATIENCE)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=PLANS)
def report(request, tmp_path_factory) -> tuple[str, Path]:
    """Make the report of a plan; the plan's name and the file."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        _, outputs = write(tmp_path_factory.mktemp("report"), PLANS[request.param], monkeypatch)
        return request.param, multiqc(outputs)


class Opened:
    """A report in a browser, with all that it complained of, asked for or popped up."""

    def __init__(self, browser: Browser, path: Path, width: int) -> None:
        self.told: list[str] = []
        self.asked: list[str] = []
        self.page: Page = browser.new_page(viewport={"width": width, "height": 900})
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", lambda message: self.told.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.told.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.told.append(dialog.message), dialog.dismiss()))
        self.page.route("**/*", self._answer)
        self.page.goto(path.as_uri())
        self.page.wait_for_function(DRAWN)

    def _answer(self, route: sync_api.Route) -> None:
        url = route.request.url
        if url.startswith(("file:", "data:", "blob:")):
            route.continue_()
        else:
            self.asked.append(url)
            route.abort()

    def section(self, name: str) -> Locator:
        """Return a section, in view."""
        section = self.page.locator(f"#mqc-section-wrapper-{name}")
        section.scroll_into_view_if_needed()
        return section


@pytest.fixture(scope="module", params=WIDTHS)
def opened(request, browser, report) -> Iterator[tuple[str, int, Opened]]:
    name, path = report
    opened = Opened(browser, path, request.param)
    yield name, request.param, opened
    opened.page.close()


@pytest.fixture(scope="module")
def three(browser, tmp_path_factory) -> Iterator[Opened]:
    """Open the report of three samples, to be played with."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        _, outputs = write(tmp_path_factory.mktemp("three"), PLANS["3"], monkeypatch)
        opened = Opened(browser, multiqc(outputs), 1280)
    yield opened
    opened.page.close()


def test_it_opens_without_an_error_or_a_request(opened):
    assert opened[2].told == []
    assert opened[2].asked == []


def test_every_section_has_content(opened):
    page = opened[2].page
    sections = page.evaluate(
        """() => [...document.querySelectorAll('[id^="mqc-section-wrapper-"]')].map(section => ({
            id: section.id.replace('mqc-section-wrapper-', ''),
            traces: [...section.querySelectorAll('.hc-plot.js-plotly-plot')]
                .map(plot => plot.data.length),
            marks: section.querySelectorAll(
                '.trace path, .trace .point, .points path, .bars path, .hm image, ' +
                '.heatmaplayer image').length,
            rows: section.querySelectorAll('tbody tr').length,
            words: section.innerText.length,
            height: section.getBoundingClientRect().height,
        }))"""
    )
    assert len(sections) >= 25
    for section in sections:
        assert section["words"] > 60, section
        assert section["height"] > 60, section
        if section["traces"]:
            assert min(section["traces"]) > 0, section
            assert section["marks"] > 0, section
        elif section["id"] not in PICTURES_AND_TEXT:
            assert section["rows"] > 0, section


def test_the_verdict_comes_first_and_nothing_is_wider_than_the_page(opened):
    report = opened[2]
    headings = report.page.locator("h3").all_inner_texts()
    assert headings[0].strip() == "Verdict per sample"
    wide = report.page.evaluate(
        """() => [...document.querySelectorAll(
                '.mqc-section, .hc-plot-wrapper, .mqc-section-description')]
            .filter(part => part.getBoundingClientRect().right > innerWidth).map(part => part.id)"""
    )
    assert wide == []


def test_headings_of_the_verdict_stand_on_one_line(opened):
    headings = opened[2].page.locator("#verdict_table_table_table thead th")
    lowest = headings.evaluate_all(
        "headings => headings.map(h => (h.querySelector('.mqc_table_tooltip') ?? "
        "h).getBoundingClientRect().bottom)"
    )
    assert max(lowest) - min(lowest) < 10


def test_legends_and_labels_are_not_cut(opened):
    cut = opened[2].page.evaluate(
        """() => [...document.querySelectorAll('.hc-plot.js-plotly-plot')].flatMap(plot => {
            const box = plot.getBoundingClientRect();
            const texts = '.legendtext, .xtick text, .ytick text, .g-gtitle text';
            return [...plot.querySelectorAll(texts)]
                .filter(text => {
                    const its = text.getBoundingClientRect();
                    return its.width > 0
                        && (its.right > box.right + 1 || its.left < box.left - 1);
                })
                .map(text => plot.id + ': ' + text.textContent);
        })"""
    )
    assert cut == []


def test_screenshots_are_kept(opened):
    name, width, report = opened
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    report.page.evaluate("scrollTo(0, 0)")
    report.page.screenshot(path=SCREENSHOTS / f"{name}_{width}_top.png")
    for section in SHOWN:
        report.section(section).screenshot(path=SCREENSHOTS / f"{name}_{width}_{section}.png")
    assert len(list(SCREENSHOTS.glob(f"{name}_{width}_*.png"))) > len(SHOWN)


def test_hostile_values_are_visible_as_text(three):
    assert three.told == []
    for section in ("verdict_table", "samplesheet", "markers", "clusters"):
        assert HOSTILE in three.section(section).inner_text(), section
    three.section("umap_1").get_by_role("button", name="Cell type").click()
    for plot in ("umap_1", "composition", "contingency_1"):
        words = three.section(plot).locator(".hc-plot").evaluate("plot => plot.textContent")
        assert "<script>alert('x" in words, plot
        assert '"quoted" & <b>bold</b' in words, plot
    assert "<script>alert('x" in three.section("marker_dots").locator("svg").first.evaluate(
        "svg => svg.textContent"
    )
    tree = three.section("cluster_tree").locator("svg").first.evaluate("svg => svg.textContent")
    assert "<script>alert('x" in tree
    assert "🧬" in three.section("clusters").inner_text()
    assert three.page.locator("script", has_text="alert('x')").count() == 0


def test_the_umap_switches_what_colours_it(three):
    section = three.section("umap_1")
    title = section.locator(".gtitle-subtitle, .g-gtitle").first
    clouds = "plot => plot.data.slice(1).map(trace => trace.name)"
    switches = section.locator(".dataset-switch-group button")
    names = [name.strip() for name in switches.all_inner_texts()]
    assert names[:4] == ["Cluster", "Cell type", "Coarse cluster", "Fine cluster"]
    assert {"Confidence", "Counts per cell", "Doublet score"} <= set(names)
    seen = []
    for place, name in enumerate(names):
        switches.nth(place).click()
        expect(title).to_contain_text(name)
        seen.append(section.locator(".hc-plot").evaluate(clouds))
        assert seen[-1], name
    assert all(name.startswith("Cluster ") for name in seen[0])
    assert any(name.startswith("Below ") for name in seen[names.index("Counts per cell")])
    assert len({tuple(names) for names in seen if "Cluster 0" not in names}) == len(names) - 3


def test_bars_switch_to_percentages(three):
    three.section("cell_ledger").get_by_role("button", name="Percentages").click()
    three.page.wait_for_function(
        "Math.max(...document.querySelector('#cell_ledger_plot').data[0].x) <= 100"
    )


def test_a_click_in_the_legend_hides_a_cloud(three):
    section = three.section("umap_1")
    section.get_by_role("button", name="Confidence").click()
    expect(section.locator(".gtitle-subtitle, .g-gtitle").first).to_contain_text("Confidence")
    plot = section.locator(".hc-plot")
    hidden = "plot => plot.data.filter(trace => trace.visible == 'legendonly').length"
    assert plot.evaluate(hidden) == 0
    section.locator(".legendtoggle").nth(1).click()
    three.page.wait_for_function(
        "document.querySelector('#umap_1_plot').data.some(t => t.visible == 'legendonly')"
    )
    assert plot.evaluate(hidden) == 1


def click_until(header, order):
    """Click until the table is sorted so; a click during sorting is lost on a busy machine."""
    for _ in range(5):
        header.click()
        with contextlib.suppress(AssertionError):
            expect(header).to_have_attribute("aria-sort", order, timeout=15_000)
            return
    pytest.fail(f"a click does not sort the table: {order}")


def test_tables_sort_and_filter(three):
    section = three.section("clusters")
    cells = "rows => rows.map(row => Number(row.cells[2].innerText.replaceAll(',', '')))"
    rows = section.locator("tbody tr[data-sample-group]")
    before = rows.evaluate_all(cells)
    header = section.locator("#header_n_cells")
    # The rows follow a moment after the click, together with aria-sort.
    for order in ("descending", "ascending"):
        click_until(header, order)
        assert rows.evaluate_all(cells) == sorted(before, reverse=order == "descending")

    page = three.page
    page.locator(".mqc-toolbox-buttons [href='#mqc_hidesamples']").click()
    page.locator("#mqc_hidesamples_show").check()
    page.locator("#mqc_hidesamples_filter").fill("group_2")
    page.locator("#mqc_hidesamples_filter_update").click()
    page.locator("#mqc_hidesamples_apply").click()
    names = section.locator("tbody tr[data-sample-group]:visible th")
    expect(names).to_have_count(5)
    assert all(name.startswith("group_2") for name in names.all_inner_texts())


@pytest.mark.parametrize(
    ("form", "begins"), [("image/png", b"\x89PNG"), ("image/svg+xml", b"<svg")]
)
def test_a_plot_is_exported(browser, tmp_path_factory, three, form, begins):
    page = three.page
    page.reload()
    page.wait_for_function(DRAWN)
    three.section("umap_1").locator(".export-plot").click()
    page.locator("#mqc_export_ft").select_option(form)
    with page.expect_download() as download:
        page.locator("#mqc-dl-plot-txt").click()
    assert download.value.path().read_bytes().startswith(begins)
    assert three.asked == []
