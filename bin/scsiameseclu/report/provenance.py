"""How results were made: inputs, parameters, resources, versions, methods; how to open them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from . import methods, reopening
from .content import Column, Section, columns_of, first_rows, table_section, text
from .inputs import Group, Run

_MOST_LACKING = 40


def sections(run: Run) -> Iterator[Section]:
    """Return the sections on how the results were made."""
    yield _samplesheet(run)
    yield from _memory(run)
    yield from _resources(run)
    yield from _parameters(run)
    yield from _versions(run)
    yield from _submission(run)
    yield from methods.sections(run)
    yield from reopening.sections(run)


def _samplesheet(run: Run) -> Section:
    extra = dict.fromkeys(key for sample in run.samples for key in sample.extra)
    names = {key: f"extra_{index}" for index, key in enumerate(extra)}
    rows = {
        sample.label: {
            **{
                key: None if value is None else str(value) for key, value in sample.settings.items()
            },
            **{
                names[key]: None if value is None else str(value)
                for key, value in sample.extra.items()
            },
            "format": (sample.quality or {}).get("format"),
        }
        for sample in run.samples
    }
    own = {names[key]: Column(text(key, length=40)) for key in extra}
    return table_section("samplesheet", rows, columns_of("samplesheet") | own)


def _memory(run: Run) -> Iterator[Section]:
    groups = {row["group"]: row for row in run.memory.get("groups", [])}
    rows = {
        run.sample_label(row["sample"]): _memory_row(row, groups.get(row["group"], {}))
        for row in run.memory.get("samples", [])
    }
    limit = run.memory.get("limit_mb")
    if rows:
        known = f"A task gets {limit:,} MB at most." if limit else "No limit was known."
        yield table_section("memory_estimate", rows, limit=known)


def _memory_row(row: Mapping[str, Any], group: Mapping[str, Any]) -> dict[str, Any]:
    remarks = " ".join(filter(None, (row["warning"], group.get("warning"), row["note"])))
    sizes = {"n_barcodes": row["n_barcodes"], "n_stored": row["n_stored"]}
    return {**sizes, **row["needs_mb"], **group.get("needs_mb", {}), "remark": remarks}


def _resources(run: Run) -> Iterator[Section]:
    rows = {
        group.label: {**group.metrics, "device": _device(group, run)}
        for group in run.finished
        if group.metrics
    }
    if rows:
        yield table_section("resources", rows)


def _device(group: Group, run: Run) -> str:
    used = str(group.metrics.get("device", ""))
    return (
        f"{used} (no GPU was found)"
        if (used, run.parameters.get("device")) == ("cpu", "auto")
        else used
    )


def _submission(run: Run) -> Iterator[Section]:
    """Return what the files for CELLxGENE lack; nothing where there are none, or all is there."""
    rows = {
        f"{group.label}, {number} {text(row['field'])}": row.to_dict()
        for group in run.finished
        for number, (_, row) in enumerate(group.cellxgene.iterrows(), start=1)
    }
    if rows:
        drawn, shown = first_rows(rows, _MOST_LACKING)
        yield table_section("cellxgene", drawn, shown=shown)


def _parameters(run: Run) -> Iterator[Section]:
    known = dict(run.schema.get("properties", {}))
    for group in (run.schema.get("$defs") or run.schema.get("definitions") or {}).values():
        known |= group.get("properties", {})
    rows = {
        text(f"--{key}"): _parameter_row(value, known.get(key))
        for key, value in sorted(run.parameters.items())
    }
    changed = {key: row for key, row in rows.items() if row.get("changed")}
    first = "Those that differ from their defaults come first."
    if rows:
        order = first if known else "All parameters of this run, as they were understood."
        yield table_section("parameters", changed | rows, order=order)


def _parameter_row(value: Any, known: Mapping[str, Any] | None) -> dict[str, Any]:
    if known is None:
        return {"value": _shown(value)}
    changed = "default" in known and value != known["default"]
    about = {"default": _shown(known.get("default")), "about": known.get("description", "")}
    return {"value": _shown(value), **about, "changed": "changed" if changed else None}


def _shown(value: Any) -> str:
    return (
        "not set"
        if value is None or value == ""
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
    )


def _versions(run: Run) -> Iterator[Section]:
    steps: dict[tuple[str, str], set[str]] = {}
    for step, tools in run.versions.items():
        for tool, version in (tools or {}).items():
            steps.setdefault((str(tool), str(version)), set()).add(str(step).split(":")[-1])
    found = sorted(steps, key=lambda of: (of[0].lower(), of[1]))
    once = len({tool for tool, _ in found}) == len(found)
    rows = {
        text(tool) if once else f"{text(tool)} {text(version)}": {
            "tool": None if once else tool,
            "version": version,
            "steps": ", ".join(sorted(steps[tool, version])),
        }
        for tool, version in found
    }
    if rows:
        yield table_section("versions", rows)
