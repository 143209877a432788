"""The methods text of this run: chooses the sentences of its template and fills in the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from string import Template
from typing import Any

import pandas as pd

from ..annotation.agreement import UNKNOWN
from ..contracts import G2M_PHASE, S_PHASE, STRESS
from ..errors import quoted
from ..quality.thresholds import BOUNDS, side
from .cell_scores import set_names
from .conditions import LARGEST_P
from .content import Html, Section, html, section, text
from .inputs import Group, Run

_TOOLS = "pipeline nextflow scanpy scrublet torch multiqc scikit-learn pydeseq2"
_FORMATS = {
    "seurat": "as Seurat objects (Hao et al., 2024)",
    "sce": "as SingleCellExperiments (Amezquita et al., Nat Methods 17, 137, 2020)",
    "h5mu": "as MuData (Bredikhin et al., Genome Biol 23, 42, 2022)",
    "cellxgene": "by the schema of CZ CELLxGENE (CZI Cell Science Program et al., Nucleic Acids "
    "Res 53, D886-D900, 2025)",
}
_PARAMETERS = ("n_top_genes", "n_pcs", "seed", "min_cells_per_gene")


def sections(run: Run) -> Iterator[Section]:
    """Return the methods text; none if no group has clusters."""
    if run.finished:
        facts = {
            name: value if isinstance(value, Html) else text(value, length=1500)
            for name, value in _facts(run).items()
        }
        parts = {
            slot: Template(run.methods["sentences"][name]).substitute(facts).strip() if name else ""
            for slot, name in _sentences(run).items()
        }
        how = Template(run.methods["placement" if run.finished[0].placed else "clustering"])
        body = Template(run.methods["data"]).substitute(
            facts, clustering=how.substitute(facts, **parts), **parts
        )
        yield section("methods", html(body))


def _facts(run: Run) -> dict[str, object]:
    """Return the values of the template's placeholders."""
    given = {name: run.parameters.get(name) for name in _PARAMETERS}
    return {
        **_cells(run),
        **_clusters(run),
        **_benchmark(run),
        **_divisions(run),
        **_ambient(run),
        **_scores(run),
        **_reference(run),
        **_conditions(run),
        **{
            name: "a default number of" if value is None else value for name, value in given.items()
        },
        **{f"version_{name.replace('-', '_')}": _version(run, name) for name in _TOOLS.split()},
    }


def _cells(run: Run) -> dict[str, object]:
    """Return the values of samples, barcodes and cells."""
    qualities, asked = run.qualities, [sample.settings for sample in run.samples]
    forced = ["force_cells" in (settings.get("overrides") or {}) for settings in asked]
    return {
        "samples": _number_of(len(run.samples), "sample"),
        "passed": _number_of(sum(quality["n_kept"] > 0 for quality in qualities), "sample"),
        "n_barcodes": f"{sum(quality['n_barcodes'] for quality in qualities):,}",
        "n_cells": f"{sum(quality['n_kept'] for quality in qualities):,}",
        "filters": _filters(run),
        "called": _number_of(_count(qualities, "cell_calling"), "sample"),
        "listed_in": _number_of(_count(asked, "cells"), "sample"),
        "forced_in": _number_of(sum(forced), "sample"),
        "hashed": _number_of(_count(qualities, "hashtags"), "hashed pool"),
        "min_guide_counts": run.parameters.get("min_guide_counts", 5),
    }


def _count(records: Iterable[Mapping[str, Any]], key: str) -> int:
    return sum(bool(record.get(key)) for record in records)


def _clusters(run: Run) -> dict[str, object]:
    """Return the values of groups and their clusters."""
    groups, summaries = run.finished, [group.summary for group in run.finished]
    found = [int(group.metrics.get("n_clusters", len(group.cluster_names))) for group in groups]
    cuts = [summary.get("cuts", {}).get("cluster") for summary in summaries]
    cut = next((value for value in cuts if value is not None), None)
    many = len(found) > 10
    return {
        "groups": _number_of(len(groups), "group"),
        "n_clusters": f"{min(found)} to {max(found)}" if many else ", ".join(map(str, found)),
        "cut": "" if cut is None else f"{cut:.2f}",
        "asked": sum(
            summary.get("n_clusters_requested", "auto") != "auto" for summary in summaries
        ),
        "by_consensus": sum(summary.get("method") == "consensus" for summary in summaries),
        "corrected": _number_of(sum(_corrected(run)), "group"),
        "unlike": f"{sum(_unlike_known(run)):,}",
    }


