"""Sections of docs/benchmarks.md that other commands measure, from ``OUTPUT/<name>.tsv``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from .baselines import Scvi
from .methods import CONSENSUS, OURS
from .tables import is_development, markdown, per_set, text_table, with_interval

THEIRS, MINE = "the published code", "this pipeline"
"""Whose code, in the table of ``make benchmark-published``."""
SMALLEST_COMPARED = 1e-300
"""p-values below this are not compared: they are close to the smallest representable number."""
HELD_OUT = "difference, held-out sets"
EMBEDDINGS = ("pca", Scvi.name)
"""Embeddings with which that of the network is compared."""
MEASURES: dict[str, tuple[str, tuple[str, ...]]] = {
    "ari": ("ARI of the labels", (CONSENSUS.name,)),
    "placed_ari": ("ARI of placed cells", (CONSENSUS.name,)),
    "calibration_error": ("calibration error", (CONSENSUS.name,)),
    "sure": ("cells with a confidence of at least 0.9", (CONSENSUS.name,)),
    "sure_right": ("right cells among these", (CONSENSUS.name,)),
    "purity": ("neighbors of the same type", EMBEDDINGS),
    "silhouette": ("silhouette of the types", EMBEDDINGS),
    "accuracy": ("type prediction: accuracy", EMBEDDINGS),
    "macro_f1": ("type prediction: macro F1", EMBEDDINGS),
}
"""Measures of the network: title, and the methods compared with."""


def published(table: pd.DataFrame) -> str:
    """Return the time of this pipeline and of the published code."""
    of_ours = table["dataset"].map(table[table["method"] == MINE].set_index("dataset")["seconds"])
    shown = {
        "cells": table["cells"].map("{:,}".format),
        "code": table["method"],
        "threads": table["threads"],
        "seconds": table["seconds"].map("{:.1f}".format),
        "ms per cell": (table["seconds"] / table["cells"] * 1000).map("{:.1f}".format),
        "seconds / ours": (table["seconds"] / of_ours).map("{:.1f}".format),
        "peak memory, MB": table["peak_rss_mb"],
    }
    return text_table(shown, first="data set", names=table["dataset"])


def markers(table: pd.DataFrame) -> str:
    """Return the seconds of the marker tests, and how Seurat's table and ours differ."""
    first = table.iloc[0]
    seconds = table["seconds"]
    times = pd.DataFrame({"seconds": seconds.map("{:.2f}".format)}, dtype=object)
    times["seconds / ours"] = (seconds / seconds.iloc[0]).map("{:.1f}".format)
    about = (
        f"{first['dataset']}: {first['cells']} cells with a label, {first['genes']} "
        "genes; one thread each."
    )
    text = f"{about}\n\n{markdown(times, first='method', names=table['method'])}"
    compared = table[table["same_rows"].notna()] if "same_rows" in table else table.iloc[:0]
    return "\n\n".join([text, *(_agreement(row) for _, row in compared.iterrows())])


def _agreement(row: pd.Series[Any]) -> str:
    if str(row["same_rows"]) != "True":
        return f"The rows of {row['method']} and ours are **not** the same."
    return (
        f"Compared with {row['method']}: the same {row['rows']:.0f} rows in the same order; "
        f"largest differences: avg_log2FC {row['largest_difference_log2fc']:.1e}, pct "
        f"{row['largest_difference_pct']:.1g}, p_val {row['largest_relative_difference_p']:.1e} "
        f"(relative, above {SMALLEST_COMPARED:.0e})."
    )


def batch(table: pd.DataFrame) -> str:
    """Return time and memory of many samples."""
    shown = {
        "cores": table["cores"],
        "cells": table["cells"].map("{:,}".format),
        "tasks": table["tasks"],
        "seconds": table["seconds"].map("{:.0f}".format),
        "seconds per sample": (table["seconds"] / table["samples"]).map("{:.1f}".format),
        "overhead per sample, seconds": table["overhead_per_sample"].map("{:.1f}".format),
        "peak memory, MB": table["peak_mb"],
        "peak of Nextflow, MB": table["nextflow_mb"],
        "peak of the largest task, MB": table["largest_task_mb"],
    }
    names = table["samples"].astype(str) + " samples, " + table["groups"]
    return text_table(shown, first="samplesheet", names=names)


