"""The verdicts of the markers and of a reference on each cluster, side by side."""

from __future__ import annotations

import re

import pandas as pd

from .ontology import are_one_type

UNKNOWN = "Unknown"


def with_reference(annotation: pd.DataFrame, transferred: pd.DataFrame) -> pd.DataFrame:
    """Return the table of cell types with the reference's columns and ``reference_agrees``.

    That is yes, no, or empty.
    """
    joined = annotation.merge(
        transferred.astype({"cluster": str}), on="cluster", how="left", validate="1:1"
    )
    pairs = zip(joined["cell_type"], joined["reference_type"], strict=True)
    return joined.assign(reference_agrees=[agreement(str(one), str(other)) for one, other in pairs])


def agreement(one: str, other: str) -> str:
    """Return whether two names may mean one type.

    They do if both have one id of the Cell Ontology, if all words of one are in the other, or if
    they begin alike.
    """
    if UNKNOWN in (one, other):
        return ""
    if are_one_type(one, other):
        return "yes"
    words, others = sorted((_words(one), _words(other)), key=len)
    return "yes" if words and all(any(_alike(a, b) for b in others) for a in words) else "no"


def _words(name: str) -> list[str]:
    # CD4- and CD4+ are two types: the first becomes a word of its own, the second is CD4.
    marked = re.sub(r"(?<=\w)[-\u2010-\u2015\u2212](?=\s|$)", "negative", name.casefold())
    words = "".join(letter if letter.isalnum() else " " for letter in marked).split()
    return [word.removesuffix("s") for word in words if word not in ("cell", "cells", "or", "and")]


def _alike(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return one == other or (len(shorter) > 2 and shorter.isalpha() and longer.startswith(shorter))
