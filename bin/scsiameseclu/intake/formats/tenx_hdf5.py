"""Cell Ranger's HDF5: version 2 (a group per genome) and 3 (``matrix`` with ``features``)."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from ...errors import InputError, quoted
from ..counts import Counts, add_up_genes, inconsistent
from ..names import fill_missing
from ._bytes import no_cells
from ._hdf5 import compressed, items, members, opened, strings, vector

NAME = "10x HDF5"
_MATRIX = {"barcodes", "data", "indices", "indptr", "shape"}


def recognizes(path: Path) -> bool:
    """Return whether all top groups, or ``matrix``, are in Cell Ranger's layout."""
    groups = [name for name, kind in members(path).items() if kind is h5py.Group]
    if not groups:
        return False
    with opened(path) as file:
        return any(set(file[name]) >= {"barcodes", "indptr"} for name in groups)


def read(path: Path) -> Counts:
    """Read all genomes; of the features keep those of type Gene Expression."""
    with opened(path) as file:
        found = (item for item in items(file).values() if isinstance(item, h5py.Group))
        groups = [group for group in found if "barcodes" in group]
        for group in groups:
            _check_complete(group, path)
        if "features" in groups[0]:
            _check_only(groups, path)
            return _read_version_3(groups[0], path)
        parts = [_read_genome(group, path) for group in groups]
    counts = parts[0] if len(parts) == 1 else _side_by_side(parts)
    if len(parts) > 1:
        names = ", ".join(part.source.rpartition("/")[2] for part in parts)
        counts.notes.append(
            f"The file holds {len(parts)} genomes ({names}): the genes of all were kept."
        )
    return counts


def _check_only(groups: list[h5py.Group], path: Path) -> None:
    if len(groups) > 1:
        names = ", ".join(quoted(group.name) for group in groups)
        raise InputError.of(
            what=f"The 10x HDF5 file holds {len(groups)} matrices: {names}.",
            where=path,
            remedy="Give a file with one matrix, as Cell Ranger writes it.",
        )


def _check_complete(group: h5py.Group, path: Path) -> None:
    missing = sorted(_MATRIX - set(group))
    if "features" not in group and "genes" not in group:
        missing.append("features")
    if missing:
        raise InputError.of(
            what=f"The 10x HDF5 file lacks {', '.join(missing)} in group {group.name}.",
            where=path,
            remedy="Give filtered_feature_bc_matrix.h5 as Cell Ranger wrote it; copy "
            "or download it again.",
        )
    if not strings(group["barcodes"]):
        raise no_cells(path)


def _matrix(group: h5py.Group, path: Path, n_genes: int, n_barcodes: int) -> sparse.csr_matrix:
    shape = [int(size) for size in group["shape"][:]]
    if shape != [n_genes, n_barcodes]:
        named = f"{n_genes} genes and {n_barcodes} barcodes"
        raise inconsistent(f"The matrix is of shape {shape}, but there are {named}.", path)
    # Genes x barcodes, column by column, is barcodes x genes, row by row.
    return compressed(group, (n_barcodes, n_genes))


def _read_version_3(group: h5py.Group, path: Path) -> Counts:
    features = group["features"]
    ids, symbols = strings(features["id"]), strings(features["name"])
    barcodes = strings(group["barcodes"])
    matrix = _matrix(group, path, len(ids), len(barcodes))
    counts = Counts(matrix, barcodes, ids, symbols, f"{NAME} v3", source=group.name)
    _add_up_probes(counts, features)
    if "feature_type" in features and len(counts.gene_ids) == len(ids):
        counts.keep_genes(strings(features["feature_type"]), path)
    return counts


def _add_up_probes(counts: Counts, features: h5py.Group) -> None:
    """Make one gene of the probes for it, where features are the probes of 10x Flex and Visium."""
    size = (len(counts.gene_ids),)
    found = (features.get(name) for name in ("gene_id", "gene_name", "filtered_probes"))
    genes, names, passing = (
        item if isinstance(item, h5py.Dataset) and item.shape == size else None for item in found
    )
    is_of_probes = genes is not None and names is not None
    if is_of_probes:
        counts.gene_ids = fill_missing(strings(genes), counts.gene_ids)
        counts.gene_symbols = fill_missing(strings(names), counts.gene_symbols)
    if passing is not None:
        _leave_out_excluded(counts, vector(passing).astype(bool))
    if is_of_probes:
        add_up_genes(counts)


def _leave_out_excluded(counts: Counts, passing: np.ndarray) -> None:
    """Leave out the probes that Cell Ranger does not count for a gene, either."""
    if 0 < passing.sum() < len(passing):
        counts.keep(passing)
        counts.notes.append(
            f"Of {len(passing)} probes, {len(passing) - passing.sum()} that Cell Ranger excludes "
            "(filtered_probes) were left out."
        )


def _read_genome(group: h5py.Group, path: Path) -> Counts:
    ids, barcodes = strings(group["genes"]), strings(group["barcodes"])
    symbols = strings(group["gene_names"]) if "gene_names" in group else list(ids)
    matrix = _matrix(group, path, len(ids), len(barcodes))
    return Counts(matrix, barcodes, ids, symbols, f"{NAME} v2", source=group.name)


def _side_by_side(parts: list[Counts]) -> Counts:
    """Join genomes by barcode: a barcode that one of them lacks has no counts there."""
    barcodes = list(dict.fromkeys(barcode for part in parts for barcode in part.barcodes))
    if any(len(set(part.barcodes)) < len(part.barcodes) for part in parts):
        raise InputError.of(
            what="The same barcode comes twice within one genome, so the genomes cannot be joined.",
            where=parts[0].source,
            remedy="Give a file with one genome.",
        )
    rows = pd.Index(barcodes)
    aligned = [
        _rows_at(part.matrix, rows.get_indexer(pd.Index(part.barcodes)), len(barcodes))
        for part in parts
    ]
    return Counts(
        sparse.hstack(aligned, format="csr"),
        barcodes,
        [name for part in parts for name in part.gene_ids],
        [name for part in parts for name in part.gene_symbols],
        f"{NAME} v2",
        source="the genomes' matrices",
    )


def _rows_at(matrix: sparse.csr_matrix, rows: np.ndarray, n_rows: int) -> sparse.csr_matrix:
    place = sparse.csr_matrix(
        (np.ones(len(rows), dtype=matrix.dtype), (rows, np.arange(len(rows)))), (n_rows, len(rows))
    )
    return place @ matrix
