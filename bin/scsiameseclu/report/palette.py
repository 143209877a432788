"""Colours for people with colour vision deficiency, the same for the same name."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import cycle

SAFEST = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
"""Okabe and Ito 2008, without black."""
BASE = (
    *SAFEST,
    # Tol 2021, muted
    *("#332288", "#44aa99", "#882255", "#999933", "#cc6677", "#117733", "#aa4499"),
)
_TINTS = (0.0, 0.5, -0.4, 0.25, -0.2, 0.7, -0.6)
"""How the same colour is varied, the most distinct first: shares of white, or of black below 0."""
UNKNOWN, CLEAR = "#b3b3b3", "rgba(0,0,0,0)"
WARN, FAIL = "#e69f00", "#d55e00"
PHASES = {"G1": UNKNOWN, "S": SAFEST[1], "G2M": SAFEST[0]}
"""Of the cell cycle."""
SEQUENTIAL = ("#fde725", "#5ec962", "#21918c", "#3b528b", "#440154")
"""Viridis in five steps, from high to low: readable in grey, too."""


def cluster_color(position: int) -> str:
    """Return the colour of the cluster (or sample) at `position`.

    After 14 come lighter and then darker shades.
    """
    turn, place = divmod(position, len(BASE))
    return _tinted(BASE[place], _TINTS[turn % 3])


def cell_type_colors(names: Iterable[str]) -> dict[str, str]:
    """Return a colour per cell type that hangs on its name, not on its order; ``Unknown`` is grey.

    Two names that want the same colour are parted in alphabetical order, so that the same set of
    names always gets the same colours. Up to seven types share the seven colours that are most
    distinct.
    """
    colors: dict[str, str] = {}
    taken: set[int] = set()
    known = sorted(set(names) - {"Unknown"})
    slots = next((size for size in (len(SAFEST), len(BASE)) if len(known) <= size), 3 * len(BASE))
    for name in known:
        wanted = zlib.crc32(name.encode("utf-8", "replace")) % min(slots, len(BASE))
        free = [
            (wanted + step) % slots for step in range(slots) if (wanted + step) % slots not in taken
        ]
        slot = free[0] if free else wanted
        taken.add(slot)
        colors[name] = cluster_color(slot)
    return {**colors, "Unknown": UNKNOWN}


def cluster_colors(types: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Return a colour per cluster of each group.

    A colour does not mean other cells in the next group.

    A cluster has the colour of its cell type; where several clusters of a group are of one type,
    they are shades of it. Clusters of no known type take, one after the other over all groups,
    colours that no cell type has.

    Parameters
    ----------
    types
        Group -> cluster -> cell type, ``Unknown`` where it has none.
    """
    of_type = cell_type_colors(name for clusters in types.values() for name in clusters.values())
    used = {color for name, color in of_type.items() if name != "Unknown"}
    free = cycle(
        [place for place in range(3 * len(BASE)) if BASE[place % len(BASE)] not in used]
        or range(len(BASE))
    )
    return {group: _group_colors(types[group], of_type, free) for group in sorted(types)}


def _group_colors(
    types: Mapping[str, str], of_type: Mapping[str, str], free: Iterator[int]
) -> dict[str, str]:
    tints = {name: cycle(_TINTS) for name in types.values()}
    return {
        cluster: cluster_color(next(free))
        if name == "Unknown"
        else _tinted(of_type[name], next(tints[name]))
        for cluster, name in types.items()
    }


def in_order(names: Iterable[str]) -> dict[str, str]:
    """Return a colour per name (sample or cluster), by its place."""
    return {name: cluster_color(index) for index, name in enumerate(names)}


def graded(share: float) -> str:
    """Return the colour of a value from 0 (light) to 1 (dark) on the sequential scale."""
    place = min(max(share, 0.0), 1.0) * (len(SEQUENTIAL) - 1)
    low = min(int(place), len(SEQUENTIAL) - 2)
    return _mixed(SEQUENTIAL[low], SEQUENTIAL[low + 1], place - low)


def _mixed(one: str, other: str, weight: float) -> str:
    pairs = zip(
        bytes.fromhex(one.removeprefix("#")), bytes.fromhex(other.removeprefix("#")), strict=True
    )
    return "#" + bytes(round((1 - weight) * a + weight * b) for a, b in pairs).hex()


def _tinted(color: str, share: float) -> str:
    """Return a colour with a share of white in it, or, below 0, of black."""
    return _mixed(color, "#ffffff" if share > 0 else "#000000", abs(share))
