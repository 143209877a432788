"""The methods text of this run: chooses the sentences of its template and fills in the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from string import Template
from typing import Any, NamedTuple

import pandas as pd

from ..annotation.agreement import UNKNOWN
from ..contracts import G2M_PHASE, S_PHASE, STRESS
from ..errors import quoted
from ..quality.thresholds import BOUNDS, side
from .cell_scores import set_names
from .conditions import LARGEST_P
from .content import Html, Section, html, section, text
from .inputs import Record, Run

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
_UNKNOWN_NUMBER = "a default number of"
_PARAMETERS = ("n_top_genes", "n_pcs", "seed", "min_cells_per_gene")
_SAID_OF = {
    "calling": "called",
    "listed": "listed_in",
    "forced": "forced_in",
    "hashtags": "hashed",
    "reference": "of_clusters",
    "gene_sets": "n_sets",
    "subclusters": "asked_clusters",
    "untested": "left_out",
    "shares": "of_shares",
    "ambient": "leaky",
    "benchmark": "benchmarked",
    "exported": "formats",
}
"""Sentence -> the fact in it without which it is left out."""


class _Count(NamedTuple):
    """How many of something there are, in words; none is False."""

    n: int
    noun: str

    def __bool__(self) -> bool:
        return self.n > 0

    def __str__(self) -> str:
        return f"{self.n:,} {self.noun}{'' if self.n == 1 else 's'}"


def sections(run: Run) -> Iterator[Section]:
    """Return the methods text; none if no group has clusters."""
    if not run.finished:
        return
    known = _facts(run)
    facts = {
        name: value if isinstance(value, Html) else text(value, length=1500)
        for name, value in known.items()
    }
    said = {slot: slot if known[fact] else "" for slot, fact in _SAID_OF.items()}
    said |= {slot: slot if is_there else "" for slot, is_there in _causes(run).items()}
    parts = {
        slot: Template(run.methods["sentences"][name]).substitute(facts).strip() if name else ""
        for slot, name in (said | _chosen(run)).items()
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
        **_markers(run),
        **{name: _UNKNOWN_NUMBER if value is None else value for name, value in given.items()},
        **_versions(run),
    }


def _cells(run: Run) -> dict[str, object]:
    passed = [sample for sample in run.samples if sample.quality.get("n_kept")]
    qualities, asked = [of.quality for of in passed], [of.settings for of in passed]
    guided = [quality for quality in qualities if "guide" in (quality.get("captured") or {})]
    forced = ["force_cells" in (settings.get("overrides") or {}) for settings in asked]
    return {
        "samples": _Count(len(run.samples), "sample"),
        "passed": _Count(len(passed), "sample"),
        "n_barcodes": f"{sum(quality['n_barcodes'] for quality in qualities):,}",
        "n_cells": f"{sum(quality['n_kept'] for quality in qualities):,}",
        "filters": _filters(qualities),
        "called": _Count(_count(qualities, "cell_calling"), "sample"),
        "listed_in": _Count(_count(asked, "cells"), "sample"),
        "forced_in": _Count(sum(forced), "sample"),
        "hashed": _Count(_count(qualities, "hashtags"), "hashed pool"),
        "min_guide_counts": _least(_by_sample(run, guided, "min_guide_counts")),
        "kept_in": _Count(sum(_doublets_kept(run)), "sample"),
    }


def _by_sample(run: Run, qualities: list[Record], name: str) -> set[Any]:
    """Return the values of a parameter that the samplesheet may override."""
    default = run.parameters.get(name)
    return {of.get("overrides", {}).get(name, default) for of in qualities} - {None}


def _least(found: set[Any], unit: str = "") -> str:
    """Return the bounds of the samples in words."""
    more = f" (to {max(found):,g}, by sample)" if len(found) > 1 else ""
    return f"{min(found):,g}{unit}{more}" if found else _UNKNOWN_NUMBER


def _doublets_kept(run: Run) -> list[bool]:
    """Return for each sample with cells whether its doublets are among them."""
    return [of.get("doublet_action") == "annotate" for of in run.qualities if of["n_kept"]]


def _markers(run: Run) -> dict[str, object]:
    limits = {
        "min.pct": run.parameters.get("min_pct"),
        "logfc.threshold": run.parameters.get("logfc_threshold"),
    }
    given = [f"; {name} = {value}" for name, value in limits.items() if value is not None]
    return {"seurat": run.parameters.get("seurat_compat", 5), "marker_limits": "".join(given)}


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
        "groups": _Count(len(groups), "group"),
        "n_clusters": f"{min(found)} to {max(found)}" if many else ", ".join(map(str, found)),
        "cut": "" if cut is None else f"{cut:.2f}",
        "asked": sum(of.get("n_clusters_requested", "auto") != "auto" for of in summaries),
        "by_consensus": sum(summary.get("method") == "consensus" for summary in summaries),
        "corrected": _Count(sum(_corrected(run)), "group"),
        "unlike": f"{sum(of['n_unlike_known'] for of in placed):,}",
    }


def _benchmark(run: Run) -> dict[str, object]:
    failed = {failure.id for failure in run.failures if failure.step.startswith("benchmark")}
    labelled = [group for group in run.finished if group.scored and group.id not in failed]
    chosen = run.parameters.get("benchmark_methods")
    further = f", and through published methods ({chosen}) with the true number"
    exported = (run.parameters.get("export") or "").split(",")
    without = set() if _count(run.qualities, "captured") else {"h5mu"}
    formats = [of for name, of in _FORMATS.items() if name in exported and name not in without]
    return {
        "benchmarked": _Count(
            len(labelled) if run.parameters.get("benchmark") else 0, "labelled group"
        ),
        "further": further if chosen else "",
        "formats": " and ".join(formats),
        "seeds": _Count(int(run.parameters.get("benchmark_seeds", 1)), "seed"),
    }


def _reference(run: Run) -> dict[str, object]:
    tables = [of for of in run.tables("annotation").values() if "reference_type" in of]
    judged = _values(run, "annotation", "reference_agrees")
    agreed = f"; markers and reference agree on {sum(judged == 'yes')} of the {len(judged)} that"
    return {
        "reference_label": quoted(run.parameters.get("reference_label")),
        "named": (_values(run, "annotation", "reference_type") != UNKNOWN).sum(),
        "of_clusters": _Count(sum(map(len, tables)), "cluster"),
        "agreed": f"{agreed} both name" if len(judged) else "",
    }


def _conditions(run: Run) -> dict[str, object]:
    genes = run.tables("differential_expression").values()
    shares = _values(run, "composition_test", "p_val_adj")
    designs = list(run.records("differential_expression").values())
    design = designs[0] if designs else {}
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
        "tested": _Count(tested, "comparison"),
        "found": _Count(found, "gene"),
        "largest_p": LARGEST_P,
        "left_out": sum(len(of.get("notes", [])) for of in designs),
        "differ": (shares < LARGEST_P).sum(),
        "of_shares": _Count(len(shares), "share"),
    }


def _divisions(run: Run) -> dict[str, object]:
    """Return how many clusters were chosen and divided, and into how many parts."""
    rows = run.tables("subclusters").values()
    parts = [of[of["note"].isna()] for of in rows]
    return {
        "divided": sum(of["cluster"].nunique() for of in parts),
        "asked_clusters": _Count(sum(of["cluster"].nunique() for of in rows), "cluster"),
        "parts": _Count(sum(map(len, parts)), "part"),
    }


def _ambient(run: Run) -> dict[str, object]:
    """Return in how many samples the ambient share was estimated, and from where to where."""
    shares = list(_values(run, "ambient", "contamination"))
    found = f"{min(shares):.1%} to {max(shares):.1%}" if shares else ""
    corrected = run.parameters.get("ambient") == "correct"
    return {
        "leaky": _Count(len(shares), "sample"),
        "ambient_shares": f"{shares[0]:.1%}" if len(shares) == 1 else found,
        "ambient_corrected": _BOTH_KEPT if corrected else "",
    }


def _scores(run: Run) -> dict[str, object]:
    """Return how many genes scored cells, those of the cell cycle by the first group with any."""
    accounts = run.records("cell_scores").values()
    found: Mapping[str, list[int]] = next((of for a in accounts if (of := a.get("n_genes"))), {})
    names = {"n_s": S_PHASE, "n_g2m": G2M_PHASE, "n_stress": STRESS}
    return {
        **{key: found.get(name, [0])[0] for key, name in names.items()},
        "n_sets": _Count(len(set_names(run)), "gene set"),
    }


def _chosen(run: Run) -> dict[str, str]:
    """Return slot of the template -> which of several sentences stands there."""
    asked = [group.summary.get("n_clusters_requested", "auto") != "auto" for group in run.finished]
    consensus = [group.summary.get("method") == "consensus" for group in run.finished]
    placed, corrected = run.finished[0].placed, _corrected(run)
    kept = _doublets_kept(run)
    labels = "consensus" if all(consensus) else "both" if any(consensus) else "network"
    return {
        "labels": f"labels_{labels}",
        "cuts": "cut_asked" if all(asked) else "cut_both" if any(asked) else "cut_auto",
        "batches": "batches_corrected" if any(corrected) else "batches_left" if corrected else "",
        "rare": "rare_placed" if placed else "rare",
        "types": "types_placed" if placed else "types",
        "doublets": f"doublets_{'kept' if all(kept) else 'both' if any(kept) else 'removed'}",
    }


def _causes(run: Run) -> dict[str, bool]:
    """Return sentence -> whether a sample or group gives cause for it."""
    captured = {kind for quality in run.qualities for kind in quality.get("captured") or {}}
    sources = set(_values(run, "second_opinion", "source"))
    scores = {column for table in run.tables("cell_scores").values() for column in table}
    return {
        "sexes": any((quality.get("sex") or {}).get("given") for quality in run.qualities),
        "proteins": "protein" in captured,
        "guides": "guide" in captured,
        "singler": "SingleR" in sources,
        "celltypist": "CellTypist" in sources,
        "opinions": bool(sources),
        "phases": "share_S" in scores,
        "dissociation": "mean_dissociation" in scores,
        "differential": bool(run.records("differential_expression")),
    }


def _values(run: Run, table: str, column: str) -> pd.Series[Any]:
    """Return what is known in a column of a table of the groups."""
    tables = run.tables(table).values()
    found = [known for of in tables if column in of and len(known := of[column].dropna())]
    return pd.concat(found) if found else pd.Series(dtype=object)


def _corrected(run: Run) -> list[bool]:
    """Return for each group of several batches whether they were corrected."""
    return [
        bool(of["corrected"])
        for group in run.finished
        if (of := group.summary.get("batch_correction"))
    ]


def _filters(qualities: list[Record]) -> str:
    phrases = []
    for rule, bound in BOUNDS.items():
        if known := {of.get("thresholds", {}).get(rule) for of in qualities} - {None}:
            phrases.append(f"at {side(rule)} {_least(known, f' {bound.unit}')}")
    return ", ".join(phrases) or "any counts"


def _versions(run: Run) -> dict[str, str]:
    known = {
        str(tool).lower(): str(version)
        for of in run.versions.values()
        for tool, version in (of or {}).items()
    }
    own = [version for tool, version in known.items() if "siamese" in tool]
    found = {
        name: known.get(name, known.get(f"scsiameseclu/{name}", "")) for name in _TOOLS.split()
    }
    found["pipeline"] = own[0] if own else ""
    return {f"version_{name.replace('-', '_')}": version for name, version in found.items()}
