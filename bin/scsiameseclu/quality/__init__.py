"""Quality of a sample: which barcodes are healthy single cells, and a ledger that says why the others are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from .cells import CellCalls, call_cells, find_cells, looks_unfiltered
    from .doublets import Doublets, score_doublets
    from .filter import Rule, cell_metrics, choose_rules
    from .genes import is_hemoglobin, is_mitochondrial, is_ribosomal
    from .ledger import LEDGER_COLUMNS, read_ledger
    from .mad import mad_bounds
    from .species import species_counts

__all__ = [
    "LEDGER_COLUMNS",
    "CellCalls",
    "Doublets",
    "Rule",
    "call_cells",
    "cell_metrics",
    "choose_rules",
    "find_cells",
    "is_hemoglobin",
    "is_mitochondrial",
    "is_ribosomal",
    "looks_unfiltered",
    "mad_bounds",
    "read_ledger",
    "score_doublets",
    "species_counts",
]

# On demand: a step is a process of its own and pays for every import.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "cells": ["CellCalls", "call_cells", "find_cells", "looks_unfiltered"],
        "doublets": ["Doublets", "score_doublets"],
        "filter": ["Rule", "cell_metrics", "choose_rules"],
        "genes": ["is_hemoglobin", "is_mitochondrial", "is_ribosomal"],
        "ledger": ["LEDGER_COLUMNS", "read_ledger"],
        "mad": ["mad_bounds"],
        "species": ["species_counts"],
    },
)
