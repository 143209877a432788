"""The small library for custom content."""

from __future__ import annotations

import json

import pytest
from scsiameseclu.report.content import (
    Chapter,
    Column,
    Section,
    bars,
    heatmap,
    lines,
    points,
    table,
    text,
    unique_texts,
)

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
    chapter = Chapter("chapter", "Chapter", "shows things.")
    rows = {"a": {"x": 1, "y": None}, "b": {"x": float("nan")}}
    body = table(rows, {"x": Column("X"), "y": Column("Y")}, id="things", title="Things", first="Thing")
    Section("things", "Things", "Look.", chapter, body).write(tmp_path)
    content = json.loads((tmp_path / "things_mqc.json").read_text())
    assert content["parent_id"] == "chapter"
    assert content["data"] == {"a": {"x": 1}, "b": {"x": None}}
    assert list(content["headers"]) == ["x", "y"]


def test_data_sets_get_switches_only_if_there_are_several():
    one = lines({"A": {"l": [(1, 2.0)]}}, id="l", title="L", x_label="x", y_label="y")
    two = lines({"A": {"l": [(1, 2.0)]}, "B": {"m": [(1, 3.0)]}}, id="l", title="L", x_label="x", y_label="y")
    assert one["pconfig"]["data_labels"] == []
    assert [label["name"] for label in two["pconfig"]["data_labels"]] == ["A", "B"]


def test_lines_are_pairs_in_their_order():
    body = lines({"A": {"l": [(2, 2.0), (10, 1.0)]}}, id="l", title="L", x_label="x", y_label="y")
    assert body["data"] == [{"l": [[2, 2.0], [10, 1.0]]}]


def test_a_cloud_of_points_has_no_line():
    body = points({"A": {"c": ("#000000", [(0.0, 1.0), (2.0, 3.0)])}}, id="p", title="P", x_label="x", y_label="y")
    (cloud,) = body["pconfig"]["extra_series"][0]
    assert cloud["width"] == 0
    assert cloud["pairs"] == [[0.0, 1.0], [2.0, 3.0]]


def test_bars_keep_the_order_of_their_categories_and_drop_unused_ones():
    body = bars({"A": {"s": {"b": 1, "a": 2}}}, {"a": "#1", "b": "#2", "c": "#3"}, id="b", title="B", label="n")
    assert list(body["categories"][0]) == ["a", "b"]


def test_large_heat_maps_show_no_numbers():
    labels = ("x", "y", "z")
    small = heatmap([[1.0]], rows=["a"], columns=["b"], id="h", title="H", labels=labels)
    large = heatmap([[1.0] * 30] * 30, rows=["a"] * 30, columns=["b"] * 30, id="h", title="H", labels=labels)
    assert small["pconfig"]["display_values"]
    assert not large["pconfig"]["display_values"]


def test_names_that_differ_only_in_what_is_cut_off_stay_apart():
    shown = unique_texts(["x" * 50 + "1", "x" * 50 + "2", "y"], length=10)
    assert list(shown.values()) == ["x" * 9 + "…", "xxxx… (2)", "y"]