def _benchmark(run: Run) -> dict[str, object]:
    """Return the values of the benchmark."""
    chosen = run.parameters.get("benchmark_methods")
    return {
        "benchmarked": _number_of(len(_benchmarked(run)), "labelled group"),
        "further": f", and through published methods ({chosen}) with the true number"
        if chosen
        else "",
        "formats": " and ".join(_exported(run)),
        "seeds": _number_of(int(run.parameters.get("benchmark_seeds", 1)), "seed"),
    }


def _reference(run: Run) -> dict[str, object]:
    """Return the values of the comparison with a labelled reference."""
    table = _joined(run, "annotation", having="reference_type")
    named, judged = (
        table[column].dropna() if column in table else pd.Series(dtype=str)
        for column in ("reference_type", "reference_agrees")
    )
    agreed = (
        f"; markers and reference agree on {sum(judged == 'yes')} of the "
        f"{len(judged)} that both name"
    )
    return {
        "reference_label": quoted(run.parameters.get("reference_label")),
        "named": (named != UNKNOWN).sum(),
        "of_clusters": _number_of(len(table), "cluster"),
        "agreed": agreed if len(judged) else "",
    }


def _conditions(run: Run) -> dict[str, object]:
    """Return the values of the comparison between conditions."""
    genes = [group.differential for group in run.finished if len(group.differential)]
    shares = _joined(run, "composition")
    design = next((group.design for group in run.finished if group.design), {})
    condition, formula = design.get("condition"), design.get("formula") or ""
    by_hashtag = "hashtag" in formula.removeprefix("~ ").split(" + ")
    found = sum((of["p_value_adjusted"] < LARGEST_P).sum() for of in genes)
    tested = sum(_n_different(of, "cluster", "condition") for of in genes)
    return {
        "condition": "hashtags"
        if condition == "hashtag"
        else f"column {quoted(condition)} of the samplesheet",
        "replicates": "sample and hashtag" if by_hashtag else "sample",
        "model": Html(f" with the model {text(quoted(formula))}") if formula else "",
        "tested": _number_of(tested, "comparison"),
        "found": _number_of(found, "gene"),
        "largest_p": LARGEST_P,
        "left_out": sum(len(group.design.get("notes", [])) for group in run.finished),
        "differ": (shares["p_val_adj"] < LARGEST_P).sum() if len(shares) else 0,
        "of_shares": _number_of(shares["p_val_adj"].count() if len(shares) else 0, "share"),
    }


def _n_different(table: pd.DataFrame, *columns: str) -> int:
    return len(table[list(columns)].drop_duplicates()) if len(table) else 0


def _divisions(run: Run) -> dict[str, object]:
    """Return how many clusters were chosen and divided, and into how many parts."""
    rows = _joined(run, "subclusters")
    parts = rows[rows["note"].isna()] if len(rows) else rows
    return {
        "divided": _n_different(parts, "group", "cluster"),
        "asked_clusters": _number_of(_n_different(rows, "group", "cluster"), "cluster"),
        "parts": _number_of(len(parts), "part"),
    }


def _ambient(run: Run) -> dict[str, object]:
    """Return in how many samples the ambient share was estimated, and from where to where."""
    ambient = _joined(run, "ambient")
    shares = list(ambient["contamination"].dropna()) if len(ambient) else []
    corrected = run.parameters.get("ambient") == "correct"
    found = f"{min(shares):.1%} to {max(shares):.1%}" if shares else ""
    return {
        "leaky": _number_of(len(shares), "sample"),
        "ambient_shares": f"{shares[0]:.1%}" if len(shares) == 1 else found,
        "ambient_corrected": ", and counts without it were kept beside those as they came, from "
        "which all results are"
        if corrected
        else "",
    }


def _scores(run: Run) -> dict[str, object]:
    """Return how many genes scored cells, those of the cell cycle by the first group with any."""
    found: dict[str, list[int]] = next(
        (of for group in run.finished if (of := group.scoring.get("n_genes"))), {}
    )
    names = {"n_s": S_PHASE, "n_g2m": G2M_PHASE, "n_stress": STRESS}
    return {
        **{key: found.get(name, [0])[0] for key, name in names.items()},
        "n_sets": _number_of(len(set_names(run.finished)), "gene set"),
    }


def _sentences(run: Run) -> dict[str, str]:
    """Return slot of the template -> the sentence for it, none where there is nothing to say."""
    there = _there_of_samples(run) | _there_of_groups(run)
    return _chosen(run) | {slot: slot if is_there else "" for slot, is_there in there.items()}


