"""The tidy tables that the other stages hand to the report, read once and summed up."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import yaml

from ..contracts import cell_names
from ..errors import Problem
from ..files import read_json, read_table
from .content import unique_texts
from .palette import cell_type_colors, cluster_colors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

METRICS = {
    "n_genes_by_counts": "Genes detected per cell",
    "total_counts": "Counts per cell",
    "pct_counts_mt": "Mitochondrial counts (%)",
}
"""Columns of the ledger whose distribution is shown, and what they are called."""

CELL_METRICS = {**METRICS, "doublet_score": "Doublet score"}
"""Columns of the ledger that are shown cell by cell, and what they are called."""

QUANTILES = {"min": 0.01, "q1": 0.25, "median": 0.5, "q3": 0.75, "max": 0.99}
"""The five numbers of a box; whiskers end where one cell in a hundred lies beyond."""

_OF_SAMPLE = ("intake", "quality")
_REFUSED = "expression.merge"
"""The step at which a single sample is left out of its group; see :mod:`..expression.normalize`."""


@dataclass(frozen=True)
class Failure:
    """Why a sample or group is missing, from ``<id>.<step>.failure.json``."""

    id: str
    step: str
    problems: tuple[Problem, ...]

    @property
    def of_sample(self) -> bool:
        """True if a step on one sample failed, False if one on a group."""
        return self.step.split(".")[0] in _OF_SAMPLE or self.step == _REFUSED

    @property
    def reason(self) -> str:
        """What is wrong, in the problems' own words."""
        return " ".join(problem.what for problem in self.problems)


@dataclass(frozen=True)
class Ledger:
    """What the ledger of one sample adds up to.

    Parameters
    ----------
    n_barcodes, n_kept
        Rows in all, and rows of kept cells.
    removed
        Rule -> rows that it removed, in the order in which the rules acted.
    boxes
        Metric -> ``before`` and ``after`` -> quantiles by :data:`QUANTILES` and the mean.
    cells
        :data:`CELL_METRICS` of the kept cells, by ``<sample>_<barcode>``.
    """

    n_barcodes: int
    n_kept: int
    removed: dict[str, int]
    boxes: dict[str, dict[str, dict[str, float]]]
    cells: pd.DataFrame

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """Read and sum up ``<sample>.cell_ledger.tsv.gz``."""
        table = read_table(path, dtype={"barcode": str, "sample": str, "rule": str, "step": str})
        kept = table["kept"].astype(str).str.lower() == "true"
        rules = table.loc[~kept, "rule"].fillna("unknown")
        boxes = {
            metric: {"before": _box(table[metric]), "after": _box(table.loc[kept, metric])}
            for metric in METRICS
            if metric in table
        }
        removed = {str(rule): int((rules == rule).sum()) for rule in rules.unique()}
        names = cell_names(table["sample"], table["barcode"])
        cells = table.set_index(names).loc[kept.to_numpy(), [metric for metric in CELL_METRICS if metric in table]]
        return cls(n_barcodes=len(table), n_kept=int(kept.sum()), removed=removed, boxes=boxes, cells=cells)


@dataclass(frozen=True, eq=False)
class Sample:
    """One row of the samplesheet and what became of it; `label` is its id as harmless HTML, unique in the report."""

    settings: Mapping[str, Any]
    label: str
    quality: Mapping[str, Any] | None
    ledger: Ledger | None
    failure: Failure | None

    @property
    def id(self) -> str:
        """The sample's id."""
        return str(self.settings["sample"])

    @property
    def group(self) -> str:
        """The id of the group that it is clustered in."""
        return str(self.settings["group"])


@dataclass(frozen=True, eq=False)
class Group:
    """The tables of one group; a table that was not made is None; `label` is its id as harmless HTML."""

    id: str
    label: str
    samples: tuple[str, ...]
    failure: Failure | None
    clusters: pd.DataFrame | None = None
    umap: pd.DataFrame | None = None
    annotation: pd.DataFrame | None = None
    markers: pd.DataFrame | None = None
    history: pd.DataFrame | None = None
    contingency: pd.DataFrame | None = None
    differential: pd.DataFrame | None = None
    differential_notes: Mapping[str, Any] = field(default_factory=dict)
    composition_test: pd.DataFrame | None = None
    expression: Mapping[str, Any] = field(default_factory=dict)
    genes: pd.DataFrame | None = None
    profiles: pd.DataFrame | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    mixing: Mapping[str, Any] = field(default_factory=dict)
    distances: pd.DataFrame | None = None
    summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """True if the group has clusters."""
        return self.clusters is not None

    @property
    def placed(self) -> bool:
        """True if its cells were placed into an earlier result and not clustered."""
        return "placement" in self.summary

    @property
    def scored(self) -> bool:
        """True if a gold standard was given and the clusters were scored against it."""
        return self.metrics.get("ari") is not None

    @cached_property
    def cluster_names(self) -> list[str]:
        """The clusters, largest first."""
        if self.clusters is None:
            return []
        return sorted(self.clusters["cluster"].unique(), key=natural)

    @cached_property
    def cell_types(self) -> dict[str, str]:
        """Cluster -> cell type; empty if the group was not annotated."""
        if self.annotation is None:
            return {}
        return dict(zip(self.annotation["cluster"], self.annotation["cell_type"], strict=True))


