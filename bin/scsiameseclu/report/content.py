"""MultiQC custom content from tidy values: one :class:`Section` is one file, one heading and one plot of the report.

MultiQC puts names into HTML and into Plotly labels as they are. Every value that a user can choose must go through
:func:`text`, which makes it harmless in both.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files import write_json
from .palette import FAIL, cluster_color

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Number = float | int | None
Rows = Mapping[str, Mapping[str, Any]]
Curve = Sequence[tuple[float, Number]]
Cloud = tuple[str, Sequence[tuple[float, float]]]
"""Colour and points."""

# Plotly knows only numeric entities and a handful of named ones, and fills in %{...}.
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "%": "&#37;"})
_MAX_LEGEND = 60
_GENES_AT_SIGHT = 10
_HINT = "Click a name to hide it, double-click to see it alone:"


def text(value: object, *, length: int = 60) -> str:
    """Return a user's value as harmless HTML: on one line, shortened to `length` characters, markup escaped."""
    printable = "".join(_printable(character) for character in str(value))
    line = " ".join(printable.split())
    return (line if len(line) <= length else f"{line[: length - 1]}…").translate(_ENTITIES)


def thin(count: int, share: float) -> NDArray[np.int64]:
    """Return which of `count` rows stay when only `share` of them may: evenly spaced, the same each time."""
    wanted = min(count, max(int(np.floor(count * share)), 1))
    rows: NDArray[np.int64] = np.floor(np.arange(wanted) * (count / wanted)).astype(np.int64)
    return rows


def unique_texts(values: Iterable[str], *, length: int = 40) -> dict[str, str]:
    """Return users' values as harmless HTML, no two of them alike even where they differ in what is cut off."""
    shown: dict[str, str] = {}
    for value in dict.fromkeys(values):
        label, turn = text(value, length=length), 1
        while label in shown.values():
            turn += 1
            label = f"{text(value, length=length - 5)} ({turn})"
        shown[value] = label
    return shown


def paragraph(value: object, *, length: int = 400) -> str:
    """Return a user's longer text for a table cell, where it wraps."""
    return f'<span class="wrapped">{text(value, length=length)}</span>'


def gene_list(genes: Iterable[str]) -> str:
    """Return names of genes for a table cell: the first at sight, the others on demand."""
    names = [text(gene, length=40) for gene in genes]
    shown, more = ", ".join(names[:_GENES_AT_SIGHT]), ", ".join(names[_GENES_AT_SIGHT:])
    others = f"<details><summary>{len(names) - _GENES_AT_SIGHT} more</summary>{more}</details>" if more else ""
    return f'<span class="wrapped">{shown}{others}</span>'


@dataclass(frozen=True)
class Chapter:
    """A chapter of the report: the stage that its sections come from."""

    id: str
    name: str
    description: str


@dataclass(frozen=True)
class Section:
    """One section of the report.

    Parameters
    ----------
    id
        Identifier, unique in the report; the file is named ``<id>_mqc.json``.
    title
        Heading.
    description
        One or two plain sentences: what to look for, and which file the numbers come from. HTML of ours, which MultiQC
        takes for Markdown: a star is written ``&#42;``.
    chapter
        The chapter.
    body
        MultiQC's ``plot_type``, ``data``, ``pconfig`` and so on.
    """

    id: str
    title: str
    description: str
    chapter: Chapter
    body: Mapping[str, Any]

    def content(self) -> dict[str, Any]:
        """Return the custom content as MultiQC reads it."""
        return {
            "id": self.id,
            "section_name": self.title,
            "description": self.description,
            "parent_id": self.chapter.id,
            "parent_name": self.chapter.name,
            "parent_description": self.chapter.description,
            **self.body,
        }

    def write(self, directory: Path) -> None:
        """Write the section into `directory`."""
        write_json(self.content(), directory / f"{self.id}_mqc.json", indent=None)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    title, description
        Heading, and what it says when the mouse rests on it.
    format
        Python format of numbers, such as ``{:,.1f}``.
    suffix
        Unit after the number.
    scale
        Name of a ColorBrewer scale for bars behind the numbers; False for none.
    bounds
        Lowest and highest value of the scale.
    rules
        Conditional formatting: a list of comparisons for each of ``pass``, ``warn``, ``fail``.
    """

    title: str
    description: str = ""
    format: str | None = None
    suffix: str | None = None
    scale: str | bool = False
    bounds: tuple[float | None, float | None] = (0, None)
    rules: Mapping[str, Sequence[Mapping[str, float | str]]] = field(default_factory=dict)

    def header(self) -> dict[str, Any]:
        """Return the column as MultiQC's header."""
        header: dict[str, Any] = {
            "title": self.title,
            "description": self.description or self.title,
            "scale": self.scale,
            "min": self.bounds[0],
            "max": self.bounds[1],
            "format": self.format,
            "suffix": self.suffix,
            "cond_formatting_rules": dict(self.rules),
        }
        return {key: value for key, value in header.items() if value is not None}


