"""Where genes that users and gene sets name are in the data."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

import anndata as ad
import pandas as pd

from .symbols import gene_symbols


class GenePlaces:
    """The genes of an AnnData by name, symbol and id.

    A gene is sought as it is written first, then without regard to capitals, so that human symbols
    find those of mouse. Of several genes of one symbol, the first is taken.

    Parameters
    ----------
    adata
        Genes in ``var``, symbols in ``gene_symbols`` and ids in ``gene_ids`` where they are there.
    """

    def __init__(self, adata: ad.AnnData) -> None:
        self.names = adata.var_names.astype(str)
        self._symbols = gene_symbols(adata).astype(str)
        known = [self.names, self._symbols]
        if "gene_ids" in adata.var:
            ids = adata.var["gene_ids"].astype(object).fillna("").astype(str)
            known += [pd.Index(ids), pd.Index(ids.str.replace(r"\.\d+$", "", regex=True))]
        self._exact: dict[str, int] = {}
        for names in known:
            for place, name in enumerate(names):
                self._exact.setdefault(name, place)
        self._folded: dict[str, int] = {}
        for name, place in self._exact.items():
            self._folded.setdefault(name.casefold(), place)

    def find(self, gene: str) -> int | None:
        """Return the place of a gene, None where it is not in the data."""
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
