"""The bounds on a cell, with the words that the report has for them.

A new bound on a metric is a new field of :class:`Bounds`; the filter, the ledger and the report
take it from there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Bound:
    """What a bound is of, and how the report speaks of it.

    Parameters
    ----------
    metric
        Column of the metrics.
    title
        Heading of its column in the table of thresholds, before "at least" or "at most".
    unit
        What stands after its number in the methods text.
    removed
        The reason given for a barcode beyond it.
    decimals
        Decimals of its number in tables.
    """

    metric: str
    title: str
    unit: str
    removed: str
    decimals: int = 0


def _field(bound: Bound, default: float | None = None) -> Any:
    return field(default=default, metadata={"bound": bound})


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The bounds on a cell, in the order in which they are applied.

    A name begins with ``min_`` or ``max_``, and is that of the parameter, the samplesheet's column
    and the ledger's rule.

    Parameters
    ----------
    min_genes
        Fewest genes in a cell. Default: the preset's, or a fifth of the median where the sample is
        shallow.
    max_genes
        Most genes in a cell. Default: no bound.
    min_counts
        Fewest counts in a cell. Default: no bound.
    max_counts
        Most counts in a cell. Default: no bound.
    max_pct_mt
        Largest share of mitochondrial counts, in percent; not applied where no mitochondrial gene
        is found.
    max_pct_hb
        Largest share of hemoglobin counts, in percent. Default: no bound.
    """

    min_genes: int | None = _field(
        Bound("n_genes_by_counts", "Genes", "detected genes", "Too few genes")
    )
    max_genes: int | None = _field(
        Bound("n_genes_by_counts", "Genes", "detected genes", "Too many genes")
    )
    min_counts: int | None = _field(Bound("total_counts", "Counts", "counts", "Too few counts"))
    max_counts: int | None = _field(Bound("total_counts", "Counts", "counts", "Too many counts"))
    max_pct_mt: float = _field(
        Bound(
            "pct_counts_mt", "Mito. %", "% mitochondrial counts", "Mitochondrial share too high", 1
        ),
        default=20.0,
    )
    max_pct_hb: float | None = _field(
        Bound(
            "pct_counts_hb", "Hemoglobin %", "% hemoglobin counts", "Hemoglobin share too high", 1
        )
    )


BOUNDS: dict[str, Bound] = {one.name: one.metadata["bound"] for one in fields(Bounds)}
"""Name of a bound -> its metric."""


def side(name: str) -> str:
    """Return ``least`` or ``most``, by the name of a bound."""
    return "least" if name.startswith("min_") else "most"
