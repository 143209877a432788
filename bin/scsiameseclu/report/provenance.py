"""How the results were made: samplesheet, parameters, resources, versions, methods text; and how to open them."""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml

from ..annotation.agreement import UNKNOWN
from ..errors import quoted
from . import reopening
from .chapters import PROVENANCE
from .conditions import LARGEST_P
from .content import Column, Section, html, paragraph, table, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from .inputs import Group, Run, Sample

_STEPS = {
    "reading": "Reading",
    "filter": "Cell calling and filter",
    "doublets": "Doublets",
    "group": "Merging to cell types",
    "clustering": "Clustering, markers",
}
"""Steps on a sample, and on the group that it is in, whose memory is estimated, and what the report calls them."""
_COARSEST, _FINEST = 0.2, 0.5
"""Mean co-association at which a detail of 0 and of 1 cuts: those of ``consensus.levels``, which needs igraph."""
_SHEET = {
    "group": "Group",
    "organism": "Organism",
    "tissue": "Tissue",
    "n_clusters": "Clusters asked for",
    "expected_doublet_rate": "Expected doublet rate",
    "labels": "Gold standard",
}


def sections(run: Run, *, methods: Path) -> list[Section]:
    """Return the sections on how the results were made.

    Parameters
    ----------
    run
        The inputs of the report.
    methods
        YAML with the text of the methods section under ``data``, with ``$placeholders``.
    """
    return [
        _samplesheet(run),
        *_memory(run),
        *_resources(run),
        *_parameters(run),
        *_versions(run),
        *_methods(run, methods),
        *reopening.sections(run),
    ]


def _samplesheet(run: Run) -> Section:
    extra = list(dict.fromkeys(key for sample in run.samples for key in sample.settings.get("extra") or {}))
    columns = {key: Column(title) for key, title in _SHEET.items()}
    columns |= {
        "format": Column("Format", "As found by looking into the input"),
        "notes": Column("Notes", "From reading it"),
    }
    columns |= {f"extra_{index}": Column(text(key, length=40)) for index, key in enumerate(extra)}
    rows = {sample.label: _sheet_row(sample.settings, extra) | _reading(sample) for sample in run.samples}
    return Section(
        "samplesheet",
        "Samplesheet",
        "The samples as they were understood, with the parameters' values where the sheet has none. From the "
        "samplesheet given with <code>--input</code>.",
        PROVENANCE,
        table(rows, columns, id="samplesheet", title="Samplesheet", first="Sample"),
    )


def _sheet_row(settings: Mapping[str, Any], extra: list[str]) -> dict[str, Any]:
    own = {key: settings.get(key) for key in _SHEET} | {
        f"extra_{index}": (settings.get("extra") or {}).get(key) for index, key in enumerate(extra)
    }
    return {key: None if value is None else text(value) for key, value in own.items()}


def _reading(sample: Sample) -> dict[str, Any]:
    quality = sample.quality or {}
    notes = " ".join(str(note) for note in quality.get("notes", []))
    return {"format": text(quality.get("format", "")), "notes": paragraph(notes) if notes else None}


def _memory(run: Run) -> Iterator[Section]:
    labels = {sample.id: sample.label for sample in run.samples}
    groups = {row["group"]: row for row in run.memory.get("groups", [])}
    rows = {
        labels[row["sample"]]: _memory_row(row, groups.get(row["group"], {})) for row in run.memory.get("samples", [])
    }
    if not rows:
        return
    steps = {name: word for name, word in _STEPS.items() if any(name in row for row in rows.values())}
    columns = {
        "barcodes": Column("Barcodes", "By the header of the matrix", format="{:,d}"),
        "stored": Column("Counts stored", "By the header of the matrix", format="{:,d}"),
        **{name: Column(word, "Asked for at most", format="{:,.0f}", suffix="MB") for name, word in steps.items()},
        "remark": Column("Remarks", "Where a task cannot get as much"),
    }
    limit = run.memory.get("limit_mb")
    yield Section(
        "memory_estimate",
        "Memory expected",
        "What each step on a sample, and on the group that it is in, was expected to ask for at most, from the headers "
        "of the matrices before they ran. The filter leaves fewer cells, and later steps ask for less. "
        + (f"A task gets {limit:,} MB at most." if limit else "No limit was known."),
        PROVENANCE,
        table(rows, columns, id="memory_estimate", title="Memory expected", first="Sample"),
    )


def _memory_row(row: Mapping[str, Any], group: Mapping[str, Any]) -> dict[str, Any]:
    needs = {**row["needs_mb"], **group.get("needs_mb", {})}
    remarks = " ".join(filter(None, (row["warning"], group.get("warning"), row["note"])))
    sizes = {"barcodes": row["n_barcodes"], "stored": row["n_stored"], **needs}
    return sizes | ({"remark": paragraph(remarks)} if remarks else {})


