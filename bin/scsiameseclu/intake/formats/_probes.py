"""Probes of 10x Flex and Visium, several for a gene: their sum is the gene's count."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ..counts import Counts
from ..gene_ids import PROBE


def add_up_probes(counts: Counts) -> None:
    """Make one gene of the probes for it, where the names are those of probes."""
    found = [PROBE.match(name) for name in counts.gene_ids]
    if sum(match is not None for match in found) <= len(found) / 2:
        return
    counts.gene_ids = [
        match[1] if match else name for match, name in zip(found, counts.gene_ids, strict=True)
    ]
    counts.gene_symbols = [
        match[2] if match else name for match, name in zip(found, counts.gene_symbols, strict=True)
    ]
    add_up_genes(counts)


def add_up_genes(counts: Counts) -> None:
    """Make one gene of all that have the same id, in the order in which they come first."""
    ids = counts.gene_ids
    places = {name: place for place, name in enumerate(dict.fromkeys(ids))}
    shape = (len(ids), len(places))
    of_gene = sparse.csr_matrix(
        (np.ones(len(ids), np.int64), (np.arange(len(ids)), [places[name] for name in ids])), shape
    )
    symbols = dict(zip(reversed(ids), reversed(counts.gene_symbols), strict=True))
    counts.matrix = counts.matrix @ of_gene
    counts.gene_ids, counts.gene_symbols = list(places), [symbols[name] for name in places]
    counts.notes.append(
        f"The features are {shape[0]} probes: their counts were added up for {shape[1]} genes."
    )
