"""R's ``.rds`` with a Seurat object or a SingleCellExperiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from ...errors import InputError, quoted
from ..counts import Counts
from ..names import GENE_EXPRESSION, cell_names, ids_and_symbols
from ._bytes import head, open_bytes, unpacked_limit
from ._r_objects import (
    STARTS,
    attributes,
    class_of,
    elements,
    is_s4,
    numbers,
    read_rds,
    strings,
    table,
)
from .h5ad import FEATURE_TYPES, text_columns

if TYPE_CHECKING:
    from rdata.parser import RObject

NAME = "R object (.rds)"
_GENES = ("RNA", "originalexp", "Spatial", "Xenium", "Nanostring", "Vizgen", "Akoya")
"""Assays of raw counts of genes by the names that Seurat gives them."""
_BESIDE = {
    "Antibody Capture": ("adt", "protein", "proteins", "prot", "ab", "antibody capture", "cite"),
    "Multiplexing Capture": ("hto", "hashtag", "hashtags", "cmo", "multiplexing capture"),
    "CRISPR Guide Capture": ("gdo", "guide", "guides", "crispr", "grna", "crispr guide capture"),
}
"""Feature type -> names of assays, and of alternative experiments, with such features."""
_TYPES = (*FEATURE_TYPES, "Type", "type")
_SPARSE = {"dgCMatrix": "csc", "dgRMatrix": "csr", "dgTMatrix": "coo"}
_REALIZE = "Write the counts as a sparse matrix in R first: as(x, 'dgCMatrix')."


@dataclass
class _Assay:
    """Counts of cells x features with their names, and annotation of the features."""

    matrix: sparse.csr_matrix
    features: list[str]
    cells: list[str]
    about: pd.DataFrame


def recognizes(path: Path) -> bool:
    """Return whether the file, unpacked, begins as what ``saveRDS`` writes."""
    return path.is_file() and head(path).startswith(STARTS)


def read(path: Path) -> Counts:
    """Read the counts of genes, and those of proteins, hashtags and guides if any."""
    try:
        with open_bytes(path) as file:
            value = read_rds(file, limit=unpacked_limit(path.stat().st_size))
    except NotImplementedError as error:
        raise InputError.of(
            what="The R object holds something that cannot be read without R: "
            f"{quoted(error, length=100)}.",
            where=path,
            remedy="Save an object with counts and metadata only, of Seurat: "
            "saveRDS(DietSeurat(x), 'x.rds').",
        ) from error
    slots = attributes(value) if is_s4(value) else {}
    if {"assays", "meta.data"} <= set(slots):
        return _seurat(slots, path)
    if {"assays", "colData"} <= set(slots):
        return _experiment(slots, path)
    raise _neither(class_of(value), path)


def _neither(name: str, path: Path) -> InputError:
    remedy = "Save one Seurat object or one SingleCellExperiment with saveRDS."
    if name == "seurat":
        remedy = "Update it in R: saveRDS(Seurat::UpdateSeuratObject(x), 'x.rds')."
    return InputError.of(
        what=f"The R object is of the class {quoted(name)}, neither a Seurat object nor a "
        "SingleCellExperiment.",
        where=path,
        remedy=remedy,
    )


def _seurat(slots: Mapping[str, RObject], path: Path) -> Counts:
    assays = elements(slots["assays"])
    active = strings(slots.get("active.assay"))
    name = next((name for name in (*_GENES, *active) if name in assays), "")
    if not name:
        there = ", ".join(map(quoted, assays)) or "there is none"
        raise _no_assay(f"The Seurat object has no assay of genes: {there}.", path)
    main = _seurat_assay(assays[name], name, path)
    others = {
        other: _seurat_assay(assay, other, path)
        for other, assay in assays.items()
        if other != name and _feature_type(other)
    }
    source = f"the counts of the assay {quoted(name)}"
    return _counts(main, others, table(slots["meta.data"]), source, path)


def _no_assay(what: str, path: Path) -> InputError:
    remedy = "Keep the assay with raw counts, called RNA, in the object."
    return InputError.of(what=what, where=path, remedy=remedy)


def _seurat_assay(assay: RObject, name: str, path: Path) -> _Assay:
    slots = attributes(assay)
    if class_of(assay) == "SCTAssay":
        what = "holds counts that SCTransform corrected, and there is no assay RNA"
        raise _no_assay(f"The assay {quoted(name)} {what}.", path)
    if "layers" in slots:
        matrix, features, cells = _layer(slots, name, path)
        about = "meta.data"
    else:
        matrix, features, cells = _matrix(slots.get("counts"), f"the assay {quoted(name)}", path)
        about = "meta.features"
    if 0 in matrix.shape:
        raise _no_counts(name, path)
    return _Assay(matrix, features, cells, table(slots.get(about)))


def _no_counts(name: str, path: Path) -> InputError:
    return InputError.of(
        what=f"The assay {quoted(name)} of the Seurat object holds no raw counts.",
        where=path,
        remedy="Save the object before counts are taken out of it, or with DietSeurat(x, layers = "
        "'counts').",
    )


def _layer(
    slots: Mapping[str, RObject], name: str, path: Path
) -> tuple[sparse.csr_matrix, list[str], list[str]]:
    """Return the layer with counts of an assay of Seurat 5, its features and its cells."""
    layers = elements(slots["layers"])
    found = [layer for layer in layers if layer == "counts" or layer.startswith("counts.")]
    if len(found) > 1:
        raise InputError.of(
            what=f"The counts of the assay {quoted(name)} are split into {len(found)} layers: "
            f"{', '.join(map(quoted, found[:5]))}{', …' if len(found) > 5 else ''}.",
            where=path,
            remedy=f"Join them in R: x[[{name!r}]] <- JoinLayers(x[[{name!r}]]); "
            "saveRDS(x, 'x.rds').",
        )
    if not found:
        raise _no_counts(name, path)
    matrix, features, cells = _matrix(layers[found[0]], f"the assay {quoted(name)}", path)
    return (
        matrix,
        features or _in_layer(slots.get("features"), found[0]),
        cells or _in_layer(slots.get("cells"), found[0]),
    )


def _in_layer(known: RObject | None, layer: str) -> list[str]:
    """Return the names that a ``LogMap`` of Seurat 5, names x layers, has in a layer."""
    slots = attributes(known)
    rows, columns = (strings(item) for item in slots["dimnames"].value)
    inside = numbers(known).reshape(len(columns), len(rows))[columns.index(layer)]
    return [name for name, there in zip(rows, inside, strict=True) if there]


def _experiment(slots: Mapping[str, RObject], path: Path) -> Counts:
    main = _experiment_assay(slots, "the experiment", path)
    inner = elements(attributes(slots.get("int_colData")).get("listData"))
    beside = elements(attributes(inner.get("altExps")).get("listData"))
    others = {
        name: _experiment_assay(attributes(attributes(item)["se"]), f"altExp {quoted(name)}", path)
        for name, item in beside.items()
        if _feature_type(name)
    }
    return _counts(main, others, table(slots["colData"]), "assay 'counts'", path)


def _experiment_assay(slots: Mapping[str, RObject], what: str, path: Path) -> _Assay:
    data = attributes(attributes(slots["assays"]).get("data"))
    matrices = elements(data.get("listData"))
    if "counts" not in matrices:
        raise InputError.of(
            what=f"There is no assay 'counts' in {what}: "
            f"{', '.join(map(quoted, matrices)) or 'there is none'}.",
            where=path,
            remedy="Name the assay with raw counts: counts(x) <- assay(x, 'name'). "
            "Update an old object first: updateObject(x).",
        )
    matrix, features, cells = _matrix(matrices["counts"], what, path)
    ranges = attributes(slots.get("rowRanges"))
    about = ranges.get("elementMetadata", slots.get("elementMetadata"))
    places = attributes(ranges.get("partitioning", ranges.get("ranges")))
    return _Assay(
        matrix,
        strings(places.get("NAMES", slots.get("NAMES"))) or features,
        strings(attributes(slots["colData"]).get("rownames")) or cells,
        table(about),
    )


def _matrix(
    value: RObject | None, what: str, path: Path
) -> tuple[sparse.csr_matrix, list[str], list[str]]:
    """Return cells x features and the names of both, of R's features x cells."""
    slots = attributes(value)
    name = class_of(value)
    if name not in (*_SPARSE, "matrix"):
        raise InputError.of(
            what=f"The counts of {what} are of the class {quoted(name)}, whose values are not in "
            "the file.",
            where=path,
            remedy=_REALIZE,
        )
    shape = tuple(numbers(slots.get("Dim", slots.get("dim"))).astype(int))
    names = slots.get("Dimnames", slots.get("dimnames"))
    features, cells = (strings(item) for item in names.value) if names is not None else ([], [])
    if name == "matrix":
        matrix: Any = numbers(value).reshape(shape[::-1])
    else:
        parts = {key: numbers(slots.get(key)) for key in "ijpx"}
        matrix = _sparse(_SPARSE[name], parts, shape)
    found = sparse.csr_matrix(matrix)
    found.check_format(full_check=True)  # beyond its shape scipy would write anywhere
    return found, features, cells


