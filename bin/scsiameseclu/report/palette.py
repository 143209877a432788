"""Colours that people with a colour vision deficiency can tell apart, given to the same name everywhere."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

BASE = (
    # Okabe and Ito 2008, without black
    *("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442"),
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
    gets the same colours.
    """
    colors: dict[str, str] = {}
    taken: set[int] = set()
    slots = 3 * len(BASE)
    for name in sorted(set(names) - {"Unknown"}):
        wanted = zlib.crc32(name.encode("utf-8", "replace")) % len(BASE)
        free = [(wanted + step) % slots for step in range(slots) if (wanted + step) % slots not in taken]
        slot = free[0] if free else wanted
        taken.add(slot)
        colors[name] = cluster_color(slot)
    return {**colors, "Unknown": UNKNOWN}


def _shade(color: str, turn: int) -> str:
    if turn == 0:
        return color
    target, weight = (255, 0.5) if turn == 1 else (0, 0.4)
    channels = bytes.fromhex(color.removeprefix("#"))
    return "#" + bytes(round((1 - weight) * own + weight * target) for own in channels).hex()
