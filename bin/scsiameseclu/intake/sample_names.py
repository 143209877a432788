"""Names of samples by the folders in which their count matrices lie."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from .formats import ENDINGS

LONGEST = 100
"""As in ``assets/schema_input.json``."""
_ENDINGS = re.compile(rf"(\.({'|'.join(sorted({'gz', *ENDINGS}))}))+$", re.IGNORECASE)
_WORDS_OF_TOOLS = """
    adata af alevin ambiguous anndata bc bustools cellranger conversions count counts data dge em
    ex50pas exonoverintron feature features filtered gene genefull genes grch38 grcm38 grcm39 h5
    hg19 hg38 kallisto kb loom mat matrices matrix mature mm10 mm39 mtx multi nascent out output
    outputs outs per probe quant quants raw res result results run runs salmon sample simpleaf sj
    solo spliced star starsolo total unfiltered uniqueandmult unspliced velocyto x
"""
_OF_TOOLS = frozenset(_WORDS_OF_TOOLS.split())
"""Words that programs put into names of folders and files: at the end of a name they say nothing of
the sample."""
_AT_THE_START = frozenset(("filtered", "raw", "unfiltered"))
_WORD = re.compile(r"[^\s._-]+")


def key_of(path: Path) -> tuple[str, ...]:
    """Return the parts of a relative path that distinguish samples; same sample, same key."""
    parts = [_bare(part) for part in path.parts]
    named = [part for part in parts if part]
    return tuple(
        part for before, part in pairwise(["", *named]) if part.casefold() != before.casefold()
    )


def name_samples(keys: Iterable[tuple[str, ...]], *, folder: Path) -> dict[tuple[str, ...], str]:
    """Return a valid name for each sample, unique even ignoring case.

    Parameters
    ----------
    keys
        From :func:`key_of`; the empty one is the folder's own.
    folder
        Where the search began.
    """
    known = list(dict.fromkeys(keys))
    ends = Counter(key[-n:] for key in known for n in range(1, len(key) + 1))
    names: dict[tuple[str, ...], str] = {}
    for key in known:
        own = key or key_of(Path(*folder.parts[1:]))[-1:] or ("sample",)
        shortest = next((n for n in range(1, len(key)) if ends[key[-n:]] == 1), len(own))
        names[key] = _unused(_valid("_".join(own[-shortest:])), names.values())
    return names


def _bare(part: str) -> str:
    """Return the name of a file or folder without endings and without words of programs."""
    bare = _ENDINGS.sub("", part)
    words = list(_WORD.finditer(bare))
    while words and words[-1].group().lower() in _OF_TOOLS:
        words.pop()
    while words and words[0].group().lower() in _AT_THE_START:
        words.pop(0)
    return bare[words[0].start() : words[-1].end()] if words else ""


def _valid(name: str) -> str:
    """Return a name of letters, digits, ``_``, ``.`` and ``-``; the first a letter or digit."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", plain).strip("_.-")[: LONGEST - 5] or "sample"


def _unused(name: str, names: Iterable[str]) -> str:
    taken = {other.casefold() for other in names}
    numbered = (f"{name}_{number}" for number in range(2, len(taken) + 3))
    return next(other for other in (name, *numbered) if other.casefold() not in taken)
