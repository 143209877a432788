"""The tree of clusters as the report and the figures draw it, from ``<group>.clustering.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from .inputs import natural

LEVELS = {"cluster_coarse": "coarse", "cluster": "default", "cluster_fine": "fine"}
"""The levels, from the root to the leaves, and what they are called."""
MAX_LEAVES = 40
"""With more fine clusters than this, the leaves of the drawing are the default clusters."""


@dataclass(frozen=True)
class Branch:
    """A part of the tree: a leaf, or what a merge makes of two branches.

    Parameters
    ----------
    n_cells, stability
        Of the cells below it.
    levels
        Level -> the cluster that it is within, None where it spans several.
    co_association
        How often cells of its two sides meet, mean share of the partitions; 1 for a leaf.
    children
        Its two sides, the larger one first; none for a leaf.
    """

    n_cells: int
    stability: float
    levels: Mapping[str, str | None]
    co_association: float = 1.0
    children: tuple[Branch, ...] = ()

    def branches(self) -> Iterator[Branch]:
        """Yield it and all branches below."""
        yield self
        for child in self.children:
            yield from child.branches()

    @cached_property
    def leaves(self) -> list[Branch]:
        """Its leaves, from the first to the last."""
        return [branch for branch in self.branches() if not branch.children]

    def n_clusters(self, level: str) -> int:
        """Return the number of clusters at a level."""
        return len({leaf.levels[level] for leaf in self.leaves})

    def down_to(self, level: str) -> Branch:
        """Return the branch without what lies below the clusters of a level."""
        if self.levels[level] is not None:
            return replace(self, co_association=1.0, children=())
        return replace(self, children=tuple(child.down_to(level) for child in self.children))

    def cut(self, level: str) -> float:
        """Return a co-association at which the tree is cut into a level.

        It is the middle of the range.
        """
        merges = [branch for branch in self.branches() if branch.children]
        above = [branch.co_association for branch in merges if branch.levels[level] is None]
        below = [branch.co_association for branch in merges if branch.levels[level] is not None]
        return (max(above, default=0.0) + min(below, default=1.0)) / 2

    def clusters(self, level: str) -> dict[str, Branch]:
        """Return the highest branch of each cluster of a level, by its name."""
        highest: dict[str, Branch] = {}
        for branch in self.branches():
            name = branch.levels[level]
            if name is not None:
                highest.setdefault(name, branch)
        return {name: highest[name] for name in sorted(highest, key=natural)}


@dataclass(frozen=True)
class Drawing:
    """What of the whole tree is drawn, and where: a row per leaf."""

    root: Branch

    @cached_property
    def level(self) -> str:
        """The level whose clusters are the leaves."""
        n, n_fine = (self.root.n_clusters(level) for level in ("cluster", "cluster_fine"))
        return "cluster_fine" if n < n_fine <= MAX_LEAVES else "cluster"

    @cached_property
    def tree(self) -> Branch:
        """The tree down to these leaves."""
        return self.root.down_to(self.level)

    @cached_property
    def rows(self) -> dict[int, float]:
        """Return each branch's row, by ``id()``: leaves 0, 1, ..., others between their sides."""
        rows: dict[int, float] = {id(leaf): float(row) for row, leaf in enumerate(self.tree.leaves)}
        for branch in reversed(list(self.tree.branches())):
            if branch.children:
                rows[id(branch)] = sum(rows[id(child)] for child in branch.children) / 2
        return rows

    def spans(self, level: str) -> dict[str, tuple[int, int]]:
        """Return the first and the last row of each cluster of a level."""
        spans: dict[str, tuple[int, int]] = {}
        for row, leaf in enumerate(self.tree.leaves):
            name = str(leaf.levels[level])
            spans[name] = (spans.get(name, (row, row))[0], row)
        return spans


def read_tree(summary: Mapping[str, Any]) -> Branch | None:
    """Return the tree of ``<group>.clustering.json``; None with one leaf or no tree."""
    record = summary.get("dendrogram")
    if not record or not record["merges"]:
        return None
    nodes = [
        Branch(leaf["n_cells"], stability, {level: str(leaf[level]) for level in LEVELS})
        for leaf, stability in zip(record["leaves"], record["stability"], strict=False)
    ]
    for merge in record["merges"]:
        one, other = (nodes[place] for place in merge["nodes"])
        shared = {of: name if other.levels[of] == name else None for of, name in one.levels.items()}
        sides = (one, other) if one.n_cells >= other.n_cells else (other, one)
        n_cells, stability = one.n_cells + other.n_cells, record["stability"][len(nodes)]
        nodes.append(Branch(n_cells, stability, shared, merge["co_association"], sides))
    return nodes[-1]
