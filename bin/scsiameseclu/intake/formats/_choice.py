"""Which matrix of a file holds the raw counts: X, raw.X, one of the layers, or their sum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial, reduce
from pathlib import Path
from typing import Any

from scipy import sparse

from ...errors import InputError
from ..counts import add, total
from ..names import key, words
from ._hdf5 import any_matrix, is_matrix, largest_count

PARTS = (("mature", "nascent", "ambiguous"), ("spliced", "unspliced", "ambiguous", "spanning"))
"""Layers that add up to the counts: kb's ``nac``; velocyto, alevin-fry, kb's ``lamanno``."""
_RAW = words("raw_counts counts_raw raw count umi_counts umi umis raw_count raw_umi")
_WHOLE = "matrix"
"""What anndata calls the layer with all counts of a velocyto loom."""
_NAMED = [key(name) for name in ("counts", *_RAW, _WHOLE)]
"""Layers that are called the raw counts, in order of preference; the first before X."""


@dataclass
class Candidates:
    """The matrices of a file.

    Parameters
    ----------
    main
        Those outside the layers by the names that users know, in order of preference.
    layers
        Layers by their own names.
    label
        What users call a layer.
    is_alevin
        Whether alevin-fry counted: unspliced counts are left out then, as of its Matrix Market.
        Default: False.
    """

    main: Mapping[str, Any]
    layers: Mapping[str, Any]
    label: Callable[[str], str]
    is_alevin: bool = False
    parts: dict[str, str] = field(init=False)
    _largest: dict[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.main = {name: item for name, item in self.main.items() if is_matrix(item)}
        self.layers = {name: item for name, item in self.layers.items() if is_matrix(item)}
        self.parts = self._parts()

    def choose(self, path: Path) -> tuple[sparse.csr_matrix, str, list[str]]:
        """Return the raw counts as stored, their name, and notes for the user.

        The first is taken that holds non-negative whole numbers only, and not just 0 and 1; else
        the first of all, which the check of counts then rejects.

        Raises
        ------
        InputError
            If there is no matrix, or several layers could be the one.
        """
        items = self._in_order()
        if not items and not self.parts:
            raise InputError.of(
                what="The file holds no matrix: no X, raw.X or layer.",
                where=path,
                remedy="Write it again with raw counts in X or in layers['counts'].",
            )
        usable = [name for name, item in items.items() if (self._count(name, item) or 0) > 1]
        chosen = usable[0] if usable else None
        if self.parts and not self._is_named(chosen) and self._lacks_parts(chosen, items):
            return self._sum_of_parts(path, chosen)
        if chosen is None:
            items = items or {self.label(name): self.layers[name] for name in self.parts.values()}
            chosen = self._presence(items)
        elif not self._is_named(chosen):
            self._check_alone(usable, items, path)
        name = chosen or next(iter(items))
        return any_matrix(items[name]), name, self._notes(chosen, items)

    def _in_order(self) -> dict[str, Any]:
        """Return all matrices but the parts, by what users call them, preferred ones first."""
        known = {key(name): name for name in self.layers}
        named = [known[name] for name in _NAMED if name in known]
        others = [name for name in self.layers if name not in (*named, *self.parts.values())]
        layers = {self.label(name): self.layers[name] for name in (*named, *others)}
        first = {self.label(name): self.layers[name] for name in named if key(name) == _NAMED[0]}
        return first | dict(self.main) | layers

    def _parts(self) -> dict[str, str]:
        """Return the layers that add up to the counts by their usual names; {} of fewer than 2."""
        known = {key(name): name for name in self.layers}
        found = [{part: known[part] for part in parts if part in known} for parts in PARTS]
        largest = max(found, key=len)
        return largest if len(largest) > 1 else {}

    def _is_named(self, name: str | None) -> bool:
        """Return whether a matrix is called the raw counts."""
        return any(name == self.label(layer) for layer in self.layers if key(layer) in _NAMED)

    def _count(self, name: str, item: Any) -> float | None:
        if name not in self._largest:
            self._largest[name] = largest_count(item)
        return self._largest[name]

    def _lacks_parts(self, chosen: str | None, items: Mapping[str, Any]) -> bool:
        """Return whether to add up the parts: nothing or one of them was chosen."""
        if any(largest_count(self.layers[name]) is None for name in self.parts.values()):
            return False
        if chosen is None or chosen not in self.main or self.is_alevin:
            return True
        if "unspliced" in self.parts and "spliced" not in self.parts and self._whole() is not None:
            return True  # spliced counts are in X: anndata.read_loom puts them there
        matrix = any_matrix(items[chosen])
        return any(_same(matrix, any_matrix(self.layers[name])) for name in self.parts.values())

    def _presence(self, items: Mapping[str, Any]) -> str | None:
        """Return the 0/1 matrix to take if none holds whole numbers; a mask is not taken."""
        for name, item in items.items():
            may_be = name in self.main or self._is_named(name) or not self.main
            if may_be and self._count(name, item) is not None:
                return name
        return None

    def _whole(self) -> str | None:
        """Return the layer that holds the sum of the parts, if one does."""
        whole = next((name for name in self.layers if key(name) == _WHOLE), "")
        largest = self._count(self.label(whole), self.layers[whole]) if whole else None
        return whole if (largest or 0) > 1 else None

    def _sum_of_parts(
        self, path: Path, chosen: str | None
    ) -> tuple[sparse.csr_matrix, str, list[str]]:
        whole = self._whole()
        why = "no other matrix holds whole numbers"
        if chosen in self.main:
            why = f"{chosen} holds one part of them only"
        if whole is not None and not self.is_alevin:
            note = f"Raw counts were taken from {self.label(whole)} ({why})."
            return any_matrix(self.layers[whole]), self.label(whole), [note]
        parts = {name: any_matrix(self.layers[layer]) for name, layer in self.parts.items()}
        totals = ", ".join(f"{name} {total(matrix):,.0f}" for name, matrix in parts.items())
        left_out = ""
        if self.is_alevin and "spliced" in parts and len(parts) > 2:
            del parts["unspliced"]
            why = "alevin-fry counted them"
            left_out = "; unspliced ones were left out, as of its Matrix Market"
        added = reduce(partial(add, path=path), parts.values())
        source = " + ".join(self.label(self.parts[name]) for name in parts)
        note = (
            f"Raw counts are the sum of the layers {' and '.join(parts)} ({why}; totals: "
            f"{totals}{left_out})."
        )
        return added, source, [note]

    def _check_alone(self, usable: list[str], items: Mapping[str, Any], path: Path) -> None:
        """Refuse to guess which of several layers of unknown names holds the raw counts."""
        layers = [name for name in usable if name not in self.main]
        if usable[0] in self.main or len(layers) < 2:
            return
        first = any_matrix(items[layers[0]])
        if all(_same(first, any_matrix(items[name])) for name in layers[1:]):
            return
        raise InputError.of(
            what="Several layers hold whole numbers, and none is named as the raw counts: "
            f"{', '.join(layers)}.",
            where=path,
            remedy="Write the file again with raw counts in X or in layers['counts'].",
        )

    def _notes(self, chosen: str | None, items: Mapping[str, Any]) -> list[str]:
        if chosen is None:
            names = ", ".join(items)
            return [f"No matrix holds whole numbers only ({names}); {next(iter(items))} was taken."]
        passed: dict[str, list[str]] = {}
        for name in list(items)[: list(items).index(chosen)]:
            why = "not whole numbers" if self._count(name, items[name]) is None else "0 and 1 only"
            passed.setdefault(why, []).append(name)
        rejected = "; ".join(f"{', '.join(names)}: {why}" for why, names in passed.items())
        notes = [f"Raw counts were taken from {chosen}{f' ({rejected})' if rejected else ''}."]
        if "unspliced" in self.parts:
            layer = self.layers[self.parts["unspliced"]]
            if largest_count(layer) is not None and _same(
                any_matrix(items[chosen]), self._all_parts()
            ):
                notes.append(f"They include unspliced counts: {total(any_matrix(layer)):,.0f}.")
        return notes

    def _all_parts(self) -> sparse.csr_matrix:
        first, *others = (any_matrix(self.layers[name]) for name in self.parts.values())
        return sum(others, first)


def _same(one: sparse.csr_matrix, other: sparse.csr_matrix) -> bool:
    return bool(one.shape == other.shape and total(one) == total(other) and (one != other).nnz == 0)
