"""The small library for custom content."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from scsiameseclu.report import content as module
from scsiameseclu.report.content import (
    Html,
    Section,
    bars,
    column,
    columns_of,
    heatmap,
    lines,
    points,
    section,
    table,
    text,
    unique_texts,
)
from scsiameseclu.report.methods import _values
from scsiameseclu.report.tables import CHAPTERS

from tests.report.simulate import HOSTILE


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (HOSTILE, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"),
        ('a "b" & c', "a &#34;b&#34; &amp; c"),
        ("%{x}", "&#37;{x}"),
        ("two\nlines\t and \x00 nul", "two lines and nul"),
        ("right\u202eto left", "right to left"),
        ("🧬 gene", "🧬 gene"),
        (7, "7"),
    ],
)
def test_users_values_become_harmless_text(value, shown):
    assert text(value) == shown


def test_long_values_are_shortened_before_they_are_escaped():
    shown = text("<" * 300, length=10)
    assert shown == "&lt;" * 9 + "…"


def test_a_section_is_one_file_that_multiqc_finds(tmp_path):
    rows = {"a": {"x": 1, "y": None}, "b": {"x": float("nan")}}
    body = table(rows, {"x": column("X"), "y": column("Y")}, "Thing")
    Section("things", "Things", "Look.", body, "a/*.tsv, b.json").write(tmp_path, "quality")
    content = json.loads((tmp_path / "things_mqc.json").read_text())
    assert (content["parent_id"], content["parent_name"]) == ("quality", "Quality control")
    assert content["data"] == {"a": {"x": 1}, "b": {}}
    assert list(content["headers"]) == ["x"]
    assert content["pconfig"]["title"] == content["section_name"] == "Things"
    assert content["description"] == "Look. From <code>a/&#42;.tsv</code>, <code>b.json</code>."


def test_a_cell_is_harmless_unless_it_is_markup_of_ours():
    row = {"own": Html("<b>"), "given": "<b>", "long": "<" * 300, "share": 0.5, "n": 3}
    columns = {"own": column("A"), "given": column("B"), "long": column("C", length=100)}
    columns |= {"share": column("D", kind="share"), "n": column("E", kind="count")}
    cells = table({"a": row}, columns, "Name")["data"]["a"]
    assert (cells["own"], cells["given"], cells["share"], cells["n"]) == ("<b>", "&lt;b&gt;", 50, 3)
    assert cells["long"] == f'<span class="wrapped">{"&lt;" * 99}…</span>'


def test_data_sets_get_switches_only_if_there_are_several():
    one = lines({"A": {"l": [(1, 2.0)]}}, x_label="x", y_label="y")
    two = lines({"A": {"l": [(1, 2.0)]}, "B": {"m": [(1, 3.0)]}}, x_label="x", y_label="y")
    assert one["pconfig"]["data_labels"] == []
    assert [label["name"] for label in two["pconfig"]["data_labels"]] == ["A", "B"]


def test_lines_are_pairs_in_their_order():
    body = lines({"A": {"l": [(2, 2.0), (10, 1.0)]}}, x_label="x", y_label="y")
    assert body["data"] == [{"l": [[2, 2.0], [10, 1.0]]}]


def test_a_cloud_of_points_has_no_line():
    body = points({"A": {"c": ("#000000", [[0.0, 1.0], [2.0, 3.0]])}}, x_label="x", y_label="y")
    (cloud,) = body["pconfig"]["extra_series"][0]
    assert cloud["width"] == 0
    assert cloud["pairs"] == [[0.0, 1.0], [2.0, 3.0]]


def test_bars_keep_the_order_of_their_categories_and_drop_unused_ones():
    body = bars({"A": {"s": {"b": 1, "a": 2}}}, {"a": "#1", "b": "#2", "c": "#3"}, label="n")
    assert list(body["categories"][0]) == ["a", "b"]


def test_large_heat_maps_show_no_numbers():
    labels = ("x", "y", "z")
    small = heatmap(pd.DataFrame([[1.0]]), labels=labels)
    large = heatmap(pd.DataFrame([[1.0] * 30] * 30), labels=labels)
    assert small["pconfig"]["display_values"]
    assert not large["pconfig"]["display_values"]


def test_names_that_differ_only_in_what_is_cut_off_stay_apart():
    shown = unique_texts(["x" * 50 + "1", "x" * 50 + "2", "y"], length=10)
    assert list(shown.values()) == ["x" * 9 + "…", "xxxx… (2)", "y"]


def test_what_sections_say_is_complete_and_used():
    texts = dict(module._TEXTS)
    assert list(texts.pop("chapters")) == list(CHAPTERS)
    code = "".join(path.read_text() for path in Path(module.__file__).parent.glob("*.py"))
    for name, words in texts.items():
        assert {"title", "about"} <= set(words), name
        assert set(words) <= {"title", "about", "source", "first", "columns", "if"}, name
        assert ("first" in words) == ("columns" in words), name
        assert re.search(rf'section\(\s*"{name}"', code), name
        assert all(of["title"] for of in columns_of(name).values()) if "columns" in words else True


def test_sentences_that_do_not_apply_are_left_out():
    body = lines({"A": {"l": [(1, 2.0)]}}, x_label="x", y_label="y")
    assert "dashed line" in section("barcode_rank", body, explained=True).about
    assert "dashed line" not in section("barcode_rank", body, explained=False).about


def test_groups_without_values_leave_those_of_others_alone():
    tables = [pd.DataFrame({"p": [None, None]}), pd.DataFrame({"p": [0.5]}), pd.DataFrame()]
    run = SimpleNamespace(tables=lambda _name: dict(enumerate(tables)))
    assert list(_values(run, "shares", "p")) == [0.5]
    run = SimpleNamespace(tables=lambda _name: dict(enumerate(tables[:1])))
    assert len(_values(run, "shares", "p")) == 0