def table(rows: Rows, columns: Mapping[str, Column], *, id: str, title: str, first: str) -> dict[str, Any]:  # noqa: A002
    """Return the body of a table; `rows` in their order, `first` the heading of their names."""
    return {
        "plot_type": "table",
        "pconfig": {
            "id": f"{id}_table",
            "title": title,
            "col1_header": first,
            "sort_rows": False,
            "no_violin": True,
            "save_file": True,
        },
        "headers": {key: column.header() for key, column in columns.items()},
        "data": _known(rows),
    }


def bars(
    datasets: Mapping[str, Rows],
    colors: Mapping[str, str],
    *,
    id: str,  # noqa: A002
    title: str,
    label: str,
    names: Mapping[str, str] | None = None,
    shares: bool = True,
) -> dict[str, Any]:
    """Return the body of stacked bars, with a switch between counts and shares of each bar if `shares`.

    Parameters
    ----------
    datasets
        Name of the data set -> bar -> category -> value.
    colors
        Category -> colour, in the order of stacking.
    names
        Category -> what the legend calls it. Default: the category.
    label
        The axis' title.
    """
    names = names or {}
    used = [{category for row in rows.values() for category in row} for rows in datasets.values()]
    return {
        "plot_type": "bargraph",
        "pconfig": {
            "id": f"{id}_plot",
            "title": title,
            "ylab": label,
            "cpswitch": shares,
            "sort_samples": False,
            "series_label": False,
            "data_labels": _labels(datasets, label),
        },
        "categories": [
            {
                category: {"name": names.get(category, category), "color": color}
                for category, color in colors.items()
                if category in some
            }
            for some in used
        ],
        "data": list(datasets.values()),
    }


