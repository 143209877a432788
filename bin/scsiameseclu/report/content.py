"""MultiQC's custom content.

A :class:`Section` is one file with one heading and one table, plot or text.

What sections and columns are called and what is said of them stands in ``sections.yml``. MultiQC
puts names into HTML and into Plotly labels as they are. A table escapes each text that is no
:class:`Html`; names of rows, curves, bars and so on are made harmless by :func:`text`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from ..files import write_json
from .palette import CLEAR, FAIL, in_order

Key = TypeVar("Key", bound=Hashable)
Rows = Mapping[Any, Mapping[Any, Any]]
"""Name -> key -> value."""
Rules = Mapping[str, Sequence[Mapping[str, float | str]]]
Column = dict[str, Any]
"""MultiQC's header, and of ours ``factor``, what numbers are multiplied by, and ``length``, from
which on text is cut off; what may have more than 60 characters wraps."""
Curve = Sequence[tuple[float, float]]
Pairs = list[list[float]]
Clouds = dict[str, tuple[str, Pairs]]
"""Name -> colour and points."""
Body = dict[str, Any]
"""MultiQC's ``plot_type``, ``data``, ``pconfig`` and so on, without what the section knows."""

# Plotly knows only numeric entities and a handful of named ones, and fills in %{...}.
_ENTITIES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "%": "&#37;"}
)
_MAX_LEGEND = 60
_GENES_AT_SIGHT = 10
_TEXTS: dict[str, Any] = yaml.safe_load(
    Path(__file__).with_name("sections.yml").read_text(encoding="utf-8")
)
_HEADER = [
    "title",
    "description",
    "scale",
    "min",
    "max",
    "format",
    "suffix",
    "cond_formatting_rules",
]
"""What MultiQC knows of a column."""
_KINDS: dict[str, Column] = {
    "text": {},
    "count": {"format": "{:,d}"},
    "percent": {"format": "{:,.1f}", "suffix": "%"},
    "share": {"format": "{:,.1f}", "suffix": "%", "factor": 100},
    "unit": {"format": "{:,.2f}", "max": 1},
    "bar": {"format": "{:,.2f}", "max": 1, "scale": "Blues"},
    "megabytes": {"format": "{:,.0f}", "suffix": "MB"},
}
"""Kinds of columns; a share is shown in percent, a unit is a number from 0 to 1, a bar one with a
bar behind it."""
_HINT = "Click a name to hide it, double-click to see it alone:"


class Html(str):
    """Text that is harmless as HTML."""

    __slots__ = ()


def text(value: object, *, length: int = 60) -> Html:
    """Return a user's value as safe HTML: one line, at most `length` characters, escaped."""
    shown = (" " if _is_hidden(character) else character for character in str(value))
    line = " ".join("".join(shown).split())
    return Html((line if len(line) <= length else f"{line[: length - 1]}…").translate(_ENTITIES))


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs"} and character != "\u200d"


def unique_texts(values: Iterable[str], *, length: int = 40) -> dict[str, Html]:
    """Return users' values as safe HTML, all distinct even where they differ only past the cut."""
    shown: dict[str, Html] = {}
    for value in dict.fromkeys(values):
        label, turn = text(value, length=length), 1
        while label in shown.values():
            turn += 1
            label = Html(f"{text(value, length=length - 5)} ({turn})")
        shown[value] = label
    return shown


def wrapped(markup: str) -> Html:
    """Return harmless HTML for a table cell in which it wraps."""
    return Html(f'<span class="wrapped">{markup}</span>')


def gene_list(genes: Iterable[str]) -> Html:
    """Return names of genes for a table cell: the first at sight, the others on demand."""
    names = [text(gene, length=40) for gene in genes]
    shown, others = ", ".join(names[:_GENES_AT_SIGHT]), names[_GENES_AT_SIGHT:]
    if others:
        more = f"<summary>{len(others)} more</summary>{', '.join(others)}"
        shown += f"<details>{more}</details>"
    return wrapped(shown)


