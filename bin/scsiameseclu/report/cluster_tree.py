"""The tree of clusters, from ``<group>.clustering.json``, and its picture in the report.

MultiQC has no such plot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from .content import Section, folded, section, text
from .inputs import Group, Run, natural
from .palette import UNKNOWN, WARN

LEVELS = {"cluster_coarse": "coarse", "cluster": "default", "cluster_fine": "fine"}
"""The levels, from the root to the leaves, and what they are called."""
MAX_LEAVES = 40
"""With more fine clusters than this, the leaves of the drawing are the default clusters."""
_MANY_GROUPS, _DRAWN_OF_MANY = 24, 4
"""With more groups than this the trees of the first ones are drawn, or the report would be too
large to mail."""
_ROW, _TOP, _BELOW = 24, 70, 44
"""Pixels of a row, above the first row, and for the axis below the last."""
_LEFT, _WIDTH = 12, 950
"""Where the tree begins, and where the picture ends."""
_TREE = {"cluster_fine": 300, "cluster": 470}
"""Width of the tree, by the level of its leaves: fine clusters need a column of their own."""
_FINE, _DEFAULT = 325, 485
"""Where the columns of the fine and of the default clusters begin."""
_NAME, _CELLS, _STABILITY, _COARSE = 526, 738, 826, 916
"""Where the parts of the column of default clusters begin, and the one of coarse clusters."""
_BAR, _THICKEST = 38, 6
"""Pixels of the longest bar and of the branch of all cells."""
_FAINT = "#8a8a8a"
"""Of lines, bars and words that explain; readable on white and on black."""
_SHAKY = 0.5
"""Stability below which a cluster is a suggestion."""


@dataclass(frozen=True)
class Branch:
    """A part of the tree: a leaf, or what a merge makes of two branches.

    `levels` are the cluster of each level that it is within, None where it spans several;
    `co_association` is how often cells of its two sides meet, mean share of the partitions, 1 for a
    leaf; `children` are these sides, the larger one first.
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

    def lines(
        self, colors: Mapping[str, str]
    ) -> Iterator[tuple[Branch, tuple[float, float], tuple[float, float], str]]:
        """Yield each branch below another, the co-association and row of both, and its colour.

        A branch within a default cluster has the cluster's colour.
        """
        for branch in self.tree.branches():
            for child in branch.children:
                begin, end = ((of.co_association, self.rows[id(of)]) for of in (branch, child))
                yield child, begin, end, colors.get(child.levels["cluster"] or "", UNKNOWN)

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


def sections(run: Run) -> Iterator[Section]:
    """Return the trees of the groups, the first one unfolded."""
    n = len(run.finished)
    shown = n if n <= _MANY_GROUPS else _DRAWN_OF_MANY
    parts = {
        f"{group.label}: {_numbers(group)}": _words(group)
        + (_picture(run, group) if place < shown else "")
        for place, group in enumerate(run.finished)
    }
    some = "" if shown == n else f" Of the {n} groups the first {shown} are drawn here."
    yield section("cluster_tree", folded(parts), shown=some)


def _numbers(group: Group) -> str:
    levels, n = group.summary.get("levels") or {}, len(group.cluster_names)
    others = [f"{levels[of]} {LEVELS[of]}" for of in LEVELS if of in levels and of != "cluster"]
    if n == 1:
        return "one cluster"
    return f"{n} clusters" + (f" ({', '.join(others)})" if others else "")


def _words(group: Group) -> str:
    """Return what was asked for, and what else is to be known."""
    requested = group.summary.get("n_clusters_requested", "auto")
    words: list[str] = []
    if not group.placed:  # else its notes tell that they are the base's
        asked = f"{text(requested)} were asked for."
        words.append("Their number was found from the data." if requested == "auto" else asked)
    if len(group.cluster_names) == 1:
        words.append("All cells are in one cluster.")
    return " ".join([*words, *(text(note, length=400) for note in group.summary.get("notes", []))])


def _picture(run: Run, group: Group) -> str:
    """Return the tree of a group as SVG, a row per leaf; nothing where it has none."""
    root = read_tree(group.summary)
    if root is None:
        return ""
    drawing, colors = Drawing(root), run.cluster_colors[group.id]
    height = _y(len(drawing.tree.leaves) - 1) + _BELOW
    n = {level: root.n_clusters(level) for level in LEVELS}
    others = f"{n['cluster_coarse']} coarse and {n['cluster_fine']} fine ones"
    label = f"Tree of {n['cluster']} clusters, {others}"
    parts = [
        *_axis(drawing),
        *_cuts(drawing),
        *_branches(drawing, colors),
        *(_fine(drawing) if drawing.level == "cluster_fine" else ()),
        *_default(group, drawing, colors),
        *_coarse(drawing),
    ]
    size = f'width="{_WIDTH}" height="{_short(height)}"'
    return (
        f'<div class="cluster_tree"><svg {size} role="img" '
        f'aria-label="{label}">{"".join(parts)}</svg></div>'
    )


def _x(drawing: Drawing, co_association: float) -> float:
    return _LEFT + _TREE[drawing.level] * co_association


def _y(row: float) -> float:
    return _TOP + _ROW * row


