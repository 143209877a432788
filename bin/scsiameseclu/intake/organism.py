"""The organism of genes, by their ids, the genome before their names, or their case."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .gene_ids import ENSEMBL, GENOMES, OF_ORGANISMS

if TYPE_CHECKING:
    import pandas as pd

    from ..contracts import OrganismRecord

ORGANISMS = ("human", "mouse")
_GENOMES = {name: re.compile(f"(?i:{genomes})") for name, genomes in GENOMES.items()}
_UPPER = re.compile(r"^[A-Z][A-Z0-9.-]*[A-Z][A-Z0-9.-]*$")
_TITLE = re.compile(r"^(?:mt-)?[A-Z][a-z0-9.-]*[a-z][a-z0-9.-]*$")
_MIN_GENES = 20
"""From fewer genes than this nothing is concluded."""
_MIN_SHARE = 0.8
"""Share of the genes whose names must agree, and of ids that must be known at all."""
_MIN_SECOND = 0.05
"""Share of the genes of a second organism at or above which a matrix holds both."""


@dataclass(frozen=True)
class Organism:
    """What the names of the genes say of their organism.

    Parameters
    ----------
    found
        ``human``, ``mouse``, ``mixed`` (both), ``other``, or None: unknown.
    evidence
        The evidence, in words; empty if it is unknown.
    name
        Which organism an ``other`` one is, where its ids show it; else empty.
    """

    found: str | None
    evidence: str = ""
    name: str = ""

    def check(self, given: str | None) -> str:
        """Return a warning if the organism is not the `given` one; empty if nothing contradicts."""
        if self.found == "mixed":
            return (
                f"The matrix holds genes of human and mouse ({self.evidence}): each barcode's "
                "share is in the ledger."
            )
        if self.found is None or given in (None, "other", self.found):
            return ""
        if self.found == "other":
            of = f" but of {self.name}" if self.name else ""
            return (
                f"The genes are not of {given}{of} ({self.evidence}): give 'other' as organism, "
                "or the right matrix."
            )
        return (
            f"The genes look like those of {self.found} ({self.evidence}), but the organism "
            f"is given as {given}."
        )

    def summary(self, given: str | None) -> OrganismRecord:
        """Return the account in ``<sample>.qc.json``."""
        return {
            "given": given,
            "found": self.found,
            "name": self.name,
            "evidence": self.evidence,
            "warning": self.check(given),
        }


def gene_organisms(var: pd.DataFrame) -> np.ndarray:
    """Return the organism of each gene (object): ``human``, ``mouse``, or empty if unsure.

    Parameters
    ----------
    var
        ``AnnData.var`` with ``gene_ids`` and ``gene_symbols``, either of which may have the genome
        in front.
    """
    ids, symbols = var["gene_ids"].astype(str), var["gene_symbols"].astype(str)
    organisms = np.full(len(var), "", dtype=object)
    for organism in ORGANISMS:
        genome, bare = _GENOMES[organism], OF_ORGANISMS[organism]
        of_it = (
            ids.str.match(genome)
            | symbols.str.match(genome)
            | ids.str.match(bare)
            | symbols.str.match(bare)
        )
        organisms[of_it.to_numpy(dtype=bool)] = organism
    return organisms


def infer_organism(var: pd.DataFrame) -> Organism:
    """Return the organism by the names of the genes; parameters as in :func:`gene_organisms`.

    Genomes and ids (Ensembl, FlyBase, WormBase, SGD, TAIR) are sure. If there are none, symbols
    all in capitals are written as those of human, and capitalized ones as those of mouse; so are
    those of other organisms, which cannot be distinguished.
    """
    organisms = gene_organisms(var)
    n_of = {organism: int((organisms == organism).sum()) for organism in ORGANISMS}
    if min(n_of.values()) >= max(_MIN_SECOND * len(var), _MIN_GENES):
        evidence = " and ".join(f"{n:,} of {organism}" for organism, n in n_of.items())
        return Organism("mixed", evidence)
    ids = var["gene_ids"].astype(str)
    others = [name for name in OF_ORGANISMS if name not in ORGANISMS]
    of_others = {name: ids.str.match(OF_ORGANISMS[name]) for name in others}
    sure = ids.str.match(ENSEMBL) | (organisms != "")
    for of_it in of_others.values():
        sure |= of_it
    if sure.sum() >= max(_MIN_SHARE * len(var), _MIN_GENES):
        n_of_others = {name: int(of_it.sum()) for name, of_it in of_others.items()}
        return _by_sure(n_of, n_of_others, int(sure.sum()))
    return _by_case(var["gene_symbols"].astype(str))


def _by_sure(n_of: dict[str, int], n_of_others: dict[str, int], n_sure: int) -> Organism:
    n_of = {**n_of, "other": n_sure - sum(n_of.values())}
    found = max(n_of, key=n_of.__getitem__)
    if n_of[found] < _MIN_SHARE * n_sure:
        return _NONE
    name = max(n_of_others, key=n_of_others.__getitem__)
    is_named = found == "other" and n_of_others[name] >= _MIN_SHARE * n_sure
    evidence = f"{n_of[found]:,} of {n_sure:,} genes, by id"
    return Organism(found, evidence, name if is_named else "")


def _by_case(symbols: pd.Series[str]) -> Organism:
    written = {"human": _UPPER, "mouse": _TITLE}
    n_of = {name: int(symbols.str.match(pattern).sum()) for name, pattern in written.items()}
    n_cased = sum(n_of.values())
    found = max(n_of, key=n_of.__getitem__)
    if n_cased < max(len(symbols) / 2, _MIN_GENES) or n_of[found] < _MIN_SHARE * n_cased:
        return _NONE
    return Organism(found, f"{n_of[found]:,} of {n_cased:,} symbols, by upper and lower case")


_NONE = Organism(None)