@dataclass(frozen=True, eq=False)
class Run:
    """Everything that the report is made from."""

    samples: list[Sample]
    groups: list[Group]
    failures: list[Failure]
    parameters: Mapping[str, Any]
    schema: Mapping[str, Any]
    versions: Mapping[str, Mapping[str, str]]
    memory: Mapping[str, Any] = field(default_factory=dict)
    """What the samples were expected to take of memory, from ``memory.json``; empty where it was not estimated."""

    @property
    def finished(self) -> list[Group]:
        """The groups that have clusters."""
        return [group for group in self.groups if group.finished]

    @cached_property
    def type_colors(self) -> dict[str, str]:
        """A colour per cell type, the same in all plots and in the figures of all groups."""
        return cell_type_colors(name for group in self.groups for name in group.cell_types.values())

    @cached_property
    def cluster_colors(self) -> dict[str, dict[str, str]]:
        """Colours of the clusters of each group, by the group's id."""
        return cluster_colors(
            {
                group.id: {name: group.cell_types.get(name, "Unknown") for name in group.cluster_names}
                for group in self.finished
            }
        )


def read_run(
    *,
    samples: Path,
    groups: Path,
    failures: Path | None,
    samplesheet: Path,
    parameters: Path,
    versions: Path,
    schema: Path | None,
) -> Run:
    """Read all inputs of the report; a folder that does not exist is an empty one.

    Parameters
    ----------
    samples, groups, failures
        Folders with ``<sample>.*`` and ``memory.json``, ``<group>.*``, and ``*.failure.json``.
    samplesheet
        The resolved settings of all samples, JSON.
    parameters
        The parameters of the run, JSON.
    versions
        Software versions by process, YAML.
    schema
        The JSON schema of the parameters, which holds their defaults and titles. Default: none is known.
    """
    settings = json.loads(samplesheet.read_text(encoding="utf-8"))
    known = read_failures(failures)
    names = list(dict.fromkeys(str(row["group"]) for row in settings))
    labels = unique_texts([*(str(row["sample"]) for row in settings), *names])
    return Run(
        samples=[_read_sample(row, labels, samples, known) for row in settings],
        groups=[_read_group(name, labels, settings, groups, known) for name in names],
        failures=known,
        parameters=read_json(parameters),
        schema=read_json(schema) if schema else {},
        versions=yaml.safe_load(versions.read_text(encoding="utf-8")) or {},
        memory=read_json(memory) if (memory := samples / "memory.json").exists() else {},
    )


def read_failures(directory: Path | None) -> list[Failure]:
    """Read all ``*.failure.json`` of a folder and the folders in it, in the order of ids and steps."""
    paths = directory.rglob("*.failure.json") if directory else []
    return sorted((_failure(read_json(path)) for path in paths), key=lambda failure: (failure.id, failure.step))


def _failure(record: Mapping[str, Any]) -> Failure:
    problems = tuple(Problem(**problem) for problem in record["problems"])
    return Failure(id=str(record["id"]), step=str(record["step"]), problems=problems)


def _read_sample(
    settings: Mapping[str, Any], labels: Mapping[str, str], directory: Path, failures: list[Failure]
) -> Sample:
    name = str(settings["sample"])
    quality, ledger = directory / f"{name}.qc.json", directory / f"{name}.cell_ledger.tsv.gz"
    return Sample(
        settings=settings,
        label=labels[name],
        quality=read_json(quality) if quality.exists() else None,
        ledger=Ledger.read(ledger) if ledger.exists() else None,
        failure=next((failure for failure in failures if failure.of_sample and failure.id == name), None),
    )


def _read_group(
    name: str,
    labels: Mapping[str, str],
    settings: list[Mapping[str, Any]],
    directory: Path,
    failures: list[Failure],
) -> Group:
    def tidy(suffix: str, **options: Any) -> pd.DataFrame | None:
        path = directory / f"{name}.{suffix}"
        return read_table(path, **options) if path.exists() else None

    def record(suffix: str) -> dict[str, Any]:
        path = directory / f"{name}.{suffix}"
        return read_json(path) if path.exists() else {}

    return Group(
        id=name,
        label=labels[name],
        samples=tuple(str(row["sample"]) for row in settings if str(row["group"]) == name),
        failure=next((failure for failure in failures if not failure.of_sample and failure.id == name), None),
        clusters=tidy(
            "clusters.tsv",
            dtype=dict.fromkeys(("barcode", "sample", "cluster", "cell_type", "cluster_coarse", "cluster_fine"), str),
        ),
        umap=tidy("umap.tsv", dtype={"barcode": str}),
        annotation=tidy(
            "annotation.tsv",
            dtype=dict.fromkeys(
                ("cluster", "cell_type", "runner_up", "evidence", "reference_type", "reference_agrees"), str
            ),
        ),
        markers=tidy("markers.tsv", dtype={"cluster": str, "gene": str}),
        history=tidy("training_history.tsv"),
        contingency=tidy("contingency.tsv", dtype={0: str}),
        differential=tidy(
            "differential_expression.tsv",
            dtype=dict.fromkeys(("cluster", "condition", "baseline", "gene"), str),
        ),
        differential_notes=record("differential_expression.json"),
        composition_test=tidy(
            "composition_test.tsv", dtype=dict.fromkeys(("cell_type", "condition", "baseline", "note"), str)
        ),
        expression=record("expression.json"),
        genes=tidy("genes.tsv", dtype={"gene": str}),
        profiles=tidy("profiles.tsv", dtype={"cluster": str, "gene": str}),
        metrics=record("metrics.json"),
        mixing=record("mixing.json"),
        distances=tidy("sample_distances.tsv", dtype={"sample": str, "other": str}),
        summary=record("clustering.json"),
    )


def _box(values: pd.Series[float]) -> dict[str, float]:
    values = values.dropna()
    if values.empty:
        return {}
    quantiles = values.quantile(list(QUANTILES.values()))
    return {**dict(zip(QUANTILES, map(float, quantiles), strict=True)), "mean": float(values.mean())}


def natural(name: str) -> tuple[int, str]:
    """Sort key: numbers by value, then other names by the alphabet."""
    return (int(name), "") if name.isdecimal() else (10**9, name)
