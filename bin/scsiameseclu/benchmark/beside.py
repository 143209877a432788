"""The parts of the page about the paper's methods: ranks, scores, the paper's own figures."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from .baselines import BASELINES
from .methods import COMPARED, METHODS, OURS, Method
from .tables import complete, interval, is_development, markdown, per_set, with_interval

K_MODE = "true"
"""All methods are given the number of clusters; few can find it."""
PAPER: dict[str, dict[str, tuple[float, float, float]]] = {
    "cite_cbmc.h5ad": {
        "scsiameseclu": (74.70, 68.71, 67.56),
        "sccdcg": (71.75, 68.57, 61.06),
        "scdeepcluster": (67.59, 73.16, 51.21),
        "scname": (60.22, 48.98, 66.06),
        "scgnn": (66.71, 61.70, 66.25),
    },
    "human_kidney_counts_top2000.h5": {"scsiameseclu": (86.08, 80.86, 74.23)},
}
"""ACC, NMI and ARI of the paper's table 2 (arXiv 2505.12626), for the available data sets."""
SCORES = ("acc", "nmi", "ari")


def measured_sets(found: pd.DataFrame) -> dict[str, int]:
    """Return on how many data sets each baseline has a result, for those that have any."""
    mine = found[
        (found["k_mode"] == K_MODE) & found["method"].isin({method.name for method in BASELINES})
    ]
    return {str(name): int(n) for name, n in mine.groupby("method")["dataset"].nunique().items()}


def beside_results(found: pd.DataFrame) -> pd.DataFrame:
    """Return results of the baselines measured on most data sets, and of the compared methods.

    Only data sets and seeds that all of these have; none if no baseline has any.
    """
    sets = measured_sets(found)
    shown = [name for name, n in sets.items() if n == max(sets.values())]
    others = [method.name for method in COMPARED if K_MODE in method.modes]
    return (
        complete(found, [(name, K_MODE) for name in [*others, *shown]]) if shown else found.iloc[:0]
    )


def mean_ranks(results: pd.DataFrame) -> pd.DataFrame:
    """Return each method's mean rank by ARI over the data sets, with 95 % interval; best first.

    Index: names of methods. Columns: ``mean``, ``low`` and ``high``. Tied methods get their
    mean rank.
    """
    ranks = per_set(results).rank(axis=1, ascending=False)
    found = pd.DataFrame(
        {name: interval(ranks[name]) for name in ranks}, index=["mean", "low", "high"]
    )
    return found.T.sort_values("mean", kind="stable")


def ranking(results: pd.DataFrame) -> str:
    """Return the sentence on the ranks: the best three, and scSiameseClu."""
    ranks = mean_ranks(results)
    shown = [*ranks.index[:3], *([] if OURS.name in ranks.index[:3] else [OURS.name])]
    best = ", ".join(f"{METHODS[name].title} {_with_interval(ranks.loc[name])}" for name in shown)
    sets = pd.Index(results["dataset"].unique())
    return (
        f"With the true number of clusters given, the mean rank by ARI of {len(ranks)} methods "
        f"over {len(sets)} data sets ({is_development(sets).sum()} of them development sets), with "
        f"95 % interval: **{best}**."
    )


def _with_interval(row: pd.Series) -> str:
    if row.isna().any():
        return f"{row['mean']:.1f}"
    return f"{row['mean']:.1f} ({row['low']:.1f} to {row['high']:.1f})"


