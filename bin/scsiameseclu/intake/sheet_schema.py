"""The schema of a samplesheet's rows: its own columns, and parameters that a row overrides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OVERRIDABLE = ("intake_options", "quality_options")
"""Groups of parameters that are columns as well."""
_RULES = ("type", "enum", "minimum", "exclusiveMinimum", "maximum")


def row_schema(columns: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of the rows.

    Parameters
    ----------
    columns
        ``assets/schema_input.json``: the schema of the sheet's own columns.
    parameters
        ``nextflow_schema.json``. A parameter of :data:`OVERRIDABLE` groups becomes a column unless
        there is one of its name.
    """
    own = columns["items"]["properties"]
    overriding = {
        name: _column(name, parameter)
        for group in OVERRIDABLE
        for name, parameter in parameters["$defs"][group]["properties"].items()
        if name not in own
    }
    properties = own | overriding
    return {**columns, "items": {**columns["items"], "properties": properties}}


def _column(name: str, parameter: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{rule: parameter[rule] for rule in _RULES if rule in parameter},
        "errorMessage": _remedy(name, parameter),
        "description": f"{parameter['description']}. Default: --{name}.",
    }


def _remedy(name: str, parameter: Mapping[str, Any]) -> str:
    choices = ["true", "false"] if parameter["type"] == "boolean" else parameter.get("enum")
    if choices:
        return f"Give {' or '.join(map(repr, choices))}."
    kind = "a whole number" if parameter["type"] == "integer" else "a number"
    if "maximum" in parameter:
        within = f"from {parameter['minimum']} to {parameter['maximum']}"
    elif "exclusiveMinimum" in parameter:
        within = f"above {parameter['exclusiveMinimum']}"
    else:
        within = f"of at least {parameter['minimum']}"
    return f"Give {kind} {within}, or leave it empty for --{name}."
