"""A samplesheet to edit, from the count matrices that lie below a folder."""

from __future__ import annotations

import csv
import io
import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from ..errors import InputError, quoted
from ..files import read_json, unwrapped
from ..steps import Step
from .discovery import LOOKED_FOR, Output, Search, find_outputs
from .formats.matrix_market import preference
from .sample_names import key_of, name_samples
from .samplesheet import read_samplesheet

COLUMNS = ("sample", "counts", "group", "organism", "tissue")
_MOST_LISTED = 20
_CONTROL = frozenset(("Cc", "Cs", "Zl", "Zp"))
"""Categories of characters that no path in a samplesheet may have; Cs stands for bytes that are not
UTF-8."""


@dataclass(frozen=True)
class Sample:
    """A row of the sheet.

    Parameters
    ----------
    name
        Valid and unique.
    counts
        The path as the user knows it.
    output
        What lies there.
    others
        Other outputs of the same sample, in the order of preference.
    """

    name: str
    counts: Path
    output: Output
    others: Sequence[Output]

    def row(self) -> str:
        """Return the line of the sheet."""
        organism = self.output.organism.found
        known = organism if organism in ("human", "mouse", "other") else ""
        return _csv([self.name, str(self.counts), "", known, ""])


def samplesheet(folder: Path, /) -> None:
    """Find count matrices below a folder and print a samplesheet to edit.

    Also writes a list of the files found.

    scsiameseclu samplesheet RUNFOLDER > samplesheet.csv

    Parameters
    ----------
    folder
        Folder with the outputs of Cell Ranger, STARsolo, kb or alevin, or with .h5ad, .loom or HDF5
        files.
    """
    schema = files(__package__).joinpath("schema_input.json").read_text(encoding="utf-8")
    sheet, listing = find_samples(folder, schema=json.loads(schema))
    print(listing, file=sys.stderr)
    print(sheet, end="")


def write_samplesheet(*, folder: Path, schema: Path) -> None:
    """Write samplesheet.csv and listing.txt, a description of the files found.

    Parameters
    ----------
    folder
        The folder as the task got it. Its own path comes on stdin, as JSON text: in the sheet paths
        begin with that.
    schema
        JSON schema of the rows (assets/schema_input.json).
    """
    known_as = Path(json.load(sys.stdin))
    sheet, listing = find_samples(unwrapped(folder), schema=read_json(schema), known_as=known_as)
    Path("samplesheet.csv").write_text(sheet, encoding="utf-8")
    Path("listing.txt").write_text(listing + "\n", encoding="utf-8")


def find_samples(
    folder: Path, *, schema: Mapping[str, Any], known_as: Path | None = None
) -> tuple[str, str]:
    """Find the samples below a folder.

    Parameters
    ----------
    folder
        Where to look.
    schema
        JSON schema of a samplesheet's rows, which each row must satisfy.
    known_as
        Its absolute path as the user knows it. Default: its own.

    Returns
    -------
    The samplesheet, and a description of it.

    Raises
    ------
    InputError
        If there is no such folder, or it holds nothing that a samplesheet can name.
    """
    known_as = known_as or folder.absolute()
    if not folder.is_dir():
        raise InputError.of(
            what="There is no such folder.",
            where=quoted(known_as, length=300),
            remedy="Give the folder below which the count matrices lie.",
        )
    search = find_outputs(folder)
    samples = [
        sample for sample in _samples(search, known_as) if _is_writable(search, sample, schema)
    ]
    if not samples:
        raise _nothing(search, known_as)
    sheet = "".join([_csv(COLUMNS), *(sample.row() for sample in samples)])
    return sheet, _listing(search, samples, known_as)


def _samples(search: Search, known_as: Path) -> list[Sample]:
    """Return a sample for each key, with the best of its outputs."""
    outputs: dict[tuple[str, ...], list[Output]] = {}
    for output in search.outputs:
        outputs.setdefault(key_of(output.path.relative_to(search.folder)), []).append(output)
    names = name_samples(outputs, folder=known_as)
    samples = []
    for key, members in outputs.items():
        best, *others = sorted(members, key=lambda output: _preference(output, search.folder))
        samples.append(
            Sample(names[key], known_as / best.path.relative_to(search.folder), best, others)
        )
    return samples


