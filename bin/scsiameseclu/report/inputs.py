"""The tables and records that the other stages hand to the report, read once and summed up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ..contracts import (
    ClusteringSummary,
    MemoryEstimate,
    Metrics,
    cell_names,
)
from ..files import read_json, read_table
from .content import text, unique_texts
from .palette import cell_type_colors, cluster_colors
from .verdict import Failure, read_failures

Record = Mapping[str, Any]

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

_TEXT = (
    "barcode sample other rule step gene label condition baseline note cluster "
    "cluster_coarse cluster_fine cell_type runner_up evidence reference_type "
    "reference_agrees protein hashtag guide cluster_sub "
    "source opinion agreement set phase high_dissociation example"
)
"""Columns of any table that are text, whatever they look like."""


@dataclass(frozen=True)
class Ledger:
    """What the ledger of one sample adds up to.

    `removed` has the rows that each rule removed, in the order in which the rules acted; `boxes`
    :data:`QUANTILES` and mean of each metric, ``before`` and ``after``; `cells`
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
        table: pd.DataFrame = _read(path)
        kept = table["kept"].astype(str).str.lower() == "true"
        boxes = {
            metric: {"before": _box(table[metric]), "after": _box(table.loc[kept, metric])}
            for metric in METRICS
            if metric in table
        }
        removed = counts(table.loc[~kept, "rule"].fillna("unknown"))
        names = cell_names(table["sample"], table["barcode"])
        cells = table.set_index(names).loc[
            kept.to_numpy(), [metric for metric in CELL_METRICS if metric in table]
        ]
        return cls(len(table), int(kept.sum()), removed, boxes, cells)


def counts(names: pd.Series[str]) -> dict[str, int]:
    """Return how often each name is there, in the order in which they come."""
    return {str(name): int(n) for name, n in names.value_counts(sort=False).items()}


def _box(values: pd.Series[float]) -> dict[str, float]:
    values = values.dropna()
    if values.empty:
        return {}
    box = {name: float(values.quantile(q)) for name, q in QUANTILES.items()}
    return box | {"mean": float(values.mean())}


@dataclass(frozen=True, eq=False)
class Sample:
    """One row of the samplesheet and its results; `label` is its id as safe, unique HTML."""

    settings: Record
    label: str
    quality: Record
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

    @property
    def extra(self) -> Record:
        """The samplesheet's other columns."""
        return self.settings.get("extra") or {}