def beside_table(results: pd.DataFrame, found: pd.DataFrame) -> str:
    """Return scores, ranks and cost of each method, failures, and methods not shown."""
    tables, ranks = {score: per_set(results, score) for score in SCORES}, mean_ranks(results)
    ari = tables["ari"]
    rows: dict[str, dict[str, object]] = {}
    for name in ranks.index:
        above, mine = ari[OURS.name] - ari[name], results[results["method"] == name]
        rows[METHODS[name].title] = {
            **{score.upper(): tables[score][name].mean() for score in SCORES},
            "mean rank": _with_interval(ranks.loc[name]),
            "ARI gain of scSiameseClu": with_interval(above) if name != OURS.name else "–",
            "gain, held-out sets": with_interval(above[~is_development(above.index)]),
            "failed": str(mine["error"].notna().sum()),
            "seconds, median": mine["seconds"].astype(float).median(),
            "peak memory, MB": f"{mine['peak_rss_mb'].astype(float).max():.0f}",
        }
    lines = [markdown(rows, first="method")]
    lines += [
        f"**Failed**, scored 0: {row['method']} on {row['dataset']}, seed "
        f"{row['seed']} ({row['error']})."
        for row in results[results["error"].notna()].to_dict("records")
        if row["method"] not in {method.name for method in COMPARED}
    ]
    sets = measured_sets(found)
    most = max(sets.values())
    lines += [
        f"**Not ranked**: {METHODS[name].title}, measured on {n} of {most} data sets. "
        f"There, the ARI gain of scSiameseClu is {_gain(found, name)}."
        for name, n in sets.items()
        if n < most
    ]
    if unmeasured := [method.title for method in BASELINES if method.name not in sets]:
        lines.append(f"Not measured: {', '.join(unmeasured)}.")
    return "\n\n".join(lines)


def _gain(found: pd.DataFrame, name: str) -> str:
    """Return the gain over a method on the data sets that both have."""
    ari = per_set(complete(found, [(OURS.name, K_MODE), (name, K_MODE)]))
    return with_interval(ari[OURS.name] - ari[name]) if len(ari) else "not measured"


def beside_sets(results: pd.DataFrame) -> pd.DataFrame:
    """Return the ARI of scSiameseClu and each baseline on each data set, as text."""
    ari = per_set(results)
    known: tuple[Method, ...] = (OURS, *BASELINES)
    shown = [method for method in known if method.name in ari]
    return pd.DataFrame({method.title: ari[method.name].map("{:.1f}".format) for method in shown})


def paper_table(found: pd.DataFrame) -> str:
    """Return the paper's figures and those measured here.

    Ours see no labels; the true number of clusters is given.
    """
    mine = found[(found["k_mode"] == K_MODE) & found["error"].isna()]
    rows, sets = [], []
    for dataset, methods in PAPER.items():
        for name, published in methods.items():
            fits = mine[(mine["dataset"] == dataset) & (mine["method"] == name)]
            if len(fits):
                here = [float(100 * fits[score].mean()) for score in SCORES]
                row = {"method": METHODS[name].title, "published": _joined(published)}
                difference = f"{here[2] - published[2]:+.1f}"
                rows.append(row | {"here": _joined(here), "ARI difference": difference})
                sets.append(dataset)
    return markdown(pd.DataFrame(rows, index=sets), first="data set") if rows else ""


def _joined(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.1f}" for value in values)


def authors_table(theirs: pd.DataFrame, found: pd.DataFrame) -> str:
    """Return the ARI of the baselines and of their authors' code, if both were run."""
    key = ["dataset", "method", "seed"]
    ours = found.loc[found["k_mode"] == K_MODE, [*key, "ari"]].rename(columns={"ari": "here"})
    both = theirs.reindex(columns=[*key, "cells", "commit", "ari"]).merge(ours, on=key).dropna()
    if not len(both):
        return ""
    rows, sets = {}, {}
    for name, mine in both.groupby("method", sort=False):
        code, here = (
            mine.groupby(["cells", "dataset"])[column].mean().droplevel("cells") * 100
            for column in ("ari", "here")
        )
        title = METHODS[str(name)].title
        rows[title] = {
            "commit": str(mine["commit"].iloc[0])[:7],
            "data sets": str(len(code)),
            "seeds": str(mine["seed"].nunique()),
            "ARI, authors' code": code.mean(),
            "ARI, here": here.mean(),
            "difference": with_interval(here - code),
        }
        sets[title] = code.map("{:.1f} / ".format) + here.map("{:.1f}".format)
    order = both.sort_values(["cells", "dataset"])["dataset"].unique()
    return "\n\n".join(
        [
            markdown(rows, first="method"),
            "ARI by data set, authors' code / here:",
            markdown(pd.DataFrame(sets).reindex(order).fillna("–"), first="data set"),
        ]
    )