def _chosen(run: Run) -> dict[str, str]:
    """Return slot -> which of several sentences stands there."""
    asked = [group.summary.get("n_clusters_requested", "auto") != "auto" for group in run.finished]
    consensus = [group.summary.get("method") == "consensus" for group in run.finished]
    placed, corrected = run.finished[0].placed, _corrected(run)
    return {
        "labels": "labels_consensus"
        if all(consensus)
        else "labels_both"
        if any(consensus)
        else "labels_network",
        "cuts": "cut_asked" if all(asked) else "cut_both" if any(asked) else "cut_auto",
        "batches": "batches_corrected" if any(corrected) else "batches_left" if corrected else "",
        "rare": "rare_placed" if placed else "rare",
        "types": "types_placed" if placed else "types",
        "doublets": "doublets_kept"
        if run.parameters.get("doublet_action") == "annotate"
        else "doublets_removed",
    }


def _there_of_samples(run: Run) -> dict[str, bool]:
    """Return slot -> whether a sample gives cause for its sentence."""
    captured = [quality.get("captured") or {} for quality in run.qualities]
    settings = [sample.settings for sample in run.samples]
    return {
        "calling": any(quality.get("cell_calling") for quality in run.qualities),
        "listed": any(own.get("cells") for own in settings),
        "forced": any("force_cells" in (own.get("overrides") or {}) for own in settings),
        "sexes": any((quality.get("sex") or {}).get("given") for quality in run.qualities),
        "proteins": any("protein" in kinds for kinds in captured),
        "hashtags": any(quality.get("hashtags") for quality in run.qualities),
        "guides": any("guide" in kinds for kinds in captured),
    }


def _there_of_groups(run: Run) -> dict[str, bool]:
    """Return slot -> whether a group gives cause for its sentence."""
    shares, ambient = _joined(run, "composition"), _joined(run, "ambient")
    opinions, scores = _joined(run, "opinions"), _joined(run, "cell_scores")
    sources = set(opinions["source"]) if len(opinions) else set()
    return {
        "reference": any("reference_type" in group.annotation for group in run.finished),
        "singler": "SingleR" in sources,
        "celltypist": "CellTypist" in sources,
        "phases": "share_S" in scores,
        "dissociation": "mean_dissociation" in scores,
        "gene_sets": bool(set_names(run.finished)),
        "subclusters": any(len(group.subclusters) for group in run.finished),
        "differential": any(group.design for group in run.finished),
        "untested": any(group.design.get("notes") for group in run.finished),
        "shares": len(shares) > 0 and bool(shares["p_val_adj"].notna().any()),
        "ambient": len(ambient) > 0 and bool(ambient["contamination"].notna().any()),
        "benchmark": bool(_benchmarked(run)),
        "exported": bool(_exported(run)),
    }


def _joined(run: Run, name: str, having: str | None = None) -> pd.DataFrame:
    """Return a table of all groups that have it, or this column of it, with the group's id."""
    tables = [(group.id, getattr(group, name)) for group in run.finished]
    known = [table.assign(group=of) for of, table in tables if len(table)]
    known = [table for table in known if having is None or having in table]
    return pd.concat(known) if known else pd.DataFrame()


def _corrected(run: Run) -> list[bool]:
    """Return for each group of several batches whether they were corrected."""
    return [
        bool(of["corrected"])
        for group in run.finished
        if (of := group.summary.get("batch_correction"))
    ]


def _unlike_known(run: Run) -> list[int]:
    return [group.summary["placement"]["n_unlike_known"] for group in run.finished if group.placed]


def _benchmarked(run: Run) -> list[Group]:
    """Return the groups that were benchmarked: those with labels, if it was asked for."""
    failed = {failure.id for failure in run.failures if failure.step.startswith("benchmark")}
    asked = run.parameters.get("benchmark")
    return [group for group in run.finished if asked and group.scored and group.id not in failed]


def _exported(run: Run) -> list[str]:
    """Return in which formats of other tools the results were written, in words."""
    asked = (run.parameters.get("export") or "").split(",")
    captured = any(quality.get("captured") for quality in run.qualities)
    return [
        words for name, words in _FORMATS.items() if name in asked and (captured or name != "h5mu")
    ]


def _filters(run: Run) -> str:
    phrases = []
    for rule, bound in BOUNDS.items():
        if known := {of.get("thresholds", {}).get(rule) for of in run.qualities} - {None}:
            more = f" (to {max(known):,g}, by sample)" if len(known) > 1 else ""
            phrases.append(f"at {side(rule)} {min(known):,g} {bound.unit}{more}")
    return ", ".join(phrases) or "any counts"


def _number_of(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _version(run: Run, name: str) -> str:
    known = {
        str(tool).lower(): str(version)
        for of in run.versions.values()
        for tool, version in (of or {}).items()
    }
    if name == "pipeline":
        own = [version for tool, version in known.items() if "siamese" in tool]
        return own[0] if own else ""
    return known.get(name, known.get(f"scsiameseclu/{name}", ""))
