"""MuData's ``.h5mu``: one AnnData for each modality; that of gene expression is read."""

from __future__ import annotations

from pathlib import Path

import h5py

from ...errors import InputError, quoted
from ..counts import Counts
from ._hdf5 import items, members, opened
from .h5ad import read_group

NAME = "h5mu"
ENDINGS = ("h5mu",)
_RNA = ("rna", "gex", "gene_expression", "gene expression", "mrna", "transcriptome", "scrna")


def recognizes(path: Path) -> bool:
    """Return whether there are modalities (``mod``)."""
    return members(path).get("mod") is h5py.Group


def read(path: Path) -> Counts:
    """Read the modality of gene expression, and note the others."""
    with opened(path) as file:
        modalities = {
            name: item for name, item in items(file["mod"]).items() if isinstance(item, h5py.Group)
        }
        name = _expression(list(modalities), path)
        counts = read_group(modalities[name], path)
    counts.format, counts.source = NAME, f"mod/{name}: {counts.source}"
    others = [quoted(other) for other in modalities if other != name]
    left_out = f"; {', '.join(others)} left out" if others else ""
    counts.notes.insert(0, f"The modality {quoted(name)} was read{left_out}.")
    return counts


def _expression(names: list[str], path: Path) -> str:
    known = [name for name in names if name.lower() in _RNA]
    if len(known or names) != 1:
        listing = ", ".join(map(quoted, names)) or "there is none"
        raise InputError.of(
            what=f"It is not clear which modality holds gene expression: {listing}.",
            where=path,
            remedy="Write that modality as .h5ad: mudata.read_h5mu(x).mod[name].write_h5ad(y).",
        )
    return (known or names)[0]