def lines(
    datasets: Mapping[str, Mapping[str, Curve]],
    *,
    id: str,  # noqa: A002
    title: str,
    x_label: str,
    y_label: str = "",
    colors: Mapping[str, str] | None = None,
    dashed: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the body of a line graph: name of the data set -> name of the line -> its points.

    Without a `y_label`, each data set's name is the label of its axis.
    """
    names = list(dict.fromkeys(name for curves in datasets.values() for name in curves))
    return {
        "plot_type": "linegraph",
        "pconfig": {
            "id": f"{id}_plot",
            "title": title,
            "xlab": x_label,
            "ylab": y_label,
            "series_label": False,
            "colors": dict(colors or {name: cluster_color(index) for index, name in enumerate(names)}),
            "dash_styles": dict.fromkeys(dashed, "dash"),
            "showlegend": len(names) <= _MAX_LEGEND,
            "data_labels": _labels(datasets, y_label),
            **(options or {}),
        },
        # Pairs, not a mapping: JSON would make the keys strings, and MultiQC would sort them as such.
        "data": [
            {name: [list(point) for point in curve] for name, curve in curves.items()} for curves in datasets.values()
        ],
    }


def points(
    datasets: Mapping[str, Mapping[str, Cloud]],
    *,
    id: str,  # noqa: A002
    title: str,
    x_label: str,
    y_label: str,
) -> dict[str, Any]:
    """Return the body of a scatter plot: name of the data set -> name of the cloud -> its colour and points.

    MultiQC's own scatter plot draws one trace per point, which browsers do not survive with thousands of cells. Its
    line graph draws one trace per cloud when the lines have no width; that also gives a legend that hides clouds.
    """
    extra = [[_cloud(name, *cloud) for name, cloud in clouds.items()] for clouds in datasets.values()]
    anchors = [{_HINT: {next(iter(clouds.values()))[1][0][0]: None}} for clouds in datasets.values()]
    return {
        "plot_type": "linegraph",
        "pconfig": {
            "id": f"{id}_plot",
            "title": title,
            "xlab": x_label,
            "ylab": y_label,
            "series_label": False,
            "style": "lines+markers",
            "height": 640,
            "showlegend": True,
            "colors": {_HINT: "rgba(0,0,0,0)"},
            "extra_series": extra,
            "data_labels": _labels(datasets, y_label),
        },
        "data": anchors,
    }


def boxes(
    datasets: Mapping[str, Mapping[str, Mapping[str, float] | Sequence[float]]],
    *,
    id: str,  # noqa: A002
    title: str,
    label: str,
    thresholds: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Return the body of a box plot: data set -> box -> its quantiles or values; thresholds are drawn.

    The quantiles' keys are min, q1, median, q3, max and mean. Where the values themselves are given, each is drawn.
    """
    drawn = [
        {"value": value, "color": FAIL, "width": 1, "dash": "dash", "label": name}
        for name, value in (thresholds or {}).items()
    ]
    return {
        "plot_type": "boxplot",
        "pconfig": {
            "id": f"{id}_plot",
            "title": title,
            "xlab": label,
            "sort_samples": False,
            "series_label": False,
            "boxpoints": "all",
            "data_labels": [{"name": name} for name in datasets] if len(datasets) > 1 else [],
            **({"x_lines": drawn} if drawn else {}),
        },
        "data": [dict(summaries) for summaries in datasets.values()],
    }


def heatmap(
    values: Sequence[Sequence[Number]],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    id: str,  # noqa: A002
    title: str,
    labels: tuple[str, str, str],
    decimals: int = 2,
    highest: float = 1,
) -> dict[str, Any]:
    """Return the body of a heat map from 0 to `highest` with its numbers; `labels` of columns, rows and values."""
    return {
        "plot_type": "heatmap",
        "pconfig": {
            "id": f"{id}_plot",
            "title": title,
            "xlab": labels[0],
            "ylab": labels[1],
            "zlab": labels[2],
            "min": 0,
            "max": highest,
            "square": False,
            "xcats_samples": False,
            "ycats_samples": False,
            "cluster_rows": False,
            "cluster_cols": False,
            "tt_decimals": decimals,
            "display_values": len(rows) * len(columns) <= 400,
            "series_label": False,
            "colstops": [[0, "#ffffff"], [1, "#6baed6"]],
            "height": 180 + 26 * len(rows),
        },
        "xcats": list(columns),
        "ycats": list(rows),
        "data": [list(row) for row in values],
    }


def html(body: str) -> dict[str, Any]:
    """Return the body of a section that is text."""
    return {"plot_type": "html", "data": body}


def _cloud(name: str, color: str, places: Sequence[tuple[float, float]]) -> dict[str, Any]:
    marker = {"symbol": "circle", "color": color, "line_color": color, "width": 0}
    return {"name": name, "pairs": [list(point) for point in places], "color": color, "width": 0, "marker": marker}


def _labels(datasets: Mapping[str, Any], label: str) -> list[dict[str, str]]:
    return [{"name": name, "ylab": label or name} for name in datasets] if len(datasets) > 1 else []


def _known(rows: Rows) -> dict[str, dict[str, Any]]:
    return {name: {key: value for key, value in row.items() if value is not None} for name, row in rows.items()}


def _printable(character: str) -> str:
    return " " if unicodedata.category(character) in {"Cc", "Cf", "Cs"} and character != "\u200d" else character