def _resources(run: Run) -> Iterator[Section]:
    rows = {
        group.label: {
            "device": text(_device(group.metrics.get("device", ""), run.parameters.get("device"))),
            "seconds": group.metrics.get("seconds"),
            "memory": group.metrics.get("peak_memory_mb"),
            "cells": group.metrics.get("n_cells"),
        }
        for group in run.finished
        if group.metrics
    }
    if not rows:
        return
    yield Section(
        "resources",
        "Resources of the clustering",
        "Where scSiameseClu ran, and what it took. From <code>groups/&#42;/metrics.json</code>; all other steps stand "
        "in "
        "<code>pipeline_info/</code>.",
        PROVENANCE,
        table(
            rows,
            {
                "cells": Column("Cells", "Cells clustered together", format="{:,d}"),
                "device": Column("Device", "CPU or GPU"),
                "seconds": Column("Time", "Wall time", format="{:,.0f}", suffix="s"),
                "memory": Column("Peak memory", "Highest memory use", format="{:,.0f}", suffix="MB"),
            },
            id="resources",
            title="Resources",
            first="Group",
        ),
    )


def _device(used: str, asked: str | None) -> str:
    return f"{used} (no GPU was found)" if (used, asked) == ("cpu", "auto") else used


def _parameters(run: Run) -> Iterator[Section]:
    known = _described(run.schema)
    changed = {
        key
        for key, value in run.parameters.items()
        if "default" in known.get(key, {}) and value != known[key]["default"]
    }
    ordered = sorted(run.parameters, key=lambda key: (key not in changed, key))
    rows = {text(f"--{key}"): _parameter_row(run.parameters[key], known.get(key), key in changed) for key in ordered}
    if not rows:
        return
    yield Section(
        "parameters",
        "Parameters",
        (
            "Those that differ from their defaults come first. "
            if known
            else "All parameters of this run, as they were understood. "
        )
        + "From <code>pipeline_info/params.json</code>.",
        PROVENANCE,
        table(
            rows,
            {
                "value": Column("Value", "In this run"),
                "default": Column("Default", "When it is not given"),
                "changed": Column("Changed", "Differs from the default", rules={"warn": [{"s_eq": "changed"}]}),
                "about": Column("Meaning", "What it does"),
            },
            id="parameters",
            title="Parameters",
            first="Parameter",
        ),
    )


