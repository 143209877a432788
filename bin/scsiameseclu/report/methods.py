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
_BOTH_KEPT = (
    ", and counts without it were kept beside those as they came, from which all results are"
)
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
    groups, summaries = run.finished, [group.summary for group in run.finished]
    found = [int(group.metrics.get("n_clusters", len(group.cluster_names))) for group in groups]
    cuts = [summary.get("cuts", {}).get("cluster") for summary in summaries]
    cut = next((value for value in cuts if value is not None), None)
    many = len(found) > 10
    placed = [group.summary["placement"] for group in groups if group.placed]
    return {
        "groups": _number_of(len(groups), "group"),
        "n_clusters": f"{min(found)} to {max(found)}" if many else ", ".join(map(str, found)),
        "cut": "" if cut is None else f"{cut:.2f}",
        "asked": sum(of.get("n_clusters_requested", "auto") != "auto" for of in summaries),
        "by_consensus": sum(summary.get("method") == "consensus" for summary in summaries),
        "corrected": _number_of(sum(_corrected(run)), "group"),
        "unlike": f"{sum(of['n_unlike_known'] for of in placed):,}",
    }


def _benchmark(run: Run) -> dict[str, object]:
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
    tables = [of for group in run.finished if "reference_type" in (of := group.annotation)]
    judged = _values(run, "annotation", "reference_agrees")
    agreed = f"; markers and reference agree on {sum(judged == 'yes')} of the {len(judged)} that"
    return {
        "reference_label": quoted(run.parameters.get("reference_label")),
        "named": (_values(run, "annotation", "reference_type") != UNKNOWN).sum(),
        "of_clusters": _number_of(sum(map(len, tables)), "cluster"),
        "agreed": f"{agreed} both name" if len(judged) else "",
    }


def _conditions(run: Run) -> dict[str, object]:
    genes = [group.differential for group in run.finished if len(group.differential)]
    shares = _values(run, "composition", "p_val_adj")
    design = next((group.design for group in run.finished if group.design), {})
    condition, formula = design.get("condition"), design.get("formula") or ""
    by_hashtag = "hashtag" in formula.removeprefix("~ ").split(" + ")
    found = sum((of["p_value_adjusted"] < LARGEST_P).sum() for of in genes)
    tested = sum(of.groupby(["cluster", "condition"]).ngroups for of in genes)
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
        "differ": (shares < LARGEST_P).sum(),
        "of_shares": _number_of(len(shares), "share"),
    }


def _divisions(run: Run) -> dict[str, object]:
    """Return how many clusters were chosen and divided, and into how many parts."""
    rows = [group.subclusters for group in run.finished if len(group.subclusters)]
    parts = [of[of["note"].isna()] for of in rows]
    return {
        "divided": sum(of["cluster"].nunique() for of in parts),
        "asked_clusters": _number_of(sum(of["cluster"].nunique() for of in rows), "cluster"),
        "parts": _number_of(sum(map(len, parts)), "part"),
    }


def _ambient(run: Run) -> dict[str, object]:
    """Return in how many samples the ambient share was estimated, and from where to where."""
    shares = list(_values(run, "ambient", "contamination"))
    found = f"{min(shares):.1%} to {max(shares):.1%}" if shares else ""
    corrected = run.parameters.get("ambient") == "correct"
    return {
        "leaky": _number_of(len(shares), "sample"),
        "ambient_shares": f"{shares[0]:.1%}" if len(shares) == 1 else found,
        "ambient_corrected": _BOTH_KEPT if corrected else "",
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
    kept = run.parameters.get("doublet_action") == "annotate"
    labels = "consensus" if all(consensus) else "both" if any(consensus) else "network"
    return {
        "labels": f"labels_{labels}",
        "cuts": "cut_asked" if all(asked) else "cut_both" if any(asked) else "cut_auto",
        "batches": "batches_corrected" if any(corrected) else "batches_left" if corrected else "",
        "rare": "rare_placed" if placed else "rare",
        "types": "types_placed" if placed else "types",
        "doublets": "doublets_kept" if kept else "doublets_removed",
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
    sources = set(_values(run, "opinions", "source"))
    return {
        "reference": any("reference_type" in group.annotation for group in run.finished),
        "singler": "SingleR" in sources,
        "celltypist": "CellTypist" in sources,
        "phases": any("share_S" in group.cell_scores for group in run.finished),
        "dissociation": any("mean_dissociation" in group.cell_scores for group in run.finished),
        "gene_sets": bool(set_names(run.finished)),
        "subclusters": any(len(group.subclusters) for group in run.finished),
        "differential": any(group.design for group in run.finished),
        "untested": any(group.design.get("notes") for group in run.finished),
        "shares": len(_values(run, "composition", "p_val_adj")) > 0,
        "ambient": len(_values(run, "ambient", "contamination")) > 0,
        "benchmark": bool(_benchmarked(run)),
        "exported": bool(_exported(run)),
    }


def _values(run: Run, table: str, column: str) -> pd.Series[Any]:
    """Return what is known in a column of a table of the groups."""
    tables = [getattr(group, table) for group in run.finished]
    found = [known for of in tables if column in of and len(known := of[column].dropna())]
    return pd.concat(found) if found else pd.Series(dtype=object)


def _corrected(run: Run) -> list[bool]:
    """Return for each group of several batches whether they were corrected."""
    return [
        bool(of["corrected"])
        for group in run.finished
        if (of := group.summary.get("batch_correction"))
    ]


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
