"""Writes the measured parts of docs/benchmarks.md, each between its marks; the text around them is kept."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from .figures import draw_figures
from .methods import ABLATIONS, METHODS
from .tables import (
    SCORES,
    ablation_summary,
    comparison_wanted,
    complete,
    found_to_true,
    gaps,
    kept,
    large_sets,
    leave_one_out,
    markdown,
    per_set,
    summary,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NOT_MADE = "Not measured yet."
ELSEWHERE = ("published", "markers", "batch")
"""Parts of the page that other commands write."""
_BLOCK = re.compile(r"(<!-- begin (\w+) -->\n)(.*?)(<!-- end \2 -->)", re.DOTALL)


def write_page(output: Path, *, results: pd.DataFrame, ablation: pd.DataFrame, scaling: pd.DataFrame) -> None:
    """Write ``OUTPUT.md`` and the figures in `output`.

    A page that is there keeps its text: only what stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``
    is replaced. Without a page, it begins as the template ``page.md`` beside this module.

    Parameters
    ----------
    output
        Folder of the tables; the page is beside it.
    results, ablation, scaling
        All results so far.
    """
    whole = complete(results, comparison_wanted())
    blocks = comparison_blocks(whole, n_incomplete=len(results) - len(whole)) if len(whole) else {}
    blocks |= {"ablation": ablation_table(ablation), "scaling": scaling_table(scaling)}
    measured = pd.concat([table for table in (results, ablation, scaling) if len(table)] or [results])
    blocks["versions"] = "\n".join(f"- {version}" for version in sorted(measured["versions"].unique())) or NOT_MADE
    draw_figures(output, results=whole, scaling=scaling)
    page = _page(output)
    page.write_text(filled(_text(page), blocks), encoding="utf-8")


def write_part(output: Path, part: str, content: str) -> None:
    """Write one part of ``OUTPUT.md``, as :func:`write_page` writes the others.

    Parameters
    ----------
    output
        Folder of the tables; the page is beside it.
    part
        Name of the part, one of ``ELSEWHERE``.
    content
        Markdown.
    """
    page = _page(output)
    page.write_text(with_part(_text(page), part, content), encoding="utf-8")


def _page(output: Path) -> Path:
    return output.with_name(f"{output.name}.md")


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8") if page.is_file() else template()


def template() -> str:
    """Return the page without any result."""
    return (files(__package__) / "page.md").read_text(encoding="utf-8")


def filled(text: str, blocks: dict[str, str]) -> str:
    """Return the page with its marked parts replaced; a part for which there is nothing says so.

    Parts of other commands stay as they are.
    """

    def replacement(found: re.Match[str]) -> str:
        start, name, old, end = found.groups()
        return found[0] if name in ELSEWHERE and old else f"{start}\n{blocks.get(name, NOT_MADE)}\n\n{end}"

    return _BLOCK.sub(replacement, text)


def with_part(text: str, part: str, content: str) -> str:
    """Return the page with one part replaced and the others as they are."""

    def replacement(found: re.Match[str]) -> str:
        start, name, _, end = found.groups()
        return f"{start}\n{content}\n\n{end}" if name == part else found[0]

    return _BLOCK.sub(replacement, text)


def comparison_blocks(results: pd.DataFrame, *, n_incomplete: int) -> dict[str, str]:
    """Return the parts of the page that compare the methods, by their names there."""
    true, auto = (results[results["k_mode"] == k_mode] for k_mode in ("true", "auto"))
    return {
        "coverage": coverage(results, n_incomplete=n_incomplete),
        "summary_true": summary_table(true, _true_columns),
        "summary_auto": summary_table(auto, _auto_columns),
        "sets_true": sets_table(true, _three_scores(true)),
        "sets_auto": sets_table(auto, _ari_and_clusters(auto)),
        "left_out": _titled(leave_one_out(true), "left out"),
        "seeds": _titled(per_set(true, "ari", spread=True), "data set"),
        "cost": sets_table(results, _cost(true)) + "\n\n" + sets_table(results, _cost(auto)),
    }


def coverage(results: pd.DataFrame, *, n_incomplete: int) -> str:
    """Return what the tables cover: which data sets, of what size, with how many seeds."""
    sets = results.drop_duplicates("dataset").set_index("dataset")[["cells", "genes", "types"]]
    sets["seeds"] = results.groupby("dataset")["seed"].nunique()
    text = f"{len(sets)} data sets. All tables of the comparison are over these and no others:\n\n"
    text += markdown(sets.sort_values("cells"), first="data set")
    fits = results[results["method"] == "scsiameseclu"]
    text += (
        f"\n\nThe label-free check kept the training in {kept(fits).sum()} of {len(fits)} fits of scSiameseClu; in the "
    )
    text += "others its labels are those of the consensus."
    n_versions = len(results["versions"].unique())
    if n_versions > 1:
        text += f"\n\nThe results are of {n_versions} versions of the software."
    if n_incomplete:
        text += f"\n\n{n_incomplete} results of data sets or seeds that not all methods have yet are not counted."
    return text


def summary_table(results: pd.DataFrame, columns: Callable[[pd.DataFrame], dict[str, pd.Series[str]]]) -> str:
    """Return the means over the data sets, one line a method."""
    means = summary(results)
    table = pd.DataFrame(
        {
            "ACC": means["acc"],
            "NMI": means["nmi"],
            "ARI": means["ari"],
            "lowest ARI with one set left out": means["lowest"],
            "SD over seeds, mean": means["spread"],
            "SD over seeds, largest (> 500 cells)": means["widest"],
            "silhouette": means["silhouette"].map("{:.3f}".format),
        }
    ).astype(object)
    for name, column in columns(results).items():
        table[name] = column
    return markdown(table.rename(index=_titles()), first="method")


def _true_columns(results: pd.DataFrame) -> dict[str, pd.Series[str]]:
    distance = gaps(results)
    worst = {name: f"{distance[name].min():+.1f} ({distance[name].idxmin()})" for name in distance}
    return {"worst gap to the better of Leiden and k-means": pd.Series(worst)}


def _auto_columns(results: pd.DataFrame) -> dict[str, pd.Series[str]]:
    ratios = found_to_true(results)
    large = ratios.loc[ratios.index.isin(large_sets(results))]
    told = {
        "clusters / types": ratios,
        "the same, > 500 cells": large,
    }
    return {
        title: pd.Series(
            {name: f"{table[name].min():.2f} to {table[name].max():.2f}" if len(table) else "–" for name in table}
        )
        for title, table in told.items()
    }


def sets_table(results: pd.DataFrame, table: pd.DataFrame) -> str:
    """Return a table of one line a data set, with its size."""
    sizes = results.drop_duplicates("dataset").set_index("dataset")[["cells", "types"]]
    return markdown(sizes.loc[table.index].join(table.rename(columns=_titles())), first="data set")


def _three_scores(results: pd.DataFrame) -> pd.DataFrame:
    acc, nmi, ari = (per_set(results, score).map("{:.1f}".format) for score in SCORES)
    return acc + " / " + nmi + " / " + ari


def _ari_and_clusters(results: pd.DataFrame) -> pd.DataFrame:
    return per_set(results, "ari").map("{:.1f}".format) + " (" + per_set(results, "n_clusters").map("{:.3g})".format)


def _cost(results: pd.DataFrame) -> pd.DataFrame:
    return per_set(results, "seconds").map("{:.1f} s, ".format) + per_set(results, "peak_rss_mb").map(
        "{:.0f} MB".format
    )


def ablation_table(ablation: pd.DataFrame) -> str:
    """Return the table of the ablations, with what it is over."""
    whole = complete(ablation, [(name, "true") for name in ABLATIONS])
    if not len(whole):
        return NOT_MADE
    means = ablation_summary(whole).loc[list(ABLATIONS)]
    table = pd.DataFrame(
        {
            "ACC": means["acc"],
            "NMI": means["nmi"],
            "ARI": means["ari"],
            "ARI − full": means["difference"].map("{:+.2f}".format),
            "the same, > 500 cells": [f"{v:+.2f}" if pd.notna(v) else "–" for v in means["difference_large"]],
            "sets better / worse": means["better"].astype(str) + " / " + means["worse"].astype(str),
            "training kept, % of fits": means["trained"],
        },
        dtype=object,
    )
    names = ", ".join(whole.sort_values("cells")["dataset"].unique())
    seeds = whole.groupby("dataset")["seed"].nunique()
    told = str(seeds.min()) if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    return f"Over {names}; seeds: {told}.\n\n{markdown(table, first='variant')}"


def scaling_table(scaling: pd.DataFrame) -> str:
    """Return time and memory on simulated cells."""
    if not len(scaling):
        return NOT_MADE
    table = pd.DataFrame(
        {
            "method": [METHODS[name].title for name in scaling["method"]],
            "seconds": scaling["seconds"].map("{:.1f}".format),
            "ms per cell": (scaling["seconds"] / scaling["cells"] * 1000).map("{:.2f}".format),
            "peak memory, MB": scaling["peak_rss_mb"].map("{:.0f}".format),
            "ARI": scaling["ari"] * 100,
        },
        dtype=object,
    )
    return markdown(table.set_axis(scaling["cells"].map("{:,}".format)), first="cells")


def _titled(table: pd.DataFrame, first: str) -> str:
    return markdown(table.rename(columns=_titles()), first=first)


def _titles() -> dict[str, str]:
    return {name: method.title for name, method in METHODS.items()}