@dataclass(frozen=True, eq=False)
class Group:
    """One group and its files, read when first asked for; `label` is its id as safe HTML."""

    id: str
    label: str
    samples: Sequence[str]
    failure: Failure | None
    folder: Path
    _known: dict[str, Any] = field(default_factory=dict)

    def table(self, name: str) -> pd.DataFrame:
        """Return ``<group>.<name>.tsv``, empty where it is missing."""
        table: pd.DataFrame = self._file(f"{name}.tsv")
        return table

    def record(self, name: str) -> Any:
        """Return ``<group>.<name>.json``, empty where it is missing."""
        return self._file(f"{name}.json")

    def _file(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = _read(self.folder / f"{self.id}.{name}")
        return self._known[name]

    @property
    def clusters(self) -> pd.DataFrame:
        """Its cells and their clusters."""
        return self.table("clusters")

    @property
    def metrics(self) -> Metrics:
        """Scores of its clusters."""
        metrics: Metrics = self.record("metrics")
        return metrics

    @property
    def summary(self) -> ClusteringSummary:
        """How its clusters were found."""
        summary: ClusteringSummary = self.record("clustering")
        return summary

    @property
    def finished(self) -> bool:
        """True if the group has clusters."""
        return len(self.clusters) > 0

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
        return sorted(self.clusters["cluster"].unique(), key=natural) if self.finished else []

    @cached_property
    def cell_types(self) -> dict[str, str]:
        """Cluster -> cell type; empty if the group was not annotated."""
        known = self.table("annotation")
        return dict(zip(known["cluster"], known["cell_type"], strict=True)) if len(known) else {}

    def row(self, cluster: object) -> str:
        """Return the name of a cluster's row in a table of all groups."""
        return f"{self.label}, cluster {text(cluster)}"

    def titled(self, cluster: str, *, length: int = 40) -> str:
        """Return a cluster and its cell type as harmless HTML."""
        return f"{text(cluster)} {text(self.cell_types.get(cluster, ''), length=length)}".strip()


@dataclass(frozen=True, eq=False)
class Run:
    """Everything that the report is made from.

    `memory` is what the samples were expected to take, `methods` the template of the methods
    section, `max_points` how many points a plot may have, all groups together.
    """

    samples: list[Sample]
    groups: list[Group]
    failures: list[Failure]
    parameters: Record
    schema: Record
    versions: Mapping[str, Mapping[str, str]]
    memory: MemoryEstimate
    methods: Record
    max_points: int

    @cached_property
    def finished(self) -> list[Group]:
        """The groups that have clusters."""
        return [group for group in self.groups if group.finished]

    def tables(self, name: str) -> dict[Group, pd.DataFrame]:
        """Return a table of each group that has clusters and it."""
        return {group: table for group in self.finished if len(table := group.table(name))}

    def records(self, name: str) -> dict[Group, Record]:
        """Return a record of each group that has clusters and it."""
        return {group: record for group in self.finished if (record := group.record(name))}

    @property
    def qualities(self) -> list[Record]:
        """The summaries of quality control."""
        return [sample.quality for sample in self.samples if sample.quality]

    @property
    def n_clusters(self) -> int:
        """Clusters of all groups together."""
        return sum(len(group.cluster_names) for group in self.finished)

    def sample_label(self, name: object) -> str:
        """Return a sample's id as harmless HTML, unique in the report."""
        return next(
            (sample.label for sample in self.samples if sample.id == name), text(name, length=40)
        )

    @cached_property
    def type_colors(self) -> dict[str, str]:
        """A colour per cell type, the same in all plots and in the figures of all groups."""
        return cell_type_colors(name for group in self.groups for name in group.cell_types.values())

    @cached_property
    def cluster_colors(self) -> dict[str, dict[str, str]]:
        """Colours of the clusters of each group, by the group's id."""
        types = {
            group.id: {name: group.cell_types.get(name, "Unknown") for name in group.cluster_names}
            for group in self.finished
        }
        return cluster_colors(types)


def read_run(
    samples: Path, groups: Path, failures: Path | None, schema: Path | None, max_points: int, *,
    samplesheet: Path, parameters: Path, versions: Path, methods: Path,
) -> Run:  # fmt: skip
    """Read the report's inputs, see :func:`.tables.write_tables`; a missing folder is empty."""
    settings = json.loads(samplesheet.read_text(encoding="utf-8"))
    known = read_failures(failures)
    members: dict[str, list[str]] = {}
    for row in settings:
        members.setdefault(str(row["group"]), []).append(str(row["sample"]))
    labels = unique_texts([*(str(row["sample"]) for row in settings), *members])
    return Run(
        samples=[_read_sample(row, labels, samples, known) for row in settings],
        groups=[
            Group(name, labels[name], own, _first(known, "group", name), groups)
            for name, own in members.items()
        ],
        failures=known,
        parameters=read_json(parameters),
        schema=read_json(schema) if schema else {},
        versions=yaml.safe_load(versions.read_text(encoding="utf-8")) or {},
        memory=_read(samples / "memory.json"),
        methods=yaml.safe_load(methods.read_text(encoding="utf-8")),
        max_points=max_points,
    )


def _read_sample(
    settings: Record, labels: Mapping[str, str], directory: Path, failures: list[Failure]
) -> Sample:
    name = str(settings["sample"])
    ledger = directory / f"{name}.cell_ledger.tsv.gz"
    return Sample(
        settings=settings,
        label=labels[name],
        quality=_read(directory / f"{name}.qc.json"),
        ledger=Ledger.read(ledger) if ledger.exists() else None,
        failure=_first(failures, "sample", name),
    )


def _first(failures: list[Failure], kind: str, name: str) -> Failure | None:
    return next((one for one in failures if (one.kind, one.id) == (kind, name)), None)


def _read(path: Path) -> Any:
    """Read a table or a record; an empty one where the file is missing."""
    if path.suffix == ".json":
        return read_json(path) if path.exists() else {}
    if not path.exists():
        return pd.DataFrame()
    return read_table(path, dtype=dict.fromkeys(_TEXT.split(), str))


def of_cluster(table: pd.DataFrame, cluster: str) -> pd.DataFrame:
    """Return the rows of a cluster; a missing table has none."""
    return table[table["cluster"] == cluster] if len(table) else table


def positive(markers: pd.DataFrame) -> pd.DataFrame:
    """Return the markers that are higher in their cluster; a missing table has none."""
    return markers[markers["avg_log2FC"] > 0] if len(markers) else markers


def natural(name: str) -> tuple[int, str]:
    """Sort key: numbers by value, then other names by the alphabet."""
    return (int(name), "") if name.isdecimal() else (10**9, name)