def _described(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the properties of a parameter schema, with those of its groups."""
    groups = (schema.get("$defs") or schema.get("definitions") or {}).values()
    known = dict(schema.get("properties", {}))
    for group in groups:
        known |= group.get("properties", {})
    return known


def _parameter_row(value: Any, known: Mapping[str, Any] | None, changed: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"value": _shown(value)}
    if known is not None:
        row |= {
            "default": _shown(known.get("default")),
            "changed": "changed" if changed else None,
            "about": paragraph(known.get("description", "")),
        }
    return row


def _shown(value: Any) -> str:
    return "not set" if value is None or value == "" else text(str(value).lower() if isinstance(value, bool) else value)


def _versions(run: Run) -> Iterator[Section]:
    steps: dict[tuple[str, str], list[str]] = {}
    for step, tools in run.versions.items():
        for tool, version in (tools or {}).items():
            steps.setdefault((str(tool), str(version)), []).append(str(step).split(":")[-1])
    if not steps:
        return
    rows = {
        f"{text(tool)} {text(version)}": {
            "tool": text(tool),
            "version": text(version),
            "steps": paragraph(", ".join(sorted(set(used)))),
        }
        for (tool, version), used in sorted(steps.items(), key=lambda item: (item[0][0].lower(), item[0][1]))
    }
    columns = {"version": Column("Version"), "steps": Column("Used by", "Steps of the pipeline")}
    if len({row["tool"] for row in rows.values()}) == len(rows):
        rows = {row["tool"]: row for row in rows.values()}
    else:
        columns = {"tool": Column("Software"), **columns}
    yield Section(
        "versions",
        "Software versions",
        "As the steps reported them while they ran. From <code>pipeline_info/software_versions.yml</code>.",
        PROVENANCE,
        table(rows, columns, id="versions", title="Software versions", first="Software"),
    )


def _methods(run: Run, template: Path) -> Iterator[Section]:
    if not run.finished:
        return
    about = yaml.safe_load(template.read_text(encoding="utf-8"))
    facts = _facts(run)
    how = about["placement" if run.finished[0].placed else "clustering"]
    body = Template(about["data"]).substitute(facts, clustering=Template(how).substitute(facts).strip())
    yield Section(
        "methods",
        about["section_name"],
        "Ready to be pasted into a manuscript; the numbers are those of this run.",
        PROVENANCE,
        html(body),
    )


def _facts(run: Run) -> dict[str, str]:
    """Return the values of the methods template's placeholders, as harmless HTML."""
    qualities = [sample.quality for sample in run.samples if sample.quality is not None]
    found = [int(group.metrics.get("n_clusters", len(group.cluster_names))) for group in run.finished]
    facts = {
        "samples": _number_of(len(run.samples), "sample"),
        "passed": _number_of(sum(quality["n_kept"] > 0 for quality in qualities), "sample"),
        "n_barcodes": f"{sum(quality['n_barcodes'] for quality in qualities):,}",
        "n_cells": f"{sum(quality['n_kept'] for quality in qualities):,}",
        "groups": _number_of(len(run.finished), "group"),
        "labels": _label_source(run),
        "n_clusters": ", ".join(map(str, found)) if len(found) <= 10 else f"{min(found)} to {max(found)}",
        "cut": _cut(run),
        "batches": _batches(run),
        "unlike": f"{sum(group.summary['placement']['n_unlike_known'] for group in run.finished if group.placed):,}",
        "rare": _rare(run),
        "types": "those of the earlier result" if run.finished[0].placed else "assigned to clusters from marker sets",
        "calling": _calling(qualities),
        "reference": _reference(run),
        "differential": _differential(run),
        "benchmark": _benchmark(run),
        "filters": _filters(qualities),
        "doublets": "scored and kept" if run.parameters.get("doublet_action") == "annotate" else "removed",
        **{
            f"version_{name}": _version(run, name)
            for name in ("pipeline", "nextflow", "scanpy", "scrublet", "torch", "multiqc")
        },
    }
    given = {key: run.parameters.get(key) for key in ("n_top_genes", "n_pcs", "seed")}
    return {key: text(value, length=1500) for key, value in facts.items()} | {
        key: "a default number of" if value is None else text(value) for key, value in given.items()
    }


def _rare(run: Run) -> str:
    """Return which genes were left out."""
    if run.finished[0].placed:
        return "all genes were kept"
    fewest = run.parameters.get("min_cells_per_gene")
    return f"genes seen in fewer than {'a default number of' if fewest is None else fewest} cells were left out"


def _number_of(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _label_source(run: Run) -> str:
    """Return whose labels are reported, in one sentence."""
    started = sum(group.summary.get("method") == "consensus" for group in run.finished)
    if not started:
        return "The labels are those of the trained network"
    if started == len(run.finished):
        return "The labels are those of the consensus, without the network"
    total = _number_of(len(run.finished), "group")
    return f"The labels are those of the trained network, and in {started} of {total} those of the consensus"


def _cut(run: Run) -> str:
    """Return where the trees were cut, in one sentence."""
    total = len(run.finished)
    given = sum(group.summary.get("n_clusters_requested", "auto") != "auto" for group in run.finished)
    if given == total:
        return "The tree was cut into the number of clusters that was asked for."
    place = _COARSEST + (_FINEST - _COARSEST) * float(run.parameters.get("cluster_detail", 0.5))
    others = f", in {given} of {total} groups into the number of clusters that was asked for" if given else ""
    return f"The tree was cut at a mean co-association of {place:.2f}{others}."


def _batches(run: Run) -> str:
    """Return in how many groups batches were corrected, and how; nothing where there was one batch each."""
    decisions = [decision for group in run.finished if (decision := group.summary.get("batch_correction"))]
    corrected = sum(bool(decision["corrected"]) for decision in decisions)
    if not corrected:
        return "Batches were not corrected." if decisions else ""
    return (
        f"In {_number_of(corrected, 'group')} batches were corrected in the principal components, by a shift along "
        "mutual nearest neighbors (Haghverdi et al., Nat Biotechnol 36, 421, 2018) and by Harmony (Korsunsky et al., "
        "Nat Methods 16, 1289, 2019); counts were left as they are."
    )


def _calling(qualities: list[Mapping[str, Any]]) -> str:
    count = sum(bool(quality.get("cell_calling")) for quality in qualities)
    if not count:
        return ""
    return (
        f"In {_number_of(count, 'sample')} cells were separated from empty droplets by their place on the barcode-rank "
        "curve and a test after EmptyDrops (Lun et al., Genome Biol 20, 63, 2019)."
    )


def _reference(run: Run) -> str:
    """Return how the labelled reference named the clusters, or nothing where there was none."""
    tables = [group.annotation for group in run.finished if group.annotation is not None]
    rows = [row for table in tables if "reference_type" in table for _, row in table.iterrows()]
    if not rows:
        return ""
    named = sum(pd.notna(row["reference_type"]) and row["reference_type"] != UNKNOWN for row in rows)
    judged = [row["reference_agrees"] for row in rows if pd.notna(row["reference_agrees"])]
    agreement = f"; markers and reference agree on {judged.count('yes')} of the {len(judged)} that both name"
    return (
        f"Beside the markers, a labelled reference (its labels {quoted(run.parameters.get('reference_label'))}) named "
        f"{named} of {_number_of(len(rows), 'cluster')}{agreement if judged else ''}: cells were projected onto the "
        "principal components of the reference, and a multinomial logistic regression there (scikit-learn "
        f"{_version(run, 'scikit-learn')}), with probabilities calibrated by cross-validation (Platt, Advances in "
        "Large Margin Classifiers, 61-74, 1999), was averaged over the cells of each cluster."
    )


def _differential(run: Run) -> str:
    """Return how conditions were compared and what differed, or nothing where they were not."""
    compared = [group for group in run.finished if group.differential is not None]
    if not compared:
        return ""
    tables = [group.differential for group in compared if group.differential is not None]
    tested = sum(len(table[["cluster", "condition"]].drop_duplicates()) for table in tables)
    found = sum(int((table["p_value_adjusted"] < LARGEST_P).sum()) for table in tables)
    left_out = sum(len(group.differential_notes.get("notes", [])) for group in compared)
    formula = compared[0].differential_notes.get("formula")
    return (
        f"Conditions (column {quoted(compared[0].differential_notes.get('condition'))} of the samplesheet) were "
        f"compared within clusters on counts summed by sample{_model(formula)}, so that samples, not cells, "
        "are the replicates (Squair "
        "et al., Nat Commun 12, 5692, 2021), by the test of DESeq2 (Love et al., Genome Biol 15, 550, 2014) in "
        f"pydeseq2 {_version(run, 'pydeseq2')} (Muzellec et al., Bioinformatics 39, btad547, 2023): "
        f"{_number_of(tested, 'comparison')} with {_number_of(found, 'gene')} at a Benjamini-Hochberg adjusted p-value "
        f"below {LARGEST_P}" + (f"; {left_out} could not be made." if left_out else ".") + _shares(compared)
    )


def _model(formula: object) -> str:
    return f" with the model {quoted(formula)}" if formula else ""


def _shares(groups: list[Group]) -> str:
    """Return how shares of cell types were compared, or nothing where they were not."""
    tables = [group.composition_test for group in groups if group.composition_test is not None]
    p = [value for table in tables for value in table["p_val_adj"] if pd.notna(value)]
    if not p:
        return ""
    return (
        " Shares of cell types were compared by a linear model of their logits with moderated t-tests, as in propeller "
        f"(Phipson et al., Bioinformatics 38, 4720-4726, 2022): {sum(value < LARGEST_P for value in p)} of "
        f"{_number_of(len(p), 'share')} differ."
    )


def _benchmark(run: Run) -> str:
    """Return what the benchmark compared, or nothing where it was not asked for or no group has labels."""
    failed = {failure.id for failure in run.failures if failure.step.startswith("benchmark")}
    groups = [group for group in run.finished if group.scored and group.id not in failed]
    if not (run.parameters.get("benchmark") and groups):
        return ""
    seeds = _number_of(int(run.parameters.get("benchmark_seeds", 1)), "seed")
    return (
        f"As a benchmark, {_number_of(len(groups), 'labelled group')} went through scSiameseClu, its consensus, "
        f"Leiden, Louvain (Blondel et al., J Stat Mech, P10008, 2008) and k-means with {seeds} each, with the true "
        "number of clusters and without, and the labels were compared by accuracy, normalized mutual information and "
        "the adjusted Rand index (Hubert and Arabie, J Classif 2, 193-218, 1985)."
    )


def _filters(qualities: list[Mapping[str, Any]]) -> str:
    words = {
        "min_genes": "at least {:,g} detected genes",
        "max_genes": "at most {:,g} detected genes",
        "min_counts": "at least {:,g} counts",
        "max_counts": "at most {:,g} counts",
        "max_pct_mt": "at most {:,g} % mitochondrial counts",
        "max_pct_hb": "at most {:,g} % hemoglobin counts",
    }
    phrases = []
    for rule, words_for in words.items():
        values = sorted({v for quality in qualities if (v := quality.get("thresholds", {}).get(rule)) is not None})
        if values:
            phrases.append(
                words_for.format(values[0]) + (f" (to {values[-1]:,g}, by sample)" if len(values) > 1 else "")
            )
    return ", ".join(phrases) or "any counts"


def _version(run: Run, name: str) -> str:
    for tools in run.versions.values():
        for tool, version in (tools or {}).items():
            if str(tool).lower() in (name, f"scsiameseclu/{name}") or (
                name == "pipeline" and "siamese" in str(tool).lower()
            ):
                return str(version)
    return ""
