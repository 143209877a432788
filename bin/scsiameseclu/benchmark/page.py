"""Write docs/benchmarks.md: the template ``page.md`` with the tables that exist."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pandas as pd

from ..files import read_table, write_table
from ..steps import Step
from .beside import (
    authors_table,
    beside_results,
    beside_sets,
    beside_table,
    paper_table,
    ranking,
)
from .figures import MODES, draw_figures
from .methods import ABLATIONS, COMPARED, CONSENSUS, LEIDEN, METHODS, OURS, SCANPY, SKETCHED, Method
from .results import read_results
from .sections import SECTIONS
from .tables import complete, is_development, markdown, per_set, text_table, with_interval

RESULTS, SCALING, NETWORK = "results.tsv", "scaling.tsv", "network.tsv"
AUTHORS = "authors.tsv"
TEXTS = ("notes", "leaks")
"""Texts that are copied into the page: about these runs, and about published code."""
LEADING_SETS = 20
"""Fewest data sets for the ranks to be at the top of the page, else they have a section."""
RANKS = "![Mean rank by ARI of each method, with its interval](benchmarks/ranks.png)"
_PLACE = re.compile(r"^<!-- (\w+) -->$", re.MULTILINE)
_MARKED = re.compile(r"^<!-- (\w+): -->\n(.*?)^<!-- :\1 -->\n", re.MULTILINE | re.DOTALL)
WANTED = [(method.name, k_mode) for method in COMPARED for k_mode in method.modes]


def write_page(output: Path, *, of: str = "docs") -> None:
    """Write ``OUTPUT.md`` next to the folder of tables `output`, and the figures there.

    Sections of the template without results are left out, and what is marked for ``docs`` or for a
    ``run`` of the pipeline where `of` is the other one.
    """
    found = read_results(output / RESULTS)
    results, scaling = complete(found, WANTED), read_results(output / SCALING)
    timed = found[found["method"].isin({method.name for method in (*COMPARED, SCANPY)})]
    blocks = comparison_blocks(results, found) if len(results) else {}
    blocks |= beside_blocks(beside := beside_results(found), found)
    variants = [(method.name, "true") for method in (OURS, CONSENSUS, *ABLATIONS)]
    if len(ablations := complete(found, variants)):
        blocks["ablation"] = ablation_table(ablations)
    if (found["method"] == SKETCHED.name).any():
        blocks["sketch"] = sketch_table(found)
    if len(scaling):
        blocks["scaling"] = scaling_table(scaling)
    for name, section in SECTIONS.items():
        if (output / f"{name}.tsv").is_file():
            blocks[name] = section(read_table(output / f"{name}.tsv"))
    if (output / AUTHORS).is_file() and (
        text := authors_table(read_table(output / AUTHORS), found)
    ):
        blocks["authors"] = text
    for name in TEXTS:
        if (output / f"{name}.md").is_file():
            blocks[name] = (output / f"{name}.md").read_text(encoding="utf-8").strip()
    draw_figures(output, results=results, scaling=scaling, timed=timed, beside=beside)
    template = (files(__package__) / "page.md").read_text(encoding="utf-8")
    own = _MARKED.sub(lambda found: found[2] if found[1] == of else "", template)
    output.with_name(f"{output.name}.md").write_text(filled(own, blocks), encoding="utf-8")


def filled(template: str, blocks: dict[str, str]) -> str:
    """Return the template filled with the blocks; sections without a block are left out."""
    title, _, rest = template.partition("\n")
    sections = re.split(r"^(?=##+ )", rest, flags=re.MULTILINE)
    kept = [
        text
        for text in sections
        if not (places := _PLACE.findall(text)) or blocks.keys() & set(places)
    ]
    text = _PLACE.sub(lambda place: blocks.get(place[1], ""), "".join(kept))
    return f"{title}\n\n" + re.sub(r"\n{3,}", "\n\n", text.strip()) + "\n"


def comparison_blocks(results: pd.DataFrame, found: pd.DataFrame) -> dict[str, str]:
    """Return the parts of the page that compare the methods, by their names there."""
    blocks = {"headline": headline(results), "coverage": coverage(results, found)}
    blocks["cost"] = cost_table(found)
    for k_mode in MODES:
        mine = results[results["k_mode"] == k_mode]
        blocks[f"means_{k_mode}"] = means_table(mine, k_mode)
        blocks[f"sets_{k_mode}"] = sets_table(mine, k_mode)
    return blocks


def beside_blocks(beside: pd.DataFrame, found: pd.DataFrame) -> dict[str, str]:
    """Return the parts of the page about the paper's methods; none if none was measured."""
    if not len(beside):
        return {}
    leads = beside["dataset"].nunique() >= LEADING_SETS
    blocks = {
        "ranking" if leads else "ranking_of_few": f"{ranking(beside)}\n\n{RANKS}",
        "beside": beside_table(beside, found),
        "beside_sets": _by_set(beside, beside_sets(beside)),
    }
    return blocks | ({"paper": paper} if (paper := paper_table(found)) else {})