def first_of(names: Sequence[str], most: int, *, between: str = ", ") -> str:
    """Return names in words: the first ones, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return between.join(names[:most]) + more


def thin(count: int, share: float) -> NDArray[np.int64]:
    """Return which of `count` rows stay when only `share` may: evenly spaced, deterministic."""
    wanted = min(count, max(int(np.floor(count * share)), 1))
    rows: NDArray[np.int64] = np.floor(np.arange(wanted) * (count / wanted)).astype(np.int64)
    return rows


def thinned(tables: Mapping[Key, pd.DataFrame], most: int) -> tuple[dict[Key, pd.DataFrame], str]:
    """Return at most `most` rows, the same share of each table, and ``1 of 2`` or ``All 2``."""
    total = sum(map(len, tables.values()))
    share = min(1.0, most / total)
    drawn = {key: table.iloc[thin(len(table), share)] for key, table in tables.items()}
    return drawn, of_all(sum(map(len, drawn.values())), total)


def of_all(drawn: int, total: int) -> str:
    """Return ``1 of 2`` or ``All 2``."""
    return f"All {total:,}" if drawn == total else f"{drawn:,} of {total:,}"


def pairs(table: pd.DataFrame, x: str, y: str, *, decimals: int = 2) -> Pairs:
    """Return the points of two columns."""
    found: Pairs = table[[x, y]].astype(float).round(decimals).to_numpy().tolist()
    return found


@dataclass(frozen=True)
class Section:
    """One section of the report.

    `id` is unique in the report, `title` also that of the plot, `about` what to look for, HTML of
    ours, and `source` the output files that the numbers come from, separated by commas.
    """

    id: str
    title: str
    about: str
    body: Body
    source: str = ""

    def content(self, chapter: str) -> dict[str, Any]:
        """Return the custom content as MultiQC reads it; `chapter` is a key of ``chapters``."""
        files = ", ".join(f"<code>{name.strip()}</code>" for name in self.source.split(","))
        about = f"{self.about} From {files}." if self.source else self.about
        kind = "table" if self.body["plot_type"] == "table" else "plot"
        named = {"id": f"{self.id}_{kind}", "title": self.title, **self.body.get("pconfig", {})}
        return {
            "id": self.id,
            "section_name": self.title,
            "description": about.replace("*", "&#42;"),  # MultiQC takes it for Markdown
            "parent_id": chapter,
            "parent_name": _TEXTS["chapters"][chapter]["name"],
            "parent_description": _TEXTS["chapters"][chapter]["about"],
            **self.body,
            **({"pconfig": named} if "pconfig" in self.body else {}),
        }

    def write(self, directory: Path, chapter: str) -> None:
        """Write the section into `directory`."""
        write_json(self.content(chapter), directory / f"{self.id}_mqc.json", indent=None)


def column(
    title: str, about: str = "", *, kind: str = "text", rules: Rules | None = None, **looks: Any
) -> Column:
    """Return a column of a table; `looks` are those of its kind, or stand in their place.

    `rules` are MultiQC's comparisons for each of ``pass``, ``warn``, ``fail``.
    """
    words = {"title": title, "description": about or title}
    plain = {"scale": False, "min": 0, "cond_formatting_rules": rules or {}}
    return {**words, **plain, **_KINDS[kind], **looks}


def section(name: str, body: Body, *, number: object = "", of: str = "", **facts: Any) -> Section:
    """Return a section of ``sections.yml``.

    `name` is its key there, `number` what its id ends with, where there are several of it, and `of`
    what its title ends with. `facts` are filled into its sentences: True is the sentence of that
    name under ``if``, False is nothing.
    """
    words = _TEXTS[name]
    facts = {
        key: words["if"][key] * value if isinstance(value, bool) else value
        for key, value in facts.items()
    }
    title, about, source = (
        words.get(part, "").format(**facts) for part in ("title", "about", "source")
    )
    own_title = f"{title}: {of}" if of else title
    return Section(f"{name}_{number}" if number else name, own_title, about, body, source)


def table_section(
    name: str,
    rows: Rows,
    columns: Mapping[str, Column] | None = None,
    *,
    most: int | None = None,
    which: str = "first",
    by: Callable[[Any], float | None] = lambda _row: 0,
    **facts: Any,
) -> Iterator[Section]:
    """Yield a section of ``sections.yml`` that is a table, unless it has no rows.

    It has all of its columns by default. Of more rows than `most` those lowest in `by` stay, and
    ``{shown}`` says that they are the `which` ones.
    """
    shown = ""
    if most is not None and len(rows) > most:
        values = {name: by(row) for name, row in rows.items()}
        order = sorted(rows, key=lambda name: np.inf if (v := values[name]) is None else v)
        kept, shown = set(order[:most]), f" The {most} {which} of {len(rows)} rows are shown."
        rows = {name: row for name, row in rows.items() if name in kept}
    if rows:
        body = table(rows, columns or columns_of(name), _TEXTS[name]["first"])
        yield section(name, body, shown=shown, **facts)


def columns_of(name: str) -> dict[str, Column]:
    """Return the columns of a section; a title that is not given is the key in words."""
    columns = _TEXTS[name]["columns"].items()
    return {
        key: column(**{"title": key.replace("_", " ").capitalize(), **looks})
        for key, looks in columns
    }


def table(rows: Rows, columns: Mapping[str, Column], first: str) -> Body:
    """Return a table of `rows` in their order, `first` the heading of their names.

    What is in a row but not in `columns` is left out, and so is a column without a value.
    """
    shown = {name: _cells(row, columns) for name, row in rows.items()}
    used = {key for cells in shown.values() for key in cells}
    return {
        "plot_type": "table",
        "pconfig": {"col1_header": first, "sort_rows": False, "no_violin": True, "save_file": True},
        "headers": {
            key: {name: of[name] for name in _HEADER if of.get(name) is not None}
            for key, of in columns.items()
            if key in used
        },
        "data": shown,
    }


def _cells(row: Mapping[Any, Any], columns: Mapping[str, Column]) -> dict[str, Any]:
    cells = {key: _cell(row.get(key), **of) for key, of in columns.items()}
    return {key: cell for key, cell in cells.items() if cell is not None}


def _cell(value: Any, *, length: int = 60, factor: int = 1, **_looks: Any) -> Any:
    """Return a value as it is shown; None where it is missing."""
    if isinstance(value, Html):
        return value
    if isinstance(value, str):
        shown = text(value, length=length)
        return (wrapped(shown) if length > 60 else shown) if shown else None
    return None if pd.isna(value) else value * factor


def bars(
    datasets: Mapping[str, Rows],
    colors: Mapping[str, str],
    *,
    label: str,
    names: Mapping[str, str] | None = None,
    shares: bool = True,
) -> Body:
    """Return stacked bars, with a switch between counts and shares of each bar if `shares`.

    `datasets` are name -> bar -> category -> value, `colors` of the categories in the order of
    stacking, `label` the axis' title, `names` what the legend calls the categories.
    """
    used = [{category for row in rows.values() for category in row} for rows in datasets.values()]
    drawn = {
        key: {"name": (names or {}).get(key, key), "color": color} for key, color in colors.items()
    }
    return {
        "plot_type": "bargraph",
        "pconfig": _switched(datasets, label) | {"cpswitch": shares, "sort_samples": False},
        "categories": [
            {key: about for key, about in drawn.items() if key in some} for some in used
        ],
        "data": list(datasets.values()),
    }


def lines(
    datasets: Mapping[str, Mapping[str, Curve]],
    *,
    x_label: str,
    y_label: str,
    colors: Mapping[str, str] | None = None,
    dashed: Sequence[str] = (),
    **options: Any,
) -> Body:
    """Return a line graph: name of the data set -> name of the line -> its points."""
    names = list(dict.fromkeys(name for curves in datasets.values() for name in curves))
    own = {
        "xlab": x_label,
        "colors": in_order(names) | dict(colors or {}),
        "dash_styles": dict.fromkeys(dashed, "dash"),
        "showlegend": len(names) <= _MAX_LEGEND,
    }
    return {
        "plot_type": "linegraph",
        "pconfig": _switched(datasets, y_label) | own | options,
        # Pairs, not a mapping: JSON would make the keys strings, and MultiQC would sort them as
        # such.
        "data": [
            {name: list(map(list, curve)) for name, curve in curves.items()}
            for curves in datasets.values()
        ],
    }


def points(datasets: Mapping[str, Clouds], *, x_label: str, y_label: str) -> Body:
    """Return a scatter plot of named clouds of points.

    MultiQC's own scatter plot draws one trace per point, which browsers do not survive with
    thousands of cells. Its line graph draws one trace per cloud when the lines have no width; that
    also gives a legend that hides clouds.
    """
    own = {
        "xlab": x_label,
        "style": "lines+markers",
        "height": 640,
        "showlegend": True,
        "colors": {_HINT: CLEAR},
        "extra_series": [
            [_cloud(name, *cloud) for name, cloud in clouds.items()] for clouds in datasets.values()
        ],
    }
    return {
        "plot_type": "linegraph",
        "pconfig": _switched(datasets, y_label) | own,
        "data": [
            {_HINT: {next(iter(clouds.values()))[1][0][0]: None}} for clouds in datasets.values()
        ],
    }


def _cloud(name: str, color: str, places: Pairs) -> dict[str, Any]:
    marker = {"symbol": "circle", "color": color, "line_color": color, "width": 0}
    return {"name": name, "pairs": places, "color": color, "width": 0, "marker": marker}


def boxes(
    datasets: Mapping[str, Mapping[str, Mapping[str, float] | Sequence[float]]],
    *,
    label: str,
    thresholds: Mapping[str, float] | None = None,
) -> Body:
    """Return a box plot: data set -> box -> its quantiles or values; thresholds are drawn.

    The quantiles' keys are min, q1, median, q3, max and mean. Where the values themselves are
    given, each is drawn.
    """
    dashes = {"color": FAIL, "width": 1, "dash": "dash"}
    limits = [{"value": value, "label": at, **dashes} for at, value in (thresholds or {}).items()]
    own = {"xlab": label, "sort_samples": False, "boxpoints": "all"}
    return {
        "plot_type": "boxplot",
        "pconfig": _switched(datasets, None) | own | ({"x_lines": limits} if limits else {}),
        "data": [dict(summaries) for summaries in datasets.values()],
    }


def heatmap(
    values: pd.DataFrame, *, labels: tuple[str, str, str], decimals: int = 2, highest: float = 1
) -> Body:
    """Return a heat map from 0 to `highest` with its numbers, if they are few.

    `values` has harmless HTML for the names of its rows and columns; `labels` are those of columns,
    rows and values.
    """
    dimensions = dict(zip(("xlab", "ylab", "zlab"), labels, strict=True))
    off = "square xcats_samples ycats_samples cluster_rows cluster_cols series_label"
    own = {
        "min": 0,
        "max": highest,
        "tt_decimals": decimals,
        "display_values": values.size <= 400,
        "colstops": [[0, "#ffffff"], [1, "#6baed6"]],
        "height": 180 + 26 * len(values),
    }
    return {
        "plot_type": "heatmap",
        "pconfig": dimensions | dict.fromkeys(off.split(), False) | own,
        "xcats": list(values.columns),
        "ycats": list(values.index),
        "data": values.to_numpy().tolist(),
    }


def html(body: str) -> Body:
    """Return text."""
    return {"plot_type": "html", "data": body}


def folded(parts: Mapping[str, str]) -> Body:
    """Return headings with what is below them; the first one is unfolded."""
    details = (
        f"<details{'' if place else ' open'}><summary>{head}</summary>{part}</details>"
        for place, (head, part) in enumerate(parts.items())
    )
    return html("".join(details))


def _switched(datasets: Mapping[str, Any], label: str | None) -> dict[str, Any]:
    """Return what all plots have, with a switch where there are several data sets."""
    axis = {"ylab": label} if label else {}
    names = [{"name": name, **axis} for name in datasets] if len(datasets) > 1 else []
    return {"series_label": False, "data_labels": names, **axis}
