"""Colours that people with a colour vision deficiency can tell apart, given to the same name everywhere."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SAFEST = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
"""Okabe and Ito 2008, without black."""
BASE = (
    *SAFEST,
    # Tol 2021, muted
    *("#332288", "#44aa99", "#882255", "#999933", "#cc6677", "#117733", "#aa4499"),
)
UNKNOWN = "#b3b3b3"
PASS, WARN, FAIL = "#009e73", "#e69f00", "#d55e00"
SEQUENTIAL = ("#fde725", "#5ec962", "#21918c", "#3b528b", "#440154")
"""Viridis in five steps, from high to low: readable in grey, too."""


def cluster_color(position: int) -> str:
    """Return the colour of the cluster (or sample) at `position`; after 14 of them, lighter and then darker shades."""
    turn, place = divmod(position, len(BASE))
    return _shade(BASE[place], turn % 3)


def cell_type_colors(names: Iterable[str]) -> dict[str, str]:
    """Return a colour per cell type that hangs on its name, not on its order; ``Unknown`` is grey.

    Two names that want the same colour are parted in alphabetical order, so that the same set of names always
    gets the same colours. Up to seven types share the seven colours that are easiest to tell apart.
    """
    colors: dict[str, str] = {}
    taken: set[int] = set()
    known = sorted(set(names) - {"Unknown"})
    slots = next((size for size in (len(SAFEST), len(BASE)) if len(known) <= size), 3 * len(BASE))
    for name in known:
        wanted = zlib.crc32(name.encode("utf-8", "replace")) % min(slots, len(BASE))
        free = [(wanted + step) % slots for step in range(slots) if (wanted + step) % slots not in taken]
        slot = free[0] if free else wanted
        taken.add(slot)
        colors[name] = cluster_color(slot)
    return {**colors, "Unknown": UNKNOWN}


def in_order(names: Iterable[str]) -> dict[str, str]:
    """Return a colour per name (sample or cluster), by its place."""
    return {name: cluster_color(index) for index, name in enumerate(names)}


def graded(share: float) -> str:
    """Return the colour of a value from 0 (light) to 1 (dark) on the sequential scale."""
    place = min(max(share, 0.0), 1.0) * (len(SEQUENTIAL) - 1)
    low = min(int(place), len(SEQUENTIAL) - 2)
    return _mixed(SEQUENTIAL[low], SEQUENTIAL[low + 1], place - low)


def _mixed(one: str, other: str, weight: float) -> str:
    pairs = zip(bytes.fromhex(one.removeprefix("#")), bytes.fromhex(other.removeprefix("#")), strict=True)
    return "#" + bytes(round((1 - weight) * a + weight * b) for a, b in pairs).hex()


def _shade(color: str, turn: int) -> str:
    if turn == 0:
        return color
    return _mixed(color, "#ffffff", 0.5) if turn == 1 else _mixed(color, "#000000", 0.4)