def _sparse(kind: str, parts: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> Any:
    """Return cells x features of R's features x cells: its columns are the rows."""
    values, shape = parts["x"], shape[::-1]
    if kind == "csc":
        return sparse.csr_matrix((values, parts["i"], parts["p"]), shape=shape)
    if kind == "csr":
        matrix = sparse.csc_matrix((values, parts["j"], parts["p"]), shape=shape)
        matrix.check_format(full_check=True)  # converting it trusts its indices
        return matrix
    return sparse.coo_matrix((values, (parts["j"], parts["i"])), shape=shape)


def _feature_type(name: str) -> str:
    """Return the feature type of an assay by its name; empty of others."""
    return next((kind for kind, names in _BESIDE.items() if name.lower() in names), "")


def _counts(
    main: _Assay, others: Mapping[str, _Assay], columns: pd.DataFrame, source: str, path: Path
) -> Counts:
    """Return the counts of genes and of the other assays."""
    told = text_columns(main.about) if len(main.about) == main.matrix.shape[1] else {}
    ids, symbols = ids_and_symbols(main.features, told)
    types = next((told[name] for name in _TYPES if name in told), [GENE_EXPRESSION] * len(ids))
    matrices, notes = [main.matrix], []
    for name, other in others.items():
        if not _is_beside(other, main):
            notes.append(f"The assay {quoted(name)} was left out: it lacks counts of some cells.")
            continue
        matrices.append(other.matrix)
        ids, symbols = [*ids, *other.features], [*symbols, *other.features]
        types = [*types, *[_feature_type(name)] * len(other.features)]
    matrix = sparse.hstack(matrices, format="csr") if len(matrices) > 1 else main.matrix
    if not isinstance(columns.index, pd.RangeIndex) and list(columns.index) != main.cells:
        columns = columns.reindex(main.cells)
    barcodes = cell_names(main.cells, text_columns(columns))
    counts = Counts(matrix, barcodes, ids, symbols, NAME, source, columns, notes)
    counts.keep_genes(types, path)
    return counts


def _is_beside(other: _Assay, main: _Assay) -> bool:
    """Return whether an assay has all counts of the same cells, if it names some."""
    return (
        other.matrix.shape[0] == main.matrix.shape[0]
        and other.cells in ([], main.cells)
        and bool(np.isfinite(other.matrix.data).all())
    )
