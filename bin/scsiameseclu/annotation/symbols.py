"""Genes of an AnnData by the names that users, marker sets and references give them."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

import anndata as ad
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..intake.gene_ids import GENOMES, without_versions

DECORATION = rf"^(?i:{'|'.join(GENOMES.values())})|[_.|-]ENS[A-Z]*G\d+(?:\.\d+)?$"
"""What some tools put round a gene symbol: the genome before it, the Ensembl id behind it."""


def gene_symbols(adata: ad.AnnData) -> pd.Index:
    """Return the gene symbols, without genome or Ensembl id; the name where a gene has none."""
    symbols = pd.Series(adata.var_names.astype(str), index=adata.var_names)
    if "gene_symbols" in adata.var:
        given = adata.var["gene_symbols"].astype(object)
        symbols = given.where(given.notna() & (given != ""), symbols).astype(str)
    return pd.Index(symbols.str.replace(DECORATION, "", regex=True))


def shared_genes(adata: ad.AnnData, names: pd.Index) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places, in both, of the genes that a group has under `names`, in one order.

    They are matched by symbol or by Ensembl id, whichever finds more, ignoring case. Names
    that come twice are left out.
    """
    theirs = _places(pd.Index(without_versions(pd.Series(names, dtype=str))))
    ours = [_places(gene_symbols(adata))]
    if "gene_ids" in adata.var:
        ours.append(_places(pd.Index(without_versions(adata.var["gene_ids"].astype(str)))))
    most = max(ours, key=lambda places: len(places.index.intersection(theirs.index)))
    genes = most.index.intersection(theirs.index).sort_values()
    return np.asarray(most[genes], dtype=np.int64), np.asarray(theirs[genes], dtype=np.int64)


def _places(names: pd.Index) -> pd.Series[int]:
    """Return the place of each gene by its name in capitals, without names that come twice."""
    places = pd.Series(range(len(names)), index=names.astype(str).str.upper())
    return places[~places.index.duplicated(keep=False)]


class GenePlaces:
    """The genes of an AnnData by name, symbol and id.

    A gene is matched exactly first, then ignoring case, so that human symbols
    find those of mouse. Of several genes of one symbol, the first is taken.

    Parameters
    ----------
    adata
        Genes in ``var``, with symbols in ``gene_symbols`` and ids in ``gene_ids``, if present.
    """

    def __init__(self, adata: ad.AnnData) -> None:
        self.names = adata.var_names.astype(str)
        self._symbols = gene_symbols(adata).astype(str)
        known = [self.names, self._symbols]
        if "gene_ids" in adata.var:
            ids = adata.var["gene_ids"].astype(object).fillna("").astype(str)
            known += [pd.Index(ids), pd.Index(without_versions(ids))]
        self._exact: dict[str, int] = {}
        for names in known:
            for place, name in enumerate(names):
                self._exact.setdefault(name, place)
        self._folded: dict[str, int] = {}
        for name, place in self._exact.items():
            self._folded.setdefault(name.casefold(), place)

    def find(self, gene: str) -> int | None:
        """Return the position of a gene; None if it is not in the data."""
        place = self._exact.get(gene)
        return self._folded.get(gene.casefold()) if place is None else place

    def find_all(self, genes: Iterable[str]) -> list[int]:
        """Return the places of those genes that are in the data, each once."""
        places = [place for gene in genes if (place := self.find(gene)) is not None]
        return list(dict.fromkeys(places))

    def nearest(self, gene: str) -> str | None:
        """Return the symbol or name that is spelled most like a gene, if any is."""
        found = get_close_matches(gene.casefold(), self._folded, n=1, cutoff=0.6)
        return str(self._symbols[self._folded[found[0]]]) if found else None