def steps(table: pd.DataFrame) -> str:
    """Return seconds and peak memory of every step by group size, and how the seconds grow."""
    groups = table.drop_duplicates(["cells", "samples"]).sort_values(["cells", "samples"])
    names = [
        f"{n_cells:,} cells, {n} sample{'s' * (n > 1)}"
        for n_cells, n in zip(groups["cells"], groups["samples"], strict=True)
    ]
    order = max((list(of["step"]) for _, of in table.groupby(["cells", "samples"])), key=len)
    shown = {}
    for value in ("seconds", "cpu_seconds", "peak_mb"):
        by_size = table.pivot_table(value, index="step", columns=["cells", "samples"]).loc[order]
        by_size = by_size.map("{:,.0f}".format).replace("nan", "–")
        shown[value] = by_size.set_axis(names, axis=1)
    matrix = groups["values"].to_numpy() * 8 / 2**20
    shown["peak_mb"].loc["count matrix in memory"] = [f"{size:,.0f}" for size in matrix]
    asked = [f"{2560 + 1.6 * size:,.0f}" for size in matrix]
    shown["peak_mb"].loc["2.5 GB plus 1.6 times the matrix"] = asked
    titles = {
        "cpu_seconds": "CPU seconds, all tasks together:",
        "seconds": "Wall time in seconds, all tasks together:",
        "peak_mb": "Peak memory of the largest task, MB:",
    }
    return "\n\n".join(
        f"{title}\n\n{markdown(shown[value], first='step')}" for value, title in titles.items()
    )


def network(table: pd.DataFrame) -> str:
    """Return what the network adds to the consensus and to the principal components."""
    errors = table[table["error"].notna()]
    failed = errors[errors["method"] != Scvi.name].drop_duplicates("dataset")
    lines = [
        f"**Failed** on {row['dataset']}, which is left out: {row['error']}."
        for _, row in failed.iterrows()
    ]
    lines += [
        f"**Failed**: scVI on {row['dataset']}: {row['error']}."
        for _, row in errors[errors["method"] == Scvi.name].drop_duplicates("dataset").iterrows()
    ]
    whole = table[~table["dataset"].isin(failed["dataset"])]
    if not len(whole):
        return "\n\n".join(lines)
    means: dict[str, dict[str, object]] = {}
    sets: dict[str, pd.Series[str]] = {}
    for measure, (title, others) in MEASURES.items():
        if not whole[measure].notna().any():  # measured by later versions only
            continue
        values = per_set(whole, measure).dropna(subset=[OURS.name, others[0]])
        above = {
            name: (values[OURS.name] - values[name]).dropna() for name in others if name in values
        }
        means[title] = _row(values, above)
        sets |= {f"{title} − {name}": over.map("{:+.1f}".format) for name, over in above.items()}
    rows = pd.DataFrame.from_dict(means, orient="index").astype(object)
    order = [*rows.columns.drop(HELD_OUT), HELD_OUT]
    text = [name for name in order if " " in name]
    rows[text] = rows[text].fillna("")
    by_set = pd.DataFrame(sets).reindex(per_set(whole).index).fillna("–")
    tables = [markdown(rows[order], first="mean × 100"), markdown(by_set, first="data set")]
    return "\n\n".join([*lines, *tables])


def _row(values: pd.DataFrame, above: dict[str, pd.Series[float]]) -> dict[str, object]:
    """Return means and differences of one measure; held-out sets by the first difference."""
    first = next(iter(above.values()))
    return {
        "data sets": str(len(values)),
        **values[[OURS.name, CONSENSUS.name, "pca"]].mean(),
        **{f"scSiameseClu − {name}": with_interval(over) for name, over in above.items()},
        HELD_OUT: with_interval(first[~is_development(first.index)]),
    }


def batch_correction(table: pd.DataFrame) -> str:
    """Return the effect of batch correction, and the decision of ``auto``."""
    names = {"none": "never", "corrected": "always", "auto": "`auto`"}
    numbers = {
        f"ARI, {k} k: {title}": table[f"{name}_{mode}"]
        for mode, k in (("true", "true"), ("own", "found"))
        for name, title in names.items()
    }
    shown = {
        "batches": table["case"],
        "cells": table["cells"].map("{:,}".format),
        **{title: (values * 100).map("{:.1f}".format) for title, values in numbers.items()},
        **{
            name: table[name].map("{:.2f}".format).replace("nan", "–")
            for name in ("need", "validity", "shared")
        },
        "corrected by `auto`": table["decision"],
    }
    return text_table(shown, first="data set", names=table["dataset"])


def batch_time(table: pd.DataFrame) -> str:
    """Return the seconds of the clustering without and with batch correction."""
    seconds = table["cpu_seconds"]
    shown = {
        "batches": table["batches"],
        "corrected": table["corrected"].map({True: "yes", False: "no"}),
        "seconds": seconds.map("{:.1f}".format),
        "seconds / no correction": (seconds / seconds.iloc[0]).map("{:.2f}".format),
    }
    names = table["cells"].map("{:,} cells, ".format) + table["correction"]
    return text_table(shown, first="clustering", names=names)


SECTIONS: dict[str, Callable[[pd.DataFrame], str]] = {
    "network": network,
    "published": published,
    "markers": markers,
    "batch": batch,
    "steps": steps,
    "batch_correction": batch_correction,
    "batch_time": batch_time,
}
"""The sections by name; tables and places in the template have the same names."""