def headline(results: pd.DataFrame) -> str:
    """Return the page's first sentence.

    It compares scSiameseClu with Leiden, separately on held-out and development sets.
    """
    parts = [
        _against_leiden(per_set(results[results["k_mode"] == k_mode]), words)
        for k_mode, words in MODES.items()
    ]
    return (
        "ARI gain of scSiameseClu over Leiden in points, mean and 95 % interval over data "
        f"sets: {'; '.join(parts)}."
    )


def _against_leiden(ari: pd.DataFrame, words: str) -> str:
    above, shaped = ari[OURS.name] - ari[LEIDEN.name], is_development(ari.index)
    parts = [
        f"**{with_interval(above[chosen])}** on {_number(chosen.sum(), what)} "
        f"(higher on {(above[chosen] > 0).sum()})"
        for chosen, what in ((~shaped, "held-out set"), (shaped, "development set"))
        if chosen.any()
    ]
    return f"with {words}, {' and '.join(parts)}"


def _number(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def coverage(results: pd.DataFrame, found: pd.DataFrame) -> str:
    """Return what the tables cover, what failed, and what they leave out."""
    seeds = results.groupby("dataset")["seed"].nunique()
    several = f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    lines = [f"{_number(len(seeds), 'data set')}; number of seeds: {several}."]
    fits = results[results["method"] == OURS.name]
    kept = (fits["trained"].astype(str) == "True").sum()
    lines.append(
        f"The labels are from the network in {kept} of {len(fits)} fits, else from the consensus."
    )
    lines += [
        f"**Failed**, scored 0: {row['method']} on {row['dataset']}, k {row['k_mode']}, "
        f"seed {row['seed']} ({row['error']})."
        for row in results[results["error"].notna()].to_dict("records")
    ]
    compared = pd.MultiIndex.from_frame(found[["method", "k_mode"]]).isin(WANTED)
    if left := compared.sum() - len(results):
        lines.append(f"Not counted: {left} results for data sets or seeds that some methods lack.")
    codes = results.groupby("method")["code"].nunique()
    lines += [
        f"The results of {name} come from {n} versions of its code."
        for name, n in codes[codes > 1].items()
    ]
    versions = sorted({name for text in results["versions"] for name in str(text).split("; ")})
    lines.append(f"Software: {', '.join(versions)}.")
    return "\n\n".join(lines)


def _shown(k_mode: str) -> list[Method]:
    return [method for method in COMPARED if k_mode in method.modes]


def means_table(results: pd.DataFrame, k_mode: str) -> str:
    """Return means over data sets, one row per method, and the gain of scSiameseClu over each."""
    ari, spread = per_set(results), per_set(results, spread=True)
    shaped = is_development(ari.index)
    rows: dict[str, dict[str, object]] = {}
    for method in _shown(k_mode):
        mine, above = ari[method.name], ari[OURS.name] - ari[method.name]
        rows[method.title] = {
            "ACC": per_set(results, "acc")[method.name].mean(),
            "NMI": per_set(results, "nmi")[method.name].mean(),
            "ARI": mine.mean(),
            "ARI, held-out sets": mine[~shaped].mean(),
            "ARI, development sets": mine[shaped].mean(),
            "SD over seeds": spread[method.name].mean(),
        }
        if method is not OURS:
            rows[method.title] |= {
                "ARI gain of scSiameseClu": with_interval(above),
                "gain, held-out sets": with_interval(above[~shaped]),
            }
    return markdown(rows, first="method")


def sets_table(results: pd.DataFrame, k_mode: str) -> str:
    """Return ARI (and clusters) of each method on each set; ``*`` marks development sets."""
    ari, clusters = per_set(results), per_set(results, "n_clusters")
    columns = {
        method.title: ari[method.name].map("{:.1f}".format)
        + (clusters[method.name].map(" ({:.3g})".format) if k_mode == "auto" else "")
        for method in _shown(k_mode)
    }
    return _by_set(results, pd.DataFrame(columns))


def _by_set(results: pd.DataFrame, table: pd.DataFrame) -> str:
    """Return a table with one row per data set, with its size."""
    sizes = results.drop_duplicates("dataset").set_index("dataset")[["cells", "types"]]
    marks = pd.Series(is_development(table.index), index=table.index).map({True: " *", False: ""})
    return markdown(sizes.loc[table.index].join(table), first="data set", names=table.index + marks)


def cost_table(found: pd.DataFrame) -> str:
    """Return seconds relative to scanpy's standard path, for each method's own k.

    Both were timed in the same runs.
    """
    mine = found[(found["k_mode"] == "auto") & found["seconds"].notna()]
    seconds = per_set(mine, "seconds")
    timed = [method for method in (*_shown("auto"), SCANPY) if method.name in seconds]
    columns = {method.title: seconds[method.name].map("{:.2f}".format) for method in timed}
    for method in (OURS, CONSENSUS):
        if {method.name, SCANPY.name} <= set(seconds):
            ratio = seconds[method.name] / seconds[SCANPY.name]
            columns[f"{method.title} / scanpy"] = ratio.map("{:.1f}".format)
    return _by_set(mine, pd.DataFrame(columns).replace("nan", "–"))


def ablation_table(results: pd.DataFrame) -> str:
    """Return the table of the ablations at the true k, with numbers of data sets and seeds."""
    ari = per_set(results)
    shaped = is_development(ari.index)
    trained = (results["trained"].astype(str) == "True").groupby(results["method"]).mean() * 100
    rows = {}
    for method in (OURS, *ABLATIONS, CONSENSUS):
        against = ari[method.name] - ari[OURS.name]
        rows["full" if method is OURS else method.title] = {
            "ARI": ari[method.name].mean(),
            "ARI change": with_interval(against, 2),
            "ARI change, held-out sets": with_interval(against[~shaped], 2),
            "sets better / worse by 0.1": f"{(against > 0.1).sum()} / {(against < -0.1).sum()}",
            "fits with the network's labels, %": trained[method.name],
        }
    seeds = results["seed"].nunique()
    text = f"{_number(len(ari), 'data set')}, {_number(seeds, 'seed')}."
    return f"{text}\n\n{markdown(rows, first='variant')}"


def sketch_table(found: pd.DataFrame) -> str:
    """Return the ARI of a 1,000-cell sketch and of all cells, and the mean difference."""
    columns: dict[str, pd.Series[float]] = {}
    lines = []
    for k_mode, words in MODES.items():
        results = complete(
            found[found["k_mode"] == k_mode], [(OURS.name, k_mode), (SKETCHED.name, k_mode)]
        )
        ari = per_set(results)
        if not len(ari):
            continue
        above = ari[SKETCHED.name] - ari[OURS.name]
        number = words.removeprefix("the ")
        columns |= {f"all, {number}": ari[OURS.name], f"sketch, {number}": ari[SKETCHED.name]}
        seeds = _number(results["seed"].nunique(), "seed")
        lines.append(
            f"With {words}: {with_interval(above)} over {_number(len(ari), 'data set')}, {seeds}."
        )
    return f"{' '.join(lines)}\n\n{markdown(pd.DataFrame(columns), first='data set')}"


def scaling_table(scaling: pd.DataFrame) -> str:
    """Return time and memory on simulated cells."""
    columns = {
        "method": [METHODS[name].title for name in scaling["method"]],
        "seconds": scaling["seconds"],
        "ms per cell": (scaling["seconds"] / scaling["cells"] * 1000).map("{:.2f}".format),
        "peak memory, MB": scaling["peak_rss_mb"].map("{:.0f}".format),
        "ARI": scaling["ari"] * 100,
    }
    return text_table(columns, first="cells", names=scaling["cells"].map("{:,}".format))


def benchmark_page(*, results: list[Path], output: Path = Path("benchmarks")) -> None:
    """Write tables, figures and the page ``OUTPUT.md`` of the results of all groups and seeds.

    Parameters
    ----------
    results
        Tables of :func:`compare_methods`.
    output
        Folder for tables and figures; the page is written next to it.
    """
    output.mkdir(parents=True, exist_ok=True)
    found = pd.concat([read_results(path) for path in sorted(results)], ignore_index=True)
    write_table(found, output / RESULTS)
    write_page(output, of="run")


STEP = Step(benchmark_page)
