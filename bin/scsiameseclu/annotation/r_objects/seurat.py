"""A group's AnnData as a Seurat object, of the classes of SeuratObject 4."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from ...intake.names import unique
from ..cellxgene import free_names
from .parts import Beside, beside_genes, reductions
from .writing import (
    NO_SLOT,
    RValue,
    anything,
    by_cell,
    data_frame,
    dense,
    factor,
    named_list,
    numbers,
    package_version,
    plain_list,
    s4,
    text,
)

_PACKAGE = "SeuratObject"
_RNA = "RNA"
_NOTHING = dense(np.empty((0, 0)))
_JACKSTRAW = (
    *("empirical.p.values", "fake.reduction.scores"),
    *("empirical.p.values.full", "overall.p.values"),
)


def seurat_object(
    adata: ad.AnnData, *, project: str, identities: str, run: Mapping[str, object]
) -> RValue:
    """Return a group as a Seurat object.

    Parameters
    ----------
    adata
        ``X`` log-normalized, ``layers['counts']``, ``obs``, ``var`` with ``highly_variable``,
        ``obsm`` with `REDUCTIONS` and, where they were counted, proteins, hashtags and guides.
    project
        The project's name.
    identities
        Column of ``obs`` that becomes the identities (``Idents``).
    run
        What is kept in ``Misc``.

    Returns
    -------
    Assay ``RNA`` with counts, data, variable features and ``var`` as its metadata; assays ``ADT
    HTO GDO`` of other features; ``obs`` as metadata, with Seurat's own columns
    first. As in Seurat, ``_`` and ``|`` in names of features become ``-``.
    """
    cells = text(adata.obs_names)
    genes = feature_names(list(map(str, adata.var_names)))
    others = {beside.assay: _beside(beside, cells) for beside in beside_genes(adata)}
    return s4(
        "Seurat",
        _PACKAGE,
        assays=named_list({_RNA: _genes(adata, genes, cells), **others}),
        **{"meta.data": data_frame(_of_cells(adata), cells)},
        **{"active.assay": text([_RNA])},
        **{"active.ident": factor(pd.Categorical(adata.obs[identities]), names=cells)},
        reductions=named_list(_reductions(adata, genes, cells)),
        **{name: plain_list([]) for name in ("graphs", "neighbors", "images")},
        **{"project.name": text([project])},
        misc=named_list({"scsiameseclu": anything(run)}),
        version=package_version(4, 1, 3),
        **{name: plain_list([]) for name in ("commands", "tools")},
    )


def feature_names(names: Sequence[str]) -> list[str]:
    """Return names as Seurat takes them for features: ``-`` for ``_`` and ``|``, each once."""
    return unique([re.sub(r"[_|]", "-", name) for name in names])[0]


def _genes(adata: ad.AnnData, genes: list[str], cells: RValue) -> RValue:
    names = text(genes)
    return _assay(
        _RNA,
        by_cell(sparse.csr_matrix(adata.layers["counts"]), names, cells),
        by_cell(sparse.csr_matrix(adata.X), names, cells),
        about=data_frame(adata.var, names),
        variable=text(genes[place] for place in _variable(adata)),
    )


def _beside(beside: Beside, cells: RValue) -> RValue:
    """Return the assay of proteins, hashtags or guides."""
    names = text(feature_names(beside.names))
    normalized = beside.counts if beside.normalized is None else beside.normalized
    matrices = [by_cell(matrix, names, cells) for matrix in (beside.counts, normalized)]
    about = data_frame(pd.DataFrame(index=beside.names), names)
    return _assay(beside.assay, *matrices, about=about)


def _variable(adata: ad.AnnData) -> np.ndarray:
    """Return the places of the highly variable genes, as in Seurat the most variable first."""
    places = np.flatnonzero(adata.var["highly_variable"])
    if "dispersions_norm" not in adata.var:
        return places
    return places[np.argsort(-adata.var["dispersions_norm"].to_numpy()[places], kind="stable")]


def _assay(
    name: str, counts: RValue, data: RValue, *, about: RValue, variable: RValue | None = None
) -> RValue:
    return s4(
        "Assay",
        _PACKAGE,
        counts=counts,
        data=data,
        **{"scale.data": _NOTHING},
        key=text([f"{name.lower()}_"]),
        **{"assay.orig": NO_SLOT},
        **{"var.features": numbers(np.empty(0, bool)) if variable is None else variable},
        **{"meta.features": about},
        misc=plain_list([]),
    )


def _of_cells(adata: ad.AnnData) -> pd.DataFrame:
    """Return ``obs`` with the columns before it that every Seurat object has.

    Others of these names get the prefix ``author_``.
    """
    counts = sparse.csr_matrix(adata.layers["counts"])
    own = {
        "orig.ident": adata.obs["sample"].astype("category"),
        "nCount_RNA": np.asarray(counts.sum(axis=1), dtype=np.float64).ravel(),
        "nFeature_RNA": counts.getnnz(axis=1),
    }
    others = adata.obs.rename(columns=free_names(list(map(str, adata.obs)), own))
    return pd.DataFrame(own, index=adata.obs_names).join(others)


def _reductions(adata: ad.AnnData, genes: list[str], cells: RValue) -> dict[str, RValue]:
    return {
        name: s4(
            "DimReduc",
            _PACKAGE,
            **{"cell.embeddings": dense(values, cells, text(dimensions))},
            **{"feature.loadings": _loadings(adata, genes, dimensions, of=name)},
            **{"feature.loadings.projected": _NOTHING},
            **{"assay.used": text([_RNA])},
            **{"global": numbers(np.array([name.startswith("umap")]))},
            stdev=numbers(values.std(axis=0, ddof=1, dtype=np.float64)),
            key=text([key]),
            jackstraw=s4("JackStrawData", _PACKAGE, **dict.fromkeys(_JACKSTRAW, _NOTHING)),
            misc=plain_list([]),
        )
        for name, key, values, dimensions in reductions(adata)
    }


def _loadings(adata: ad.AnnData, genes: list[str], dimensions: list[str], *, of: str) -> RValue:
    """Return the loadings of variable genes on principal components; of other reductions none."""
    if of != "pca" or "PCs" not in adata.varm:
        return _NOTHING
    variable = _variable(adata)
    names = text(genes[place] for place in variable)
    return dense(np.asarray(adata.varm["PCs"])[variable], names, text(dimensions))
