"""Files of marker sets that users write (TSV, CSV, GMT, YAML), read into one kind of table.

Only the form is checked here; the content of the sets is checked in
:mod:`~scsiameseclu.annotation.marker_sets`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ..errors import InputError, Problem, quoted
from .gene_sets import GMT_FORM

COLUMNS = ["tissue", "organism", "cell_type", "parent", "gene", "weight", "source"]
SUFFIXES = (".tsv", ".csv", ".gmt", ".yaml", ".yml")

Row = tuple[int, dict[str, str]]
"""Line number and fields by column."""


def read_fields(path: Path) -> pd.DataFrame:
    """Return the fields of a file of marker sets as stripped text.

    The index is the line number.

    Parameters
    ----------
    path
        ``.gmt``: name, description and genes of a set a line, between tabs; the description becomes
        the source. ``.yaml``, ``.yml``: genes by cell type, as a list, as a mapping to weights, or
        under ``genes``, with ``parent``, ``tissue``, ``organism`` and ``source``. Any other: a
        table with a header, separated by tabs, commas or semicolons.

    Raises
    ------
    InputError
        If the file cannot be read, or its form is none of these.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        suffix = path.suffix.lower()
        if suffix == ".gmt":
            return _table(_gmt_rows(text, path))
        if suffix in (".yaml", ".yml"):
            return _table(_yaml_rows(text, path))
        return _delimited(text, path)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = (
            f"{path.name}, line {mark.line + 1}, column {mark.column + 1}" if mark else path.name
        )
        raise _unreadable(path, where) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _unreadable(path, f"{path.name}, line {line}") from error
    except (OSError, yaml.YAMLError, RecursionError) as error:
        raise _unreadable(path, path.name) from error


def _unreadable(path: Path, where: str) -> InputError:
    return InputError.of(
        what="the marker sets cannot be read",
        where=where,
        remedy=f"give a TSV or CSV file in UTF-8 with the columns {', '.join(COLUMNS)}, "
        "or a GMT or YAML file"
        + (
            ""
            if path.suffix.lower() in SUFFIXES
            else f" whose name ends in one of {', '.join(SUFFIXES)}"
        ),
    )


def _delimited(text: str, path: Path) -> pd.DataFrame:
    """Return a table with a header; rows without any text are dropped."""
    numbered = list(_lines(text, path))
    if not numbered:
        raise _unreadable(path, path.name)
    (_, header), *rows = numbered
    problems = [
        Problem(
            f"the marker sets cannot be read: {len(row)} fields where the header has {len(header)}",
            f"{path.name}, line {line}, column {len(header) + 1}",
            "put one gene on each line, and quotes round a field that holds the separator",
        )
        for line, row in rows
        if any(row[len(header) :])
    ]
    if problems:
        raise InputError(problems)
    fields = [row[: len(header)] + [""] * (len(header) - len(row)) for _, row in rows]
    return pd.DataFrame(fields, columns=header, index=[line for line, _ in rows], dtype=str)


def _lines(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the fields of each row that has any, and the line on which it begins."""
    first = next(filter(str.strip, text.splitlines()), "")
    separator = max("\t,;", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 1
    try:
        for row in reader:
            fields = [" ".join(field.splitlines()).strip() for field in row]
            if any(fields):
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise _unreadable(path, f"{path.name}, line {line}") from error


def _table(rows: Iterable[Row]) -> pd.DataFrame:
    found = list(rows)
    table = pd.DataFrame(
        [row for _, row in found], index=[line for line, _ in found], columns=COLUMNS, dtype=str
    )
    return pd.DataFrame({name: column.fillna("").str.strip() for name, column in table.items()})


def _gmt_rows(text: str, path: Path) -> Iterator[Row]:
    for line, content in enumerate(text.splitlines(), start=1):
        if not content.strip():
            continue
        name, *others = (field.strip() for field in content.split("\t"))
        source, named = "".join(others[:1]), [gene for gene in others[1:] if gene]
        if not named:
            raise _form(
                f"the set {quoted(name)} has no genes",
                f"{path.name}, line {line}, column 3",
                GMT_FORM,
            )
        for gene in named:
            yield line, {"cell_type": name, "gene": gene, "source": source}


_YAML = (
    "give each cell type a list of genes, a mapping of genes to weights, or a mapping "
    "with the key 'genes'"
)


def _form(what: str, where: str, remedy: str) -> InputError:
    return InputError.of(what=what, where=where, remedy=remedy)


def _yaml_rows(text: str, path: Path) -> Iterator[Row]:
    """Yield the rows of a YAML file from its nodes, which know their lines."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise _form("the file has no cell types as keys", f"{path.name}, line 1, column 1", _YAML)
    for name, content in root.value:
        about, genes = _yaml_set(content, path)
        if not genes:
            raise _form(f"the set {quoted(name.value)} has no genes", _place(name, path), _YAML)
        for node, weight in genes:
            yield (
                node.start_mark.line + 1,
                about
                | {"cell_type": _scalar(name, path), "gene": _scalar(node, path), "weight": weight},
            )


def _yaml_set(content: yaml.Node, path: Path) -> tuple[dict[str, str], list[tuple[Any, str]]]:
    """Return what one cell type says of itself, and the nodes of its genes with their weights."""
    about: dict[str, str] = {}
    given: dict[str, yaml.Node] = {}
    if isinstance(content, yaml.MappingNode) and any(
        key.value == "genes" for key, _ in content.value
    ):
        for key, value in content.value:
            if key.value not in ("genes", "tissue", "organism", "parent", "source"):
                raise _form(
                    f"unknown column {quoted(key.value)} in the marker sets",
                    _place(key, path),
                    _YAML,
                )
            if key.value in given:
                raise _form(f"{quoted(key.value)} comes twice", _place(key, path), "name it once")
            given[key.value] = value
        content = given.pop("genes")
        about = {name: _scalar(value, path) for name, value in given.items()}
    if isinstance(content, yaml.SequenceNode):
        return about, [(node, "") for node in content.value]
    if isinstance(content, yaml.MappingNode):
        return about, [(node, _scalar(weight, path)) for node, weight in content.value]
    if isinstance(content, yaml.ScalarNode) and content.value in ("", "~", "null"):
        return about, []
    raise _form(
        "a cell type has neither a list nor a mapping of genes", _place(content, path), _YAML
    )


def _scalar(node: Any, path: Path) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _form(
            "a list or mapping stands where a single value belongs", _place(node, path), _YAML
        )
    return str(node.value)


def _place(node: Any, path: Path) -> str:
    return f"{path.name}, line {node.start_mark.line + 1}, column {node.start_mark.column + 1}"
