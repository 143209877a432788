"""How tests of intake read a sample, and hold a refusal to what all refusals have."""

from __future__ import annotations

import json

import pytest
from scsiameseclu.errors import InputError
from scsiameseclu.intake.read_counts import read_sample


def read(path, **options):
    """Return the counts as AnnData."""
    return read_sample(path, settings={"sample": "s"}, **options)[0]


def notes(adata):
    """Return the notes of how the counts were read, as one text."""
    return " ".join(json.loads(adata.uns["intake"])["notes"])


def refused(path, *words, **options):
    """Return the one problem for which an input is refused, which must have these words in it."""
    with pytest.raises(InputError) as caught:
        read(path, **options)
    (problem,) = caught.value.problems
    assert problem.where
    assert problem.remedy
    for word in words:
        assert word.lower() in str(problem).lower()
    return problem
