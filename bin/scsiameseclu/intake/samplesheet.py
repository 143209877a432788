"""The samplesheet: read tolerantly, checked strictly, all mistakes reported together.

Not a mistake: a byte order mark, any line ends, blank lines, spaces around values, empty fields
at the end of a line, commas, semicolons or tabs, columns in any order, further columns. What is
one: a column whose name nearly is one of ours (same letters in other case or with other separators,
or very similar while ours is absent).
"""

from __future__ import annotations

import csv
import difflib
import io
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from ..contracts import OBS_COLUMNS, SEX, MistakeRecord, SampleSettings
from ..errors import InputError, Problem, quoted

DELIMITERS = (",", "\t", ";")
DESCRIBING = ("batch", "sex")
"""Columns that are ours, and travel into ``.obs`` as further ones do."""
_SEXES = {"m": "male", "f": "female"}
"""Accepted short values of the column `sex`."""
GROUP_WIDE = ("n_clusters", "organism", "tissue")
SIMILAR = 0.82
"""Similarity (difflib's ratio) at or above which an unknown column is taken for a misspelt one of
ours."""
PATH_LIKE = re.compile(r"[/\\]|\.(csv|tsv|txt)(\.gz)?$", re.IGNORECASE)
"""Values of `labels` that are meant as files."""
_CELLS = ("cells", "force_cells", "expected_cells")
"""Columns that each define the cells in another way."""
_FROM_SHEET = "Correct the path; a relative one starts from the folder of the samplesheet."
_FROM_SHEET_OR_COLUMN = (
    "Correct the path, or give a column of .obs or Y; a relative path starts from the "
    "samplesheet's folder."
)
_PATHS = {
    "counts": ("file or folder", _FROM_SHEET),
    "labels": ("file", _FROM_SHEET_OR_COLUMN),
    "cells": ("file", _FROM_SHEET),
}
"""Columns of paths: the kind of path, and the remedy if it is missing."""
_ADDRESS = (
    "Correct the address, or give Nextflow the access rights and the plugin for it (.nextflow.log)."
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Characters that no value may hold: a line break in a file name is a new command to a shell."""
_NO_COLUMN = re.compile(rf"/|{_CONTROL.pattern}")
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,3})?")


@dataclass
class _Sheet:
    name: str
    header_line: int
    header: list[str]
    rows: list[tuple[int, list[str]]]
    """Number of the line on which each row begins, as a text editor counts, and its fields."""
    mistakes: list[Mistake] = field(default_factory=list)
    reported: set[tuple[int, str | None]] = field(default_factory=set)
    """Lines and columns with a problem."""

    def report(
        self, line: int, column: str | None, what: str, remedy: str, *, path: str | None = None
    ) -> None:
        """Keep a problem with its place; of a `path`, for the case that it does not exist."""
        where = f"{self.name}, line {line}" + (f", column {_plain(column)}" if column else "")
        self.mistakes.append(Mistake(line, Problem(what=what, where=where, remedy=remedy), path))
        if path is None:
            self.reported.add((line, column))


@dataclass(frozen=True)
class Mistake:
    """Something wrong with a samplesheet.

    Parameters
    ----------
    line
        Number of its line, as a text editor counts.
    problem
        What is wrong.
    path
        A value of the columns `counts`, `labels` and `cells`: a mistake only if there is no
        such file or folder. None: it is one in any case.
    """

    line: int
    problem: Problem
    path: str | None = None

    def record(self) -> MistakeRecord:
        """Return the mistake for JSON."""
        return {"line": self.line, "path": self.path, "problem": self.problem.record()}


@dataclass(frozen=True)
class _Row:
    line: int
    values: dict[str, Any]
    """Those of the known columns that are not empty, numbers as numbers."""
    extra: dict[str, str]


def read_samplesheet(
    path: Path,
    *,
    schema: Mapping[str, Any],
    defaults: Mapping[str, Any],
    paths: Mapping[str, bool],
) -> list[SampleSettings]:
    """Read and check a samplesheet.

    Parameters
    ----------
    path
        CSV or TSV in UTF-8.
    schema
        JSON schema (draft 2020-12) of the rows, an array of objects; ``errorMessage`` of a property
        is its remedy.
    defaults
        Values of ``n_clusters``, ``organism``, ``tissue``, ``expected_doublet_rate`` where the
        sheet has none.
    paths
        For values of the columns ``counts``, ``labels`` and ``cells``, as written: whether there is
        such a file or folder.

    Returns
    -------
    Settings of each sample, in the order of the sheet: ``sample counts group n_clusters organism
    tissue expected_doublet_rate labels overrides extra``, and ``cells`` where it is given.
    ``overrides`` holds the sheet's values of the schema's other columns, each named as the
    parameter that it wins over for this sample; ``extra`` the further columns and `DESCRIBING`.

    Raises
    ------
    InputError
        With every problem found, in the order of their lines.
    """
    samples, mistakes = check_sheet(path, schema=schema, defaults=defaults, name=path.name)
    problems = [
        found.problem for found in mistakes if found.path is None or not paths.get(found.path, True)
    ]
    if problems:
        raise InputError(problems)
    return samples


def check_sheet(
    path: Path, *, schema: Mapping[str, Any], defaults: Mapping[str, Any], name: str
) -> tuple[list[SampleSettings], list[Mistake]]:
    """Check all of a samplesheet but whether its files exist, which only the caller may know.

    Parameters
    ----------
    path, schema, defaults
        As for :func:`read_samplesheet`.
    name
        The sheet's name for messages.

    Returns
    -------
    Settings of each sample (see :func:`read_samplesheet`), and the mistakes in the order of their
    lines, those among them that depend on a file.

    Raises
    ------
    InputError
        If `path` holds no table.
    """
    sheet = _parse(_text(path, name), name)
    known = schema["items"]["properties"]
    columns = _match_columns(sheet, list(known), schema["items"]["required"])
    rows = [_row(line, fields, columns, known) for line, fields in sheet.rows]
    if not rows:
        what = "The samplesheet has no samples."
        sheet.report(sheet.header_line, None, what, "Write one line for each sample.")
    _check_lengths(sheet)
    _check_characters(sheet)
    _check_schema(sheet, rows, schema, columns)
    _check_unique(sheet, rows)
    _check_paths(sheet, rows)
    _check_cells(sheet, rows)
    samples = [_settings(row, defaults) for row in rows]
    _check_groups(sheet, rows, samples)
    _check_same_counts(sheet, rows, samples)
    return samples, sorted(sheet.mistakes, key=lambda found: found.line)


# --- reading ---


def _text(path: Path, name: str) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError.of(
            what=f"The samplesheet cannot be read: {error.strerror}.",
            where=name,
            remedy="Give --input the path of a CSV or TSV file that you may read.",
        ) from error
    if content.startswith((b"PK", b"\xd0\xcf\x11\xe0")):
        raise _no_text(name, "a spreadsheet or archive, not text")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _no_text(name, "text in UTF-16")
    if b"\0" in content:
        raise _no_text(name, "a binary file or text in UTF-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        why = f"not text in UTF-8 (line {line} has an invalid byte)"
        raise _no_text(name, why) from error


def _no_text(name: str, what: str) -> InputError:
    return InputError.of(
        what=f"The samplesheet is {what}.",
        where=name,
        remedy="Save it as 'CSV UTF-8' (comma separated) and give that file.",
    )


def _parse(text: str, name: str) -> _Sheet:
    delimiter = _delimiter(text)
    try:
        records = list(_records(text, name, delimiter))
    # The csv module takes no space between a closing quote and the next delimiter.
    except InputError:
        records = list(_records(re.sub(rf'" +(?=[{delimiter}\r\n]|$)', '"', text), name, delimiter))
    if not records:
        raise InputError.of(
            what="The samplesheet is empty.",
            where=name,
            remedy="Write a first line with the columns sample and counts, then one "
            "line for each sample.",
        )
    line, header = records[0]
    if len(header) == 1 and {"sample", "counts"} <= set(re.findall(r"\w+", header[0])):
        raise InputError.of(
            what=f"The columns of {quoted(header[0])} are not separated.",
            where=f"{name}, line {line}",
            remedy="Put a comma, a semicolon or a tab between columns.",
        )
    return _Sheet(name, line, header, records[1:])


def _delimiter(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(DELIMITERS, key=first.count)


def _records(text: str, name: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the filled lines with their numbers; a quoted field may go over several."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    line = 1
    try:
        for fields in reader:
            stripped = [value.strip() for value in fields]
            if any(stripped):
                yield line, stripped
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError.of(
            what=f"A quoted value is not well formed: {error}.",
            where=f"{name}, line {line}",
            remedy='Close each quote, write a quote within quotes twice (""), and put nothing '
            "behind the closing one.",
        ) from error


# --- columns ---


def _match_columns(sheet: _Sheet, known: Sequence[str], required: Sequence[str]) -> dict[str, int]:
    """Return the place of each column; a misspelt one counts under the name it resembles."""
    _drop_empty_columns(sheet)
    places: dict[str, int] = {}
    for place, column in enumerate(sheet.header):
        meant = _meant(column, known, sheet.header)
        _check_name(sheet, place, column, meant)
        if meant in places:
            what = (
                f"The column {quoted(meant)} comes twice: columns "
                f"{places[meant] + 1} and {place + 1}."
            )
            sheet.report(sheet.header_line, column, what, "Keep one of them.")
        elif meant:
            places[meant] = place
    for column in required:
        if column not in places:
            _report_missing(sheet, column, [name for name in sheet.header if name not in known])
    return places


def _drop_empty_columns(sheet: _Sheet) -> None:
    while (
        sheet.header
        and not sheet.header[-1]
        and not any(any(row[len(sheet.header) - 1 :]) for _, row in sheet.rows)
    ):
        sheet.header.pop()


def _meant(column: str, known: Sequence[str], header: Sequence[str]) -> str:
    """Return the known name that a column was meant to have, or its own."""
    same = [name for name in known if _folded(name) == _folded(column)]
    absent = [] if column in known else [name for name in known if name not in header]
    close = difflib.get_close_matches(column.lower()[:100], absent, 1, SIMILAR)
    return (same or close or [column])[0]


def _folded(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _check_name(sheet: _Sheet, place: int, column: str, meant: str) -> None:
    line, named = sheet.header_line, quoted(column)
    if column != meant:
        sheet.report(line, column, f"{named} is not a known column.", f"Did you mean {meant!r}?")
    elif not column:
        what = f"Column {place + 1} has no name."
        sheet.report(line, None, what, "Give it a name, or take it out.")
    elif column in OBS_COLUMNS or column == "." or len(column) > 100 or _NO_COLUMN.search(column):
        remedy = (
            "Give it another, short name: this one is used by the pipeline or "
            "cannot be stored in HDF5."
        )
        sheet.report(line, column, f"A further column cannot be called {named}.", remedy)


def _report_missing(sheet: _Sheet, column: str, others: Sequence[str]) -> None:
    close = difflib.get_close_matches(column, [name[:100] for name in others], 1, 0.5)
    remedy = f"Add a column {column!r} to the first line."
    if close:
        remedy = f"If you mean {quoted(close[0])}, rename it to {column!r}."
    sheet.report(sheet.header_line, column, f"The column {column!r} is missing.", remedy)


def _plain(column: str) -> str:
    """Return a column's name for messages: unchanged if that is harmless."""
    return column if re.fullmatch(r"\w{1,40}", column) else quoted(column)


# --- rows ---


def _row(
    line: int, fields: Sequence[str], columns: Mapping[str, int], known: Mapping[str, Any]
) -> _Row:
    row = _Row(line, {}, {})
    for column, place in columns.items():
        value = fields[place] if place < len(fields) else ""
        if column not in known:
            row.extra[column] = value
        elif value:
            row.values[column] = _typed(value, known[column])
    return row


def _typed(value: str, rule: Mapping[str, Any]) -> Any:
    """Return a value as a number where the schema wants one and it is one."""
    types = {rule.get("type"), *(option.get("type") for option in rule.get("anyOf", []))}
    if "integer" in types and _INTEGER.fullmatch(value):
        return int(value)
    if "boolean" in types and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return float(value) if "number" in types and _NUMBER.fullmatch(value) else value


def _check_lengths(sheet: _Sheet) -> None:
    for line, fields in sheet.rows:
        too_many = next(filter(None, fields[len(sheet.header) :]), None)
        if too_many:
            what = (
                f"The line has {len(fields)} values for {len(sheet.header)} columns; "
                f"the first too many is {quoted(too_many)}."
            )
            remedy = "Take it out, or put quotes round a value that holds the delimiter."
            sheet.report(line, None, what, remedy)


def _check_characters(sheet: _Sheet) -> None:
    for line, fields in sheet.rows:
        for column, value in zip(sheet.header, fields, strict=False):
            if _CONTROL.search(value):
                what = f"{quoted(value)} holds a line break, a tab or another control character."
                remedy = "Take it out: a value is text on one line."
                sheet.report(line, column or None, what, remedy)


def _check_schema(
    sheet: _Sheet, rows: Sequence[_Row], schema: Mapping[str, Any], columns: Mapping[str, int]
) -> None:
    known = schema["items"]["properties"]
    for row in rows:
        for column in schema["items"]["required"]:
            if column in columns and column not in row.values:
                what = f"The column {column!r} is empty in this line."
                sheet.report(row.line, column, what, known[column]["errorMessage"])
    for error in Draft202012Validator(schema).iter_errors([row.values for row in rows]):
        # Reported above and by the caller, with line and column.
        if error.validator in ("required", "minItems"):
            continue
        number, column = error.absolute_path
        row = rows[int(number)]
        if (row.line, column) not in sheet.reported:
            what = f"{quoted(row.values[str(column)])} is not a valid {column}."
            sheet.report(row.line, str(column), what, known[column]["errorMessage"])


def _check_unique(sheet: _Sheet, rows: Sequence[_Row]) -> None:
    first: dict[str, _Row] = {}
    for row in rows:
        name = str(row.values.get("sample", ""))
        earlier = first.setdefault(name.casefold(), row)
        if name and earlier is not row:
            other = earlier.values["sample"]
            how = "exists already"
            if other != name:
                how = f"differs only by case from {quoted(other)}"
            what = f"Sample {quoted(name)} {how} (line {earlier.line})."
            remedy = (
                "Give each sample an id of its own; some file systems do not distinguish "
                "upper and lower case."
            )
            sheet.report(row.line, "sample", what, remedy)


def _check_paths(sheet: _Sheet, rows: Sequence[_Row]) -> None:
    for row in rows:
        for column, (kind, remedy) in _PATHS.items():
            value = row.values.get(column, "")
            is_name = column == "labels" and not PATH_LIKE.search(value)
            if not value or is_name or (row.line, column) in sheet.reported:
                continue
            if column == "counts" and "://" in value:
                remedy = _ADDRESS
            what = f"There is no {kind} {quoted(value)}."
            sheet.report(row.line, column, what, remedy, path=value)


def _check_cells(sheet: _Sheet, rows: Sequence[_Row]) -> None:
    for row in rows:
        given = [column for column in _CELLS if column in row.values]
        if given and row.values.get("cell_calling") == "none":
            given.append("cell_calling")
        if len(given) > 1:
            what = (
                f"{' and '.join(given)} are given for one sample, and each says what its cells are."
            )
            remedy = f"Keep one of them: empty {given[1]} or {given[0]}."
            sheet.report(row.line, given[1], what, remedy)


def _settings(row: _Row, defaults: Mapping[str, Any]) -> SampleSettings:
    values = {**{key: value for key, value in defaults.items() if value != ""}, **row.values}
    clusters = values.get("n_clusters", "auto")
    describing = [column for column in DESCRIBING if column in row.values]
    extra = row.extra | {column: _described(column, row.values[column]) for column in describing}
    own = SampleSettings.__annotations__.keys() | set(DESCRIBING)
    found: SampleSettings = {
        "sample": values.get("sample", ""),
        "counts": values.get("counts", ""),
        "group": values.get("group", values.get("sample", "")),
        "n_clusters": int(clusters) if _INTEGER.fullmatch(str(clusters)) else clusters,
        "organism": values.get("organism"),
        "tissue": values.get("tissue"),
        "expected_doublet_rate": values.get("expected_doublet_rate"),
        "labels": values.get("labels"),
        "overrides": {column: value for column, value in row.values.items() if column not in own},
        "extra": extra,
    }
    if "cells" in row.values:
        found["cells"] = row.values["cells"]
    return found


def _described(column: str, value: str) -> str:
    """Return a value for ``.obs``: the sex as one word, however it was written."""
    return _SEXES.get(value.casefold(), value.casefold()) if column == SEX else value


def _check_groups(
    sheet: _Sheet, rows: Sequence[_Row], samples: Sequence[Mapping[str, Any]]
) -> None:
    first: dict[str, tuple[_Row, Mapping[str, Any]]] = {}
    for row, sample in zip(rows, samples, strict=True):
        group = sample["group"]
        earlier, model = first.setdefault(group.casefold(), (row, sample))
        # The samples' own ids, reported before.
        twice = "group" not in row.values and "group" not in earlier.values
        if not group or earlier is row or twice:
            continue
        if model["group"] != group:
            what = (
                f"Group {quoted(group)} differs only by case from {quoted(model['group'])} "
                f"(line {earlier.line})."
            )
            remedy = "Write a group's name the same way in each line."
            sheet.report(row.line, "group", what, remedy)
        for column in GROUP_WIDE:
            known = {(row.line, column), (earlier.line, column)} & sheet.reported
            if model[column] != sample[column] and not known:
                what = (
                    f"Group {quoted(group)} has {column} {_value(sample[column])} here, but "
                    f"{_value(model[column])} in line {earlier.line}."
                )
                remedy = (
                    "Give all samples of a group the same value; an empty one "
                    "means the parameter's."
                )
                sheet.report(row.line, column, what, remedy)


def _check_same_counts(
    sheet: _Sheet, rows: Sequence[_Row], samples: Sequence[SampleSettings]
) -> None:
    """Report a matrix that comes twice in one group, unless for different lists of cells."""
    known: dict[tuple[str, str], list[tuple[str, _Row]]] = {}
    for row, sample in zip(rows, samples, strict=True):
        counts, cells = (
            posixpath.normpath(path) if path else ""
            for path in (sample["counts"], sample.get("cells", ""))
        )
        others = known.setdefault((sample["group"].casefold(), counts), [])
        earlier = next((other for its, other in others if "" in (its, cells) or its == cells), None)
        others.append((cells, row))
        if earlier and counts and (row.line, "sample") not in sheet.reported:
            what = (
                f"{quoted(sample['counts'])} is the matrix of line {earlier.line}, too, which is "
                "of the same group: its cells would come twice."
            )
            remedy = (
                "Keep one of the lines, correct the path, or give each line its own list of cells "
                "(column cells)."
            )
            sheet.report(row.line, "counts", what, remedy)


def _value(value: Any) -> str:
    return "none" if value is None else quoted(value)