def _axis(drawing: Drawing) -> Iterator[str]:
    y = _y(len(drawing.tree.leaves) - 1) + 20
    yield f'<path d="M{_x(drawing, 0)} {y}H{_x(drawing, 1)}" stroke="{_FAINT}"/>'
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = _x(drawing, tick)
        yield f'<path d="M{x} {y}v4" stroke="{_FAINT}"/>'
        yield _text(x, y + 10, f"{tick:g}", anchor="middle", faint=True)
    yield _text(_x(drawing, 1) + 14, y + 10, "share of clusterings in which cells meet", faint=True)


def _cuts(drawing: Drawing) -> Iterator[str]:
    """Yield a dashed line per level, each with its name at a height of its own."""
    bottom = _y(len(drawing.tree.leaves) - 1) + 20
    for place, (level, name) in enumerate(LEVELS.items()):
        x, y = _x(drawing, drawing.root.cut(level)), 10 + 15 * place
        line = f"M{_short(x)} {y + 7}V{_short(bottom)}"
        yield f'<path d="{line}" stroke="{_FAINT}" stroke-dasharray="4 3"/>'
        words = f"{name}: {drawing.root.n_clusters(level)}"
        yield _text(x, y, words, anchor="middle", bold=level == "cluster")


def _branches(drawing: Drawing, colors: Mapping[str, str]) -> Iterator[str]:
    for branch, (meets, row), (ends, to_row), color in drawing.lines(colors):
        y, to_y = _short(_y(row)), _short(_y(to_row))
        line = f"M{_short(_x(drawing, meets))} {y}V{to_y}H{_short(_x(drawing, ends))}"
        width = max(_THICKEST * (branch.n_cells / drawing.tree.n_cells) ** 0.5, 1)
        words = f"<title>{branch.n_cells:,} cells, stability {branch.stability:.2f}</title>"
        title = words if branch.children else ""
        yield f'<path d="{line}" stroke="{color}" stroke-width="{width:.1f}">{title}</path>'


def _fine(drawing: Drawing) -> Iterator[str]:
    heads = ((_FINE, "Fine", ""), (_FINE + 80, "Cells", "end"), (_FINE + 138, "Stability", "end"))
    yield from (_text(x, _TOP - 24, name, anchor=anchor, faint=True) for x, name, anchor in heads)
    for row, leaf in enumerate(drawing.tree.leaves):
        yield _text(_FINE, _y(row), str(leaf.levels["cluster_fine"]))
        yield _text(_FINE + 80, _y(row), f"{leaf.n_cells:,}", anchor="end")
        yield _text(_FINE + 138, _y(row), f"{leaf.stability:.2f}", anchor="end")


def _default(group: Group, drawing: Drawing, colors: Mapping[str, str]) -> Iterator[str]:
    """Yield a bar in each default cluster's color beside its leaves, with name and numbers."""
    heads = ((_DEFAULT, "Cluster"), (_CELLS, "Cells"), (_STABILITY, "Stability"))
    yield from (_text(x, _TOP - 24, name, faint=True) for x, name in heads)
    clusters = drawing.root.clusters("cluster")
    largest = max(cluster.n_cells for cluster in clusters.values())
    for name, (first, last) in drawing.spans("cluster").items():
        y, cluster = _y((first + last) / 2), clusters[name]
        color, height = colors.get(name, UNKNOWN), _ROW * (last - first) + 18
        yield _bar(_DEFAULT, _y(first) - 9, 10, height, color)
        yield _text(_DEFAULT + 16, y, text(name), bold=True)
        yield _text(_NAME, y, text(group.cell_types.get(name, ""), length=28))
        yield _bar(_CELLS, y - 5, _BAR * cluster.n_cells / largest, 10, _FAINT)
        yield _text(_CELLS + _BAR + 5, y, f"{cluster.n_cells:,}")
        color = _FAINT if cluster.stability >= _SHAKY else WARN
        yield _bar(_STABILITY, y - 5, _BAR * cluster.stability, 10, color)
        yield _text(_STABILITY + _BAR + 5, y, f"{cluster.stability:.2f}")


def _coarse(drawing: Drawing) -> Iterator[str]:
    yield _text(_WIDTH, _TOP - 24, "Coarse", anchor="end", faint=True)
    for name, (first, last) in drawing.spans("cluster_coarse").items():
        line = f"M{_COARSE - 4} {_y(first) - 9}h6V{_y(last) + 9}h-6"
        yield f'<path d="{line}" stroke="{_FAINT}" stroke-width="1.5"/>'
        yield _text(_COARSE + 8, _y((first + last) / 2), text(name))


def _bar(x: float, y: float, width: float, height: float, color: str) -> str:
    size = f'width="{_short(width)}" height="{_short(height)}"'
    return f'<rect x="{x}" y="{_short(y)}" {size} fill="{color}"/>'


def _text(
    x: float, y: float, words: str, *, anchor: str = "", bold: bool = False, faint: bool = False
) -> str:
    """Return harmless words, centered on a height."""
    names = " ".join(
        name for name, on in {anchor: anchor, "bold": bold, "faint": faint}.items() if on
    )
    looks = f' class="{names}"' if names else ""
    return f'<text x="{_short(x)}" y="{_short(y + 4)}"{looks}>{words}</text>'


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
