"""A group's AnnData as Bioconductor's SingleCellExperiment."""

from __future__ import annotations

from collections.abc import Mapping

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from .parts import Beside, beside_genes, reductions
from .writing import (
    NO_SLOT,
    RValue,
    anything,
    by_cell,
    column,
    dense,
    factor,
    named_list,
    numbers,
    package_version,
    plain_list,
    s4,
    text,
)

_VECTORS, _EXPERIMENTS = "S4Vectors", "SummarizedExperiment"
_RANGES, _GENOME, _SINGLE = "IRanges", "GenomicRanges", "SingleCellExperiment"
_NO_INTEGERS = numbers(np.empty(0, np.int32))
_MAIN = "RNA"
_UNANNOTATED = {"elementMetadata": NO_SLOT, "metadata": plain_list([])}
_OF_ANY = {"elementType": text(["ANY"]), **_UNANNOTATED}


def single_cell_experiment(adata: ad.AnnData, *, run: Mapping[str, object]) -> RValue:
    """Return a group as a SingleCellExperiment.

    Parameters
    ----------
    adata
        ``X`` log-normalized, ``layers['counts']``, ``obs``, ``var``, ``obsm`` with `REDUCTIONS`
        and, where they were counted, proteins, hashtags and guides.
    run
        What is kept in ``metadata``.

    Returns
    -------
    Assays ``counts logcounts``; ``var`` as ``rowData``, ``obs`` as ``colData``, reductions as
    ``reducedDims`` in upper case; alternative experiments ``ADT HTO GDO`` of what was counted
    beside genes.
    """
    cells, genes = text(adata.obs_names), text(adata.var_names)
    matrices = {"counts": adata.layers["counts"], "logcounts": adata.X}
    assays = {
        name: by_cell(sparse.csr_matrix(matrix), genes, cells) for name, matrix in matrices.items()
    }
    return s4(
        _SINGLE,
        _SINGLE,
        int_elementMetadata=_frame({"rowPairs": _frame({}, adata.n_vars)}, adata.n_vars),
        int_colData=_of_cells(adata, cells),
        int_metadata=named_list(
            {"version": package_version(1, 20, 0), "mainExpName": text([_MAIN])}
        ),
        rowRanges=_no_ranges(genes, adata.n_vars, _columns(adata.var)),
        **_experiment(assays, _columns(adata.obs), cells, (adata.n_vars, adata.n_obs)),
        metadata=named_list({"scsiameseclu": anything(run)}),
    )


def _of_cells(adata: ad.AnnData, cells: RValue) -> RValue:
    """Return reductions and alternative experiments."""
    reduced = {
        name.upper(): dense(values, cells, text(dimensions))
        for name, _, values, dimensions in reductions(adata)
    }
    others = {
        beside.assay: s4(
            "SummarizedExperimentByColumn", _SINGLE, se=_beside(beside, cells, adata.n_obs)
        )
        for beside in beside_genes(adata)
    }
    parts = {"reducedDims": reduced, "altExps": others, "colPairs": {}}
    return _frame({name: _frame(part, adata.n_obs) for name, part in parts.items()}, adata.n_obs)


def _experiment(
    assays: Mapping[str, RValue],
    columns: Mapping[str, RValue],
    cells: RValue,
    shape: tuple[int, int],
) -> dict[str, RValue]:
    """Return the slots that every experiment has."""
    data = s4("SimpleList", _VECTORS, listData=named_list(assays), **_OF_ANY)
    return {
        "colData": _frame(columns, shape[1], rows=cells),
        "assays": s4("SimpleAssays", _EXPERIMENTS, data=data),
        "NAMES": NO_SLOT,
        "elementMetadata": _frame({}, shape[0]),
    }


def _beside(beside: Beside, cells: RValue, n_cells: int) -> RValue:
    features, size = text(beside.names), len(beside.names)
    assays = {"counts": by_cell(beside.counts, features, cells)}
    if beside.normalized is not None:
        assays["logcounts"] = by_cell(beside.normalized, features, cells)
    slots = _experiment(assays, {}, cells, (size, n_cells)) | {"NAMES": features}
    return s4(_EXPERIMENTS, _EXPERIMENTS, **slots, metadata=plain_list([]))


def _columns(table: pd.DataFrame) -> dict[str, RValue]:
    return {str(name): column(table[name]) for name in table}


def _frame(columns: Mapping[str, RValue], n_rows: int, *, rows: RValue = NO_SLOT) -> RValue:
    """Return a ``DFrame``."""
    return s4(
        "DFrame",
        _VECTORS,
        rownames=rows,
        nrows=numbers(np.array([n_rows])),
        **_OF_ANY,
        listData=named_list(columns),
    )


def _no_ranges(genes: RValue, n_genes: int, about: Mapping[str, RValue]) -> RValue:
    """Return where the genes lie, which is not known: an empty range for each."""
    return s4(
        "CompressedGRangesList",
        _GENOME,
        unlistData=_nowhere(),
        elementMetadata=_frame(about, n_genes),
        elementType=text(["GRanges"]),
        metadata=plain_list([]),
        partitioning=s4(
            "PartitioningByEnd",
            _RANGES,
            end=numbers(np.zeros(n_genes, np.int32)),
            NAMES=genes,
            **_OF_ANY,
        ),
    )


def _nowhere() -> RValue:
    """Return no genomic range."""
    ranges = {"start": _NO_INTEGERS, "width": _NO_INTEGERS, "NAMES": NO_SLOT}
    chromosomes = {
        "seqnames": text([]),
        "seqlengths": _NO_INTEGERS,
        "is_circular": numbers(np.empty(0, bool)),
        "genome": text([]),
    }
    return s4(
        "GRanges",
        _GENOME,
        seqnames=_runs(factor(pd.Categorical([]))),
        ranges=s4("IRanges", _RANGES, **ranges, **_OF_ANY),
        strand=_runs(factor(pd.Categorical([], categories=["+", "-", "*"]))),
        seqinfo=s4("Seqinfo", "GenomeInfoDb", **chromosomes),
        elementMetadata=_frame({}, 0),
        elementType=text(["ANY"]),
        metadata=plain_list([]),
    )


def _runs(values: RValue) -> RValue:
    """Return an ``Rle`` without a run."""
    return s4("Rle", _VECTORS, values=values, lengths=_NO_INTEGERS, **_UNANNOTATED)
