"""Gene sets and genes of interest that users give: read, and checked with file and line."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from ..errors import InputError, Problem, listed, quoted

MAX_SETS, MAX_GENES = 100, 50
"""Gene sets, each of which becomes a column of ``obs``, and genes of interest, each of which is
drawn."""
_MOST_TOLD = 20
GMT_FORM = (
    "write the name, a description and the genes of a set on one line, with tabs between them"
)


def read_gene_sets(path: Path) -> dict[str, list[str]]:
    """Return the genes of each set of a GMT file, each gene of a set once.

    Parameters
    ----------
    path
        Name, description and genes of a set on one line, with tabs between them.

    Raises
    ------
    InputError
        With the line of each mistake: no tabs, no name, no gene, a name that was there before; or
        there are no sets, or more than 100.
    """
    sets: dict[str, list[str]] = {}
    problems: list[Problem] = []
    for number, line in enumerate(_text(path, GMT_FORM).split("\n"), start=1):
        if not line.strip():
            continue
        name, *others = (" ".join(field.split()) for field in line.split("\t"))
        genes = list(dict.fromkeys(filter(None, others[1:])))
        if found := _mistake(name, others, genes, sets):
            problems.append(Problem(found[0], f"{path.name}, line {number}", found[1]))
        else:
            sets[name] = genes
    if not problems and (wrong := _wrong_number(len(sets))):
        problems.append(Problem(wrong, path.name, f"give 1 to {MAX_SETS} sets: {GMT_FORM}"))
    if problems:
        raise InputError(problems[:_MOST_TOLD])
    return sets


def _mistake(
    name: str, others: list[str], genes: list[str], known: Collection[str]
) -> tuple[str, str] | None:
    """Return the mistake in a line and its remedy, or None."""
    if not others:
        return f"the line {quoted(name)} has no tabs, so it holds neither a set nor genes", GMT_FORM
    if not name:
        return "a gene set has no name", GMT_FORM
    if not genes:
        return f"the gene set {quoted(name)} has no genes", f"{GMT_FORM}, or remove the line"
    if name in known:
        return f"the gene set {quoted(name)} comes twice", "give each set a name of its own"
    return None


def _wrong_number(n_sets: int) -> str:
    if n_sets > MAX_SETS:
        return f"the file has {n_sets:,} gene sets, and at most {MAX_SETS} are scored"
    return "" if n_sets else "the file has no gene sets"


def gmt_text(sets: Mapping[str, Iterable[str]]) -> str:
    """Return sets as the text of a GMT file, without descriptions."""
    return "".join("\t".join([name, "", *genes]) + "\n" for name, genes in sets.items())


def read_genes(given: str | Path, *, where: str) -> list[str]:
    """Return the genes of interest, each once.

    Parameters
    ----------
    given
        Names separated by commas, or a file of them, one on a line.
    where
        What the user knows it by.

    Raises
    ------
    InputError
        There are none, or more than 50, or a name is that of a file.
    """
    text = given if isinstance(given, str) else _text(given, "give a text file, one gene a line")
    names = (" ".join(part.split()) for part in re.split("[\n,]", text))
    genes = list(dict.fromkeys(filter(None, names)))
    remedy = f"give 1 to {MAX_GENES} genes, separated by commas, or a file with one on each line"
    files = [gene for gene in genes if re.search(r"/|\.(?:txt|csv|tsv|gmt)$", gene)]
    if files and isinstance(given, str):
        what = f"{listed(files)} looks like a file name, but there is no such file"
        raise InputError.of(what=what, where=where, remedy=remedy)
    if not 0 < len(genes) <= MAX_GENES:
        what = f"there are {len(genes):,} genes of interest"
        raise InputError.of(what=what, where=where, remedy=remedy)
    return genes


def _text(path: Path, remedy: str) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        what = "the file cannot be read as text in UTF-8"
        raise InputError.of(what=what, where=path.name, remedy=remedy) from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    before, null, _ = text.partition("\0")
    if null:  # which HDF5 cannot hold
        line = before.count("\n") + 1
        what = "the file contains a null character"
        raise InputError.of(what=what, where=f"{path.name}, line {line}", remedy="remove it")
    return text
