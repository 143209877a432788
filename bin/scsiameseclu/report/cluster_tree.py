"""The tree of clusters in the report, at three levels.

It is a picture, as MultiQC has no such plot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .content import Section, folded, section, text
from .dendrogram import LEVELS, Drawing, read_tree
from .inputs import Group, Run
from .palette import UNKNOWN, WARN

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
    """Yield the ticks of the co-association and its name, below the tree."""
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
    """Yield the lines of the tree, those within a default cluster in its color."""
    tree, total = drawing.tree, drawing.tree.n_cells
    for branch in tree.branches():
        x, y = _x(drawing, branch.co_association), _y(drawing.rows[id(branch)])
        for child in branch.children:
            to = _short(_x(drawing, child.co_association)), _short(_y(drawing.rows[id(child)]))
            line = f"M{_short(x)} {_short(y)}V{to[1]}H{to[0]}"
            width = max(_THICKEST * (child.n_cells / total) ** 0.5, 1)
            color = colors.get(child.levels["cluster"] or "", UNKNOWN)
            words = f"<title>{child.n_cells:,} cells, stability {child.stability:.2f}</title>"
            title = words if child.children else ""
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
    """Yield a bracket around the rows of each coarse cluster, with its number."""
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
