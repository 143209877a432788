"""Quality of a sample: which barcodes are healthy single cells, and a ledger that says why the others are not."""

from .doublets import Doublets, score_doublets
from .filter import Rule, cell_metrics, choose_rules
from .genes import is_mitochondrial, is_ribosomal
from .ledger import LEDGER_COLUMNS, read_ledger

__all__ = [
    "LEDGER_COLUMNS",
    "Doublets",
    "Rule",
    "cell_metrics",
    "choose_rules",
    "is_mitochondrial",
    "is_ribosomal",
    "read_ledger",
    "score_doublets",
]