def _preference(output: Output, folder: Path) -> tuple[object, ...]:
    parts = output.path.relative_to(folder).parts
    is_raw = any("raw" in part or "unfiltered" in part for part in parts)
    return *preference(output.path, folder), is_raw, output.path


def _is_writable(search: Search, sample: Sample, schema: Mapping[str, Any]) -> bool:
    """Return whether a samplesheet can hold the path; if not, record why."""
    why = _fault(sample, schema)
    if why:
        remedy = "a samplesheet cannot hold this path: rename it, or make a link to it"
        search.passed[sample.output.path] = f"{why}; {remedy}"
    return not why


def _fault(sample: Sample, schema: Mapping[str, Any]) -> str:
    path = str(sample.counts)
    if any(unicodedata.category(character) in _CONTROL for character in path):
        return "there is a control character in its name, or one that is not UTF-8"
    with NamedTemporaryFile("w", suffix=".csv", encoding="utf-8") as sheet:
        sheet.write(_csv(COLUMNS) + sample.row())
        sheet.flush()
        try:
            (settings,) = read_samplesheet(Path(sheet.name), schema=schema, defaults={}, paths={})
        except InputError as error:
            return error.problems[0].what
    return "" if settings["counts"] == path else "its name begins or ends with a blank"


def _csv(values: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()


# --- in words ---


def _listing(search: Search, samples: Sequence[Sample], known_as: Path) -> str:
    lines = [
        f"{len(samples)} sample{'s' * (len(samples) != 1)} in {_shown(known_as)} "
        f"({_extent(search)}):"
    ]
    for sample in samples:
        organism = sample.output.organism
        guess = "organism not recognised by its genes"
        if organism.found:
            guess = f"{organism.found} ({organism.evidence})"
        lines.append(f"  {sample.name}: {_described(sample.output)}, {guess}")
        lines.append(f"      {_relative(search, sample.output.path)}")
        lines += [
            f"      not taken: {_relative(search, other.path)} ({_described(other)})"
            for other in sample.others
        ]
    return "\n".join([*lines, *_account(search)])


def _account(search: Search) -> list[str]:
    lines: list[str] = []
    passed = list(search.passed.items())
    for title, entries in (("Passed over", passed), ("Not searched", search.limits)):
        if entries:
            lines.append(f"{title}:")
            lines += [f"  {_relative(search, path)}: {why}" for path, why in entries[:_MOST_LISTED]]
            lines += [f"  and {len(entries) - _MOST_LISTED:,} more"] * (len(entries) > _MOST_LISTED)
    if search.tables:
        few = ", ".join(_relative(search, path) for path in search.tables[:3])
        more = f" and {len(search.tables) - 3:,} more" if len(search.tables) > 3 else ""
        lines += [
            "Tables of text are not taken by themselves, since logs and summaries are tables too:",
            f"  {few}{more}",
        ]
    return lines


def _described(output: Output) -> str:
    size = "{:,} barcodes x {:,} genes".format(*output.shape) if output.shape else "size not known"
    return f"{output.format}, {size}"


def _extent(search: Search) -> str:
    return f"{search.n_files:,} files in {search.n_folders:,} folders were searched"


def _relative(search: Search, path: Path) -> str:
    return _shown(path.relative_to(search.folder))


def _shown(path: Path) -> str:
    text = str(path)
    return text if text.isprintable() else quoted(text, length=300)


def _nothing(search: Search, known_as: Path) -> InputError:
    what = f"No count matrix was found: {_extent(search)}, for {LOOKED_FOR}."
    return InputError.of(
        what="\n    ".join([what, *_account(search)]),
        where=_shown(known_as),
        remedy="Give the folder above the outputs, or write a samplesheet with the columns "
        "sample and counts by hand.",
    )


STEP = Step(write_samplesheet)
